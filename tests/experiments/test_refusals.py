"""Wrong flags of every script: one line, exit code 2, nothing compiled or created.

The flags are parsed and checked in this process; `test_scripts` has some in processes
of their own, and `tests/library/test_errors.py` the library's wrong calls.
"""

import ast
import os
import re
import sys

import pytest
from absl import flags

from experiments.lab import flags as common
from experiments.lab import machine
from tests.experiments.scripts import (
    EXPERIMENTS,
    ROOT,
    TINY,
    assert_refused,
    refused,
)

HUGE = str(10**23)
INTEGERS = {
    "train": "task_steps split num_segments period num_templates rank hidden_features "
    "num_layers num_steps batch_size validate_every patience seed num_seeds "
    "devices_per_replica num_processes process_id",
    "should_i_untie": "hidden_features num_steps num_seeds",
    "length_generalisation": "train_max_length eval_max_length hidden_features "
    "num_steps num_seeds examples",
    "benchmark.study_race": "num_seeds num_steps rounds",
    "benchmark.long_race": "num_steps batch_size hidden_features rounds",
    "compare": "forecast hidden_features batch_size period",
    "identities": "replicas_per_device workers",
    "answer": "jobs",
}
FLOATS = {
    "train": "drift dropout learning_rate weight_decay clip_norm checkpoint_every",
    "should_i_untie": "drift learning_rate",
    "benchmark": "memory_gib",
    "compare": "budget_minutes",
    "identities": "compilation_cache_gb",
}
OF_INTEGERS = {
    "nan": "must be a whole number", "": "must be a whole number, not ''",
    "1.5": "must be a whole number, not '1.5'", "-1": "-1 is not a", HUGE: "in the r",
}  # fmt: skip
OF_FLOATS = {
    "nan": "must be a finite number", "inf": "must be a finite number",
    "-1": "-1.0 is not a number in the range", "x": "must be a number, not 'x'",
    "1e31": "1e+31 is not a number in the range",
}  # fmt: skip
ADDING = "--task=adding --task_steps=6"
BY_HAND = {
    "train": {
        "--sharing=untyed": "Did you mean untied?",
        "--task=japanese_vowel": "Did you mean japanese_vowels?",
        "--cell=lsmt": "Did you mean lstm?",
        "--same_init false": "unexpected words: false",
        "--same_init=maybe": "Non-boolean argument",
        "--nosame_init=1": "--nosame_init=1 does not take an argument",
        "--hidden_feature=3": "Unknown command line flag 'hidden_feature'",
        "--num_steps": "Missing value for flag --num_steps",
        "-5": "Unknown command line flag '5'",
        "--workdir=~nobody_here/x": "~nobody_here/x is of a user who has no home",
        "--workdir=": "names no path",
        "--workdir=/dev/null/x": "/dev/null is no folder that can be written to",
        "--flagfile=/nowhere": "/nowhere",
        "--stderrthreshold=x": "x",
        # What another flag makes irrelevant.
        "--rank=2": "--rank is only read with --sharing=low_rank. Leave --rank out, or",
        "--sharing=untied --period=4": "--period is only read with --sharing=cyclic or",
        "--sharing=cyclic --num_segments=2": "only read with --sharing=segments",
        "--sharing=drift --num_templates=2": "only read with --sharing=mixture or",
        "--sharing=low_rank --same_init": "only read with --sharing=untied or segments",
        "--nosame_init": "only read with --sharing=untied or segments or cyclic",
        "--task_steps=9": "--task_steps is only read with --task=adding or copy_memory",
        "--task=mnist1d --drift=0.1": "--drift is only read with --task=drift",
        "--task=adding --split=1": "--split is only read with --task=drift or",
        "--dropout=0.5": "--dropout is only read with --num_layers=2 or more",
        "--remat=root": "Use",
        # Devices and processes.
        "--num_processes=2": "--num_processes is only read with --coordinator",
        "--coordinator=here": "--coordinator=here is no host:port, and not auto",
        "--coordinator=h:1 --num_processes=2": "needs --num_processes, and the --pro",
        "--coordinator=h:1 --num_processes=2 --process_id=2": "counted from 0 to 1",
        "--coordinator=auto --process_id=0": "--coordinator=auto finds out how many",
        f"{ADDING} --spread_steps": "Use devices_per_replica=2, or more",
        f"{ADDING} --devices_per_replica=3": "does not divide the 2 devices",
        f"{ADDING} --devices_per_replica=2 --batch_size=5": "the batch_size of 5",
        f"{ADDING} --devices_per_replica=2 --replicas_per_device=2": "Leave one out",
        "--restart": "--restart is only read with --workdir",
        "--checkpoint_every=1": "--checkpoint_every is only read with --workdir",
        # What the library refuses of them together.
        f"{ADDING} --sharing=segments --num_segments=9": "more segments than steps",
        f"{ADDING} --num_steps=5 --validate_every=2": "not a multiple of validate_ev",
        # What the machine has no room for.
        f"{ADDING} --hidden_features=1000000": "take at least 144 TB, most of it 4,000",
        f"{ADDING} --hidden_features=100000 --num_layers=256": "most of it 20,440,",
        f"{ADDING} --batch_size=10000000 --hidden_features=9000": "take at least",
        "--task=adding --task_steps=10000000": "most of it what each step",
        "--task=copy_memory --task_steps=10000000": "most of it what each step",
        "--sharing=cyclic --period=1000000 --hidden_features=999": "take at least",
        "--sharing=mixture --num_templates=1000000": "parameters; this machine has",
        "--sharing=basis --num_templates=1000000": "parameters; this machine has",
        "--sharing=low_rank --rank=1000000": "parameters; this machine has",
        "--num_seeds=100000 --hidden_features=512": "take at least",
        f"{ADDING} --replicas_per_device=1000000 --num_seeds=100000 "
        "--hidden_features=300": "take at least",
    },
    "should_i_untie": {
        "--task=drifts": "Did you mean drift?",
        "--task=mnist1d --drift=0.1": "--drift is only read with --task=drift",
        "--periods=20": "does not show in 30 steps",
        "--periods=x": "Use whole numbers",
        f"--periods={HUGE}": "does not show in 30 steps",
        "--hidden_features=20000": "most of it a gradient of each of 1,000 examples",
        "--nocheck=1": "does not take an argument",
    },
    "length_generalisation": {
        "--shard=0/2 --num_seeds=3": "--shard takes the preset's plan. Leave out",
        "--task=parities": "parities",
        "--cell=RNN": "RNN",
        "--eval_max_length=2": "--eval_max_length=2 is not above --train_max_length=20",
        "--examples=10000000": "most of it what is read",
        "--hidden_features=100000": "parameters; this machine has",
        "--judge_again=x --num_seeds=3": "--judge_again judges by the preset's plan",
    },
    "spectrum": {
        "--explain --workdir=x": "--workdir is not read with --explain. Leave",
        "--explain --preset=full": "--preset is not read with --explain. Leave",
        "--judge_again=": "names no path",
        "--judge_again=x --workdir=x": "--workdir is not read with --judge_again",
        "--judge_again=x --replicas_per_device=2": "is not read with --judge_again",
    },
    "identities": {
        "--cluster=slrm": "Did you mean slurm?",
        "--cluster=slurm": "--cluster=slurm: Could not detect",
        "--workers=3": "--workers is only read with --cluster=local or slurm",
        "--cluster_options=a=1": "only read with --cluster=local or slurm",
        "--cluster=local --cluster_options=timeout_min": "is not written name=value",
        "--cluster=local --cluster_options=timeout_min=x": "expected type",
        "--cluster=local --cluster_options=hours=3": "hours",
        "--shard=2/2": "must be i/n, i counted from 0 and below n",
        "--shard=1": "must be i/n", "--shard=a/b": "must be i/n",
        "--shard=-1/2": "must be i/n", "--shard=0/0": "must be i/n",
        f"--shard=0/{HUGE}": "must be i/n",
        "--times_only": "identities takes no times. Leave --times_only out",
        "--times_only --shard=0/2": "--times_only is not read with --shard",
        "--shard=0/2 --cluster=local": "--shard is only read with --cluster=none",
        "--judge_again=x --shard=0/2": "--shard is not read with --judge_again",
        "--judge_again=x --cluster=local": "--cluster is not read with --judge_again",
    },
    "merge": {"--workdir=nowhere": "nowhere is no folder. Name that of the shards"},
    "answer": {
        "--collect --cluster=local": "--cluster is not read with --collect",
        "--collect --replicas_per_device=2": "is not read with --collect",
        "--collect --jobs=2": "--jobs is not read with --collect",
        "--jobs=0": "--jobs",
        "--evidence=~nobody_here": "is of a user who has no home",
    },
    "compare": {
        "--budget_minutes=1": "give --data, a file",
        "--data=": "names no path",
        "--data=nowhere.csv": "nowhere.csv: there is no such file",
        "--data=table.xls": "use a file that ends in .csv, .parquet, .npz, .ts",
        "--split_by=date": "date",
        "--kind=class": "Did you mean classes?",
        "--workdir=/dev/null/x": "/dev/null is no folder that can be written to",
    },
    "benchmark": {
        "--races=slow": "slow",
        "--races=tied --memory_gib=3": "--memory_gib is only read with --races=untied",
        "--races=study --cells=lstm": "--cells is only read with --races=tied",
    },
    "benchmark.long_race": {
        "--remat=root": "value should be one of <none|step|sqrt>",
        "--num_steps=100000000": "most of it outputs and their gradient",
        "--sharing=untied": "most of it weights, old and new, and gradient",
    },
    "benchmark.study_race": {
        "--num_steps=1000000000": "most of it 8 times 1,000,000,000 batches",
    },
}  # fmt: skip
PRESETS = {
    "--preset=quikc": "Did you mean quick?", "smoke": "unexpected words: smoke",
    "--workdir=/dev/null/x": "/dev/null is no folder that can be written to",
}  # fmt: skip


