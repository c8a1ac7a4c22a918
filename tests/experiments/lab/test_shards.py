"""Shards train a study stage by stage, each its part, and are merged."""

import dataclasses
import types

import pytest

from experiments import merge
from experiments.lab import shards
from experiments.lab.trials import Lab, replicates
from rnnshare import ElmanCell, Tied, Untied
from rnnshare.tasks import Adding
from rnnshare.training import FolderLock, LockedError, Recipe, Setting, workers

MADE = []  # what was measured


def adding(split):
    del split
    return Adding(5, num_held_out=16)


def measure(plan, lab):
    """Tunes, trains two programs of what was chosen, and measures something."""
    del plan
    recipe = Recipe(num_steps=2, validate_every=2, batch_size=4, patience=None)
    one = Setting(adding, ElmanCell, Tied(), 3, 1e-2, recipe)
    best = lab.tune([one, dataclasses.replace(one, learning_rate=2e-2)], 2)
    both = [best, dataclasses.replace(best, sharing=Untied(5))]
    rows = lab.train(both, replicates(2))
    kept = lab.of("other").kept({"what": "x"}, lambda: MADE.append(1) or {"y": 2.0})
    return [*rows, kept]


STUDY = types.SimpleNamespace(name="study", plans={"smoke": None}, measure=measure)


def test_stage_by_stage(tmp_path, capsys):
    def start(index):
        shards.run_shard(STUDY, "smoke", tmp_path, (index, 2))
        return capsys.readouterr().out

    def merged():
        merge.main(tmp_path)
        return capsys.readouterr().out.removeprefix(f"{tmp_path}/smoke/")

    part, then = "shard {}/2 has trained its part of a stage of ", " on seeds {}"
    first = "2 trainings on seeds 1000 to 1000, which choose what is trained next. "
    for index in (0, 1, 0):  # again: nothing is left to do
        said = start(index)
        assert part.format(index) + first + "What comes next waits" in said
        assert f"python -m experiments.merge --workdir={tmp_path}. Then start" in said
    assert merged() == "study/trained.jsonl: 2 new rows of 2\n"
    assert "4 trainings on seeds 0 to 1. What" in start(1)  # the second program
    assert merged() == "study/trained.jsonl: 2 new rows of 4\n"
    assert "4 trainings" + then.format("0 to 1") in start(1)  # of which it has its part
    assert "4 trainings" + then.format("0 to 1") in start(0)
    merged()
    assert "shard 1/2 needs 1 rows that shard 0 measures" in start(1) and not MADE
    for _ in range(2):  # it goes on from what it has measured
        assert "study has all rows. The verdicts are told by: python -m" in start(0)
    assert merged() == "other/kept.jsonl: 1 new rows of 1\n"
    assert "has all rows" in start(1)
    assert merged().endswith("holds nothing that was not merged.\n")
    names = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    assert names == {"trained.jsonl", "kept.jsonl"}

    lab = Lab(tmp_path / "smoke" / "study")
    rows = measure(None, lab)
    assert (lab.num_made, len(MADE)) == (0, 1)
    assert rows == measure(None, Lab(tmp_path / "smoke" / "plain"))


def test_a_part_is_trained_by_one_process(tmp_path, capsys):
    shards.run_shard(STUDY, "smoke", tmp_path, (0, 1))
    (folder,) = (tmp_path / "smoke" / "study" / "trained.workers").iterdir()
    with FolderLock(folder):
        merge.main(tmp_path)
        assert "2 new rows of 2; 1 parts are not finished" in capsys.readouterr().out
        (folder.parent.parent / "trained.jsonl").unlink()
        with pytest.raises(LockedError, match=f"{folder} is being written by"):
            shards.run_shard(STUDY, "smoke", tmp_path, (0, 2))
    assert workers.ROWS in {path.name for path in folder.iterdir()}


def test_a_merge_waits_for_whoever_writes_the_rows(tmp_path):
    """A lab that keeps its folder, or a `run` that keeps its file."""
    (tmp_path / "trained.workers").mkdir()
    for file in ("", "trained.jsonl"):
        with FolderLock(tmp_path, file), pytest.raises(LockedError, match="by this pr"):
            merge.main(tmp_path)
    merge.main(tmp_path)
    assert list(tmp_path.iterdir()) == []
