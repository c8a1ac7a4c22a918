"""Scripts as a user runs them: flags, help, errors in one line, and what is kept."""

import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from experiments import train
from experiments.lab import choices
from tests.cases import with_slow
from tests.experiments.scripts import (
    ROOT,
    TINY,
    assert_refused,
    refused,
    run,
    run_here,
    strict_json,
)

FLAGS_OF = {
    "train": ("task", "cell", "sharing", "same_init", "learning_rate", "workdir"),
    "identities": ("preset", "workdir"),
    "real_data": ("preset", "workdir"),
    "spectrum": ("preset", "workdir", "explain"),
    "should_i_untie": ("task", "drift", "periods", "check"),
    "answer": ("preset", "workdir"),
    "length_generalisation": ("task", "eval_max_length", "workdir"),
    "core_claim": ("preset", "workdir"),
    "drift_map": ("preset", "workdir"),
    "over_fitting": ("preset", "workdir"),
    "cell_comparison": ("preset", "workdir"),
    "truncated_bptt": ("preset", "workdir"),
    "cell_state": ("preset", "workdir"),
    "translation": ("preset", "workdir"),
    "universality": ("preset", "workdir"),
    "resources": ("preset", "workdir", "cluster", "workers", "shard"),
    "merge": ("workdir",),
}