def table(name):
    """Returns {flags: what is said of them} of a script."""
    found = dict(BY_HAND.get(name, {}))
    if name in EXPERIMENTS or name == "answer":
        found |= PRESETS
    for numbers, wrong in ((INTEGERS, OF_INTEGERS), (FLOATS, OF_FLOATS)):
        for flag in numbers.get(name, "").split():
            found |= {f"--{flag}={value}": text for value, text in wrong.items()}
    return found


SCRIPTS = ("train", "should_i_untie", "answer", "benchmark", "benchmark.study_race",
           "benchmark.long_race", "compare", "merge",
           *EXPERIMENTS)  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_wrong_flags_are_one_line_and_make_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "host_memory", lambda: 24e9)
    for words, text in table(name).items():
        assert_refused(refused(name, *words.split(" ")), text)
    assert list(tmp_path.iterdir()) == []


def test_the_table_is_long_enough():
    assert sum(len(table(name)) for name in SCRIPTS) >= 120


def test_every_number_has_two_ends_and_is_in_the_table():
    seen, listed = set(), set()
    for name in SCRIPTS:
        for flag, defined in refused(name, "--no_such_flag").flags.items():
            if isinstance(defined.parser, flags.IntegerParser | flags.FloatParser):
                assert None not in (
                    defined.parser.upper_bound,
                    defined.parser.lower_bound,
                )
                seen.add(flag)
        listed |= {*INTEGERS.get(name, "").split(), *FLOATS.get(name, "").split()}
    assert seen == listed


