"""A disk that is full, or read-only, from some write on: by name, and nothing is lost.

`python -m tests.soak --mode=disk` does so to processes, at random calls.
"""

import itertools

import jax
import numpy as np
import pytest

from rnnshare.training import Checkpoints, JsonLines, Recipe, Replicate, fit, run
from tests.cases import with_slow
from tests.library.training.loop_cases import TASK, setting
from tests.soak import faults

RECIPE = Recipe(num_steps=6, batch_size=8, validate_every=2, patience=None)
SETTING = setting(recipe=RECIPE)
MESH = jax.make_mesh((1,), ("replica",), devices=jax.devices()[:1])


def train(folder):
    """One training of two replicas; returns what it must come to."""
    fitted = fit(
        SETTING.make_model(),
        RECIPE,
        [(TASK, seed, 1e-2) for seed in range(2)],
        mesh=MESH,
        checkpoints=folder / "checkpoints",
        checkpoint_every=0.0,
    )
    assert Checkpoints(folder / "checkpoints").newest().step == 12
    return [np.asarray(x).tolist() for x in jax.tree.leaves(tuple(fitted))]


def study(folder):
    """A study of two replicates; returns what it must come to."""
    rows = JsonLines(folder / "rows.jsonl")
    replicates = [Replicate(seed) for seed in range(2)]
    run([SETTING], replicates, rows, mesh=MESH, checkpoint_every=0.0)
    assert [path.name for path in folder.iterdir()] == ["rows.jsonl"]
    return rows.path.read_bytes()


@pytest.mark.parametrize("work", with_slow([train, study], {train}))
def test_what_was_kept_is_whole_and_gone_on_from(work, tmp_path, monkeypatch):
    record = tmp_path / "calls"
    with monkeypatch.context() as patch:
        faults.arm(faults.Plan(), tmp_path / "whole", record, patch.setattr)
        expected = work(tmp_path / "whole")
    calls, named = int(record.read_text()), set()
    ways = itertools.cycle(faults.ERRORS)
    for number in range(1, calls + 1, 11):  # which is no period of a checkpoint's
        folder = tmp_path / str(number)
        plan = faults.Plan(next(ways), number)
        with monkeypatch.context() as patch:
            faults.arm(plan, folder, record, patch.setattr)
            try:
                work(folder)
            except OSError as error:
                assert error.filename.startswith(str(folder)), plan
                named.add(error.filename.removeprefix(str(folder)).split("/")[1])
        # No warning of damage, which would be an error.
        for path in folder.glob("*checkpoints"):
            Checkpoints(path).newest()
        found = JsonLines(folder / "rows.jsonl").rows
        assert found == JsonLines(tmp_path / "whole" / "rows.jsonl").rows[: len(found)]
        assert work(folder) == expected, plan
    assert named == {
        train: {"checkpoints"}, study: {"rows.jsonl", "rows.checkpoints"}
    }[work]  # fmt: skip