@pytest.mark.parametrize(
    ("name", "flags", "text"),
    [
        ("train", ["--nosame_init=1"], "--nosame_init=1 does not take an argument"),
        ("train", [*TINY, "--rank=3"], "only read with --sharing=low_rank"),
        ("train", ["--hidden_features=1000000"], "would take at least 144 TB"),
        ("drift_map", ["smoke"], "unexpected words: smoke"),
    ],
)
def test_wrong_flags_are_one_line_and_make_nothing(
    name, flags, text, tmp_path, monkeypatch
):
    """As all of `test_refusals` are, in processes of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert_refused(run(name, *flags, f"--workdir={tmp_path / 'run'}"), text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "flags"), [("train", TINY), ("identities", ["--preset=smoke"])]
)
def test_a_workdir_that_is_a_file_is_refused(name, flags, tmp_path):
    path = tmp_path / "taken"
    path.write_text("mine")
    assert_refused(run(name, *flags, f"--workdir={path}"), str(path))
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", FLAGS_OF)
def test_help(name):
    done = run(name, "--help")
    assert done.returncode == 0
    shown = re.findall(r"^ +--(?:\[no\])?(\w+):", done.stdout, re.MULTILINE)
    assert set(FLAGS_OF[name]) <= set(shown)
    assert name == "train" or "same_init" not in shown
    assert "Question:" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize("flag", ["--helpshort", "--helpfull", "--helpxml"])
def test_all_kinds_of_help(flag):
    done = run("train", flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert "same_init" in done.stdout


@pytest.mark.parametrize("sharing", with_slow(choices.SHARINGS[4:], ["low_rank"]))
def test_train_between_tied_and_untied(sharing):
    words = (*TINY, f"--sharing={sharing}", "--cell=gru")
    done = refused("train", *words, begin=lambda *_: None)  # it is not: it trains
    assert not done.returncode, done.stderr
    name = sharing.replace("_", "")
    assert re.search(rf"^adding_6: GRUCell, {name}\(", done.stdout, re.I | re.M)


@pytest.mark.parametrize(
    "sharing",
    with_slow(["tied", "untied", "segments", "cyclic"], {"untied"}),
)
def test_train(sharing, tmp_path):
    flags = (*TINY, f"--sharing={sharing}", "--num_seeds=2")
    done = run_here("train", *flags, f"--workdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    sets = {"tied": 1, "untied": 6, "segments": 4, "cyclic": 4}[sharing]
    assert f"parameters: {sets * 112 + 5:,}" in done.stdout
    assert "test loss" in done.stdout
    assert done.stderr.startswith(f"{train.__doc__.splitlines()[0]} Time: about half ")
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    rows = [strict_json(line) for line in lines]
    assert [row.get("step") for row in rows] == [2, 2, 4, 4, None, None]
    assert [row["seed"] for row in rows] == [0, 1] * 3
    setting = strict_json((tmp_path / "setting.json").read_text())
    assert setting["sharing"].lower().startswith(sharing)
    assert (setting["task"], setting["num_seeds"]) == ("adding_6", 2)
    with np.load(tmp_path / "params.npz") as params:
        assert sum(params[name].size for name in params) == sets * 112 + 5


@pytest.mark.slow  # as is a training in test_train
@pytest.mark.parametrize(
    ("more", "appears"),
    [((), "trained.jsonl"), (("--cluster=local",), "*.workers/*/rows.jsonl")],
)
def test_an_interrupted_study_says_so_in_one_line_and_goes_on(more, appears, tmp_path):
    flags = ("--preset=smoke", f"--workdir={tmp_path}", *more)
    # A parent in the background may have it ignored; no fork, which JAX warns of.
    code = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        "; runpy.run_module('experiments.law', run_name='__main__', "
        "alter_sys=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *flags],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    folder = tmp_path / "smoke/law"
    rows = folder / "trained.jsonl"
    while not any(folder.glob(appears)) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    command = f"python -m experiments.law {' '.join(flags)}"
    assert told.endswith(f"\ninterrupted: rows are kept; go on by: {command}\n")
    kept = rows.read_bytes()
    done = run("law", *flags)
    assert done.returncode == 0, done.stderr
    assert rows.read_bytes().startswith(kept)
    keys = [strict_json(line)["key"] for line in rows.read_text().splitlines()]
    assert len(keys) == len(set(keys))


@pytest.mark.slow
def test_explain():
    done = run("spectrum", "--explain")
    assert done.returncode == 0, done.stderr
    rows, name = {}, ""
    for line in done.stdout.splitlines()[2:]:
        name = line[:62].strip() or name
        rows[name, line[74:83].strip()] = line[83:].split("  ")
    reads = {key: [word.strip() for word in row if word.strip()]
             for key, row in rows.items()}  # fmt: skip
    assert reads["Tied()", "-"] == ["same"] * 3
    untied = "Untied(num_steps=8)"
    assert reads[untied, "error"] == ["error"] * 3
    assert reads[untied, "hold"] == ["step 7"] * 3
    assert reads[untied, "cycle"] == ["step 0", "step 1", "step 0"]
    assert reads["Scaled(num_steps=8)", "base"] == ["base"] * 3
    assert reads["Drift()", "-"] == ["new"] * 3


@pytest.mark.slow
def test_should_i_untie():
    flags = ("--hidden_features=4", "--num_steps=8", "--num_seeds=2", "--periods=5")
    done = run("should_i_untie", *flags)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^advice: .*models; median p 0\.\d+", done.stdout, re.MULTILINE)
    assert "period 5, recurrent: statistic" in done.stdout
    assert re.search(r"^check: .* the advice is \w+$", done.stdout, re.MULTILINE)
    told = done.stderr.splitlines()
    assert "Should I untie?" in told[0] and "Time: about a minute" in told[0]
    assert told[1:4] == [
        "should_i_untie trains 2 models, Tied()",
        "should_i_untie tests model 0, of 2",
        "should_i_untie tests model 1, of 2",
    ]
    assert told[4].startswith("should_i_untie trains 2 models, ")


@pytest.mark.slow
def test_length_generalisation(tmp_path):
    flags = ("--preset=smoke", f"--workdir={tmp_path}")
    longer = ("--task=parity", "--eval_max_length=11", "--num_seeds=1")
    done = run("length_generalisation", *flags, *longer)
    assert done.returncode == 0, done.stderr
    assert (
        tmp_path / "smoke/length_generalisation/figures/lengths_by_flags.png"
    ).is_file()
    lines = (
        (tmp_path / "smoke/length_generalisation/kept.jsonl").read_text().splitlines()
    )
    rows = [strict_json(line) for line in lines]
    for row in rows:  # each length by itself only as far as the plan says
        longest = 8 if row["reading"] == "stretch" else 11
        assert len(row["accuracy_by_length"]) == longest
    assert {row["language"] for row in rows} == {"parity"}