def test_a_tilde_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    seen = []

    def begin():
        seen.append(common.WORKDIR.value)
        sys.exit(0)

    refused("train", *TINY, "--workdir=~/run", begin=begin)
    assert seen == [tmp_path / "run"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_script_says_what_it_does_and_for_how_long(name):
    place = ROOT / "experiments" / name.replace(".", "/")
    files = (place.with_suffix(".py"), place / "__init__.py")
    (source,) = (path.read_text() for path in files if path.exists())
    doc = ast.get_docstring(ast.parse(source), clean=False)
    for preset in common.PRESETS:
        time = common.time_of(doc, preset)
        assert re.search(r"second|minute|hour|that of|none of its own", time), time
        assert "\n" not in time


def test_the_time_is_that_of_the_preset():
    time = "two minutes\n          on 2 cores (quick), an hour (full, an estimate)."
    doc = f"What.\n\nTime:     {time}\nExpect:   x\n"
    assert common.time_of(doc, "quick") == "two minutes on 2 cores (quick)."
    assert common.time_of(doc, "full") == "an hour (full)."
    assert common.time_of(doc, "smoke") == "less than two minutes on 2 cores (smoke)."
    assert common.time_of("What.\nTime: a day. Rest.\nSo: x", "quick") == "a day."


def test_the_cache_keeps_what_was_used_last(tmp_path):
    for age in range(4):
        path = tmp_path / f"jit_step-{age:064x}-cache"
        path.write_bytes(bytes(10))
        os.utime(path, (1e9 - age, 1e9 - age))
    (tmp_path / "my-cache").write_bytes(bytes(100))  # of somebody else
    machine.prune(tmp_path, 25)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*(f"jit_step-{age:064x}-cache" for age in (0, 1)), "my-cache"}
    machine.prune(tmp_path / "nowhere", 0)


def test_bytes_are_told_in_words():
    told = {0: "0.0 bytes", 999: "999 bytes", 3.14e12: "3.1 TB", 24e9: "24 GB"}
    assert {count: machine.in_words(count) for count in told} == told
