"""Every script: wrong flags in one line, small runs, the same twice."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
SCRIPTS = ("train", "identities", "real_data", "answer")
TINY = (
    "--task=adding", "--task_steps=6", "--num_steps=4", "--validate_every=2",
    "--hidden_features=4", "--batch_size=4",
)  # fmt: skip


def script(name, *flags, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", *flags],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--learning_rate=nan"], "must be a finite number"),
        (["--learning_rate=inf"], "inf is not a number in the range"),
        (["--learning_rate=-1"], "-1.0 is not a number in the range"),
        (["--clip_norm=nan"], "must be a finite number"),
        (["--sharing=untyed"], "Did you mean untied?"),
        (["--task=japanese_vowel"], "Did you mean japanese_vowels?"),
        (["--cell=lsmt"], "Did you mean lstm?"),
        (["--same_init", "false"], "unexpected words: false"),
        (["--hidden_feature=3"], "Unknown command line flag 'hidden_feature'"),
        (["--hidden_features=0"], "0 is not a positive integer"),
        (["--dropout=1.5"], "1.5 is not a number in the range"),
        ([*TINY, "--sharing=segments", "--num_segments=9"], "more segments than steps"),
        ([*TINY, "--num_steps=5"], "not a multiple of validate_every=2"),
    ],
)
def test_wrong_flags_are_one_line_and_make_nothing(flags, text, tmp_path):
    workdir = tmp_path / "run"
    done = script("train", *flags, f"--workdir={workdir}")
    assert done.returncode == 2
    assert done.stdout == ""
    assert text in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not workdir.exists()


@pytest.mark.parametrize("name", SCRIPTS)
def test_help(name):
    done = script(name, "--help")
    assert "--workdir" in done.stdout
    assert "Question:" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize("sharing", ["tied", "untied", "segments", "cyclic"])
def test_train(sharing, tmp_path):
    flags = (*TINY, f"--sharing={sharing}", "--num_seeds=2")
    done = script("train", *flags, f"--workdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    sets = {"tied": 1, "untied": 6, "segments": 4, "cyclic": 4}[sharing]
    assert f"parameters: {sets * 112 + 5:,}" in done.stdout
    assert "test loss" in done.stdout
    rows = [
        json.loads(r) for r in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    assert [r.get("step") for r in rows] == [2, 2, 4, 4, None, None]
    assert (tmp_path / "params.npz").exists()


def test_the_same_command_twice_gives_the_same_bytes(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    seen = []
    for _ in range(2):
        assert script("train", *TINY, f"--workdir={tmp_path}").returncode == 0
        seen.append(metrics.read_bytes())
    assert seen[0] == seen[1]
    other = script("train", *TINY, "--seed=5", f"--workdir={tmp_path}")
    assert other.returncode == 2
    assert "holds another run" in other.stderr
    assert metrics.read_bytes() == seen[0]


@pytest.mark.slow
def test_answer(tmp_path):
    done = script("answer", "--preset=smoke", f"--workdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    claims = json.loads((tmp_path / "claims.json").read_text())
    assert [claim["id"] for claim in claims] == ["Q1", "Q3", "Q5", "B1", "B2", "B4"]
    keys = "id claim verdict effect interval num_seeds rule command figure seconds"
    for claim in claims:
        assert set(claim) == set(keys.split())
        assert (tmp_path / claim["figure"]).is_file()
    verdicts = {claim["id"]: claim["verdict"] for claim in claims}
    assert verdicts.pop("Q5") in ("supported", "refuted", "inconclusive")
    assert set(verdicts.values()) == {"supported"}
    page = (tmp_path / "report.md").read_text()
    code = "from experiments.claims import CLAIMS; print(*CLAIMS)"
    ids = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True
    )
    for key in ids.stdout.decode().split():
        assert key in page
