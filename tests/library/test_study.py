"""Studies: rows that pandas reads, appended once, and not run again."""

import dataclasses
import functools

import jax
import optax
import pandas as pd
import pytest

from rnnshare import GRUCell, Tied, Untied
from rnnshare.tasks import Adding, drift
from rnnshare.training import groups, study
from rnnshare.training.fitting import Recipe, fit
from rnnshare.training.rows import JsonLines
from rnnshare.training.setting import Replicate, Setting
from rnnshare.training.slots import Slots

RECIPE = Recipe(num_steps=6, batch_size=8, validate_every=3)


def adding(split):
    del split
    return Adding(6, num_held_out=32)


BASE = Setting(adding, GRUCell, Tied(), 4, 1e-2, RECIPE)
GRID = [
    dataclasses.replace(BASE, sharing=sharing, learning_rate=rate)
    for sharing in (Tied(), Untied(6))
    for rate in (1e-2, 3e-2)
]


def test_rows_are_paired_kept_and_read_by_pandas(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = study.run(GRID, [Replicate(0), Replicate(1)], JsonLines(path))
    assert [(r["sharing"], r["learning_rate"], r["seed"]) for r in rows] == [
        (repr(s.sharing), s.learning_rate, seed) for s in GRID for seed in (0, 1)
    ]
    frame = pd.read_json(path, lines=True)
    assert len(frame) == 8
    assert frame.groupby("sharing").num_parameters.nunique().eq(1).all()

    told = []
    again = study.run(
        GRID,
        [Replicate(0), Replicate(1)],
        JsonLines(path),
        on_group=lambda setting, count, left: told.append((count, left)),
    )
    assert again == rows
    assert told == [(4, 0), (4, 0)]


@pytest.mark.slow  # nor does a replica of a training, in test_training
def test_a_row_does_not_depend_on_which_others_run(tmp_path):
    all_rows = study.run(
        GRID, [Replicate(s) for s in range(3)], JsonLines(tmp_path / "a.jsonl")
    )
    alone = study.run(GRID[2:3], [Replicate(1)], JsonLines(tmp_path / "b.jsonl"))
    assert alone[0] == all_rows[2 * 3 + 1]


def test_settings_of_one_program_are_compiled_and_run_together(tmp_path, monkeypatch):
    """What differs in the data alone does; another model does not."""
    few = functools.partial(drift, num_rows=50)
    calls = []

    def counted(model, recipe, replicas, **options):
        calls.append(len(replicas))
        return fit(model, recipe, replicas, **options)

    monkeypatch.setattr(groups, "fit", counted)
    settings = [
        dataclasses.replace(
            BASE,
            make_task=functools.partial(few, amount=amount, num_examples=n),
            sharing=sharing,
        )
        for sharing in (Tied(), Untied(30))
        for amount, n in ((0.0, 50), (0.2, 50), (0.2, 20))
    ]
    replicates = [Replicate(0), Replicate(1, 1)]
    rows = study.run(settings, replicates, JsonLines(tmp_path / "a.jsonl"))
    assert calls == [6, 6]
    alone = study.run(settings[4:5], replicates, JsonLines(tmp_path / "b.jsonl"))
    assert alone == rows[8:10]
    assert len({row["test_loss"] for row in rows}) == len(rows)


def test_the_same_study_twice_is_the_same_to_the_byte(tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        study.run(GRID[:1], [Replicate(0)], JsonLines(tmp_path / name))
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_every_column_that_names_a_setting_is_in_its_key(tmp_path):
    """Else a changed setting would be taken for one that is done."""
    changes = {
        "hidden_features": 5,
        "num_layers": 2,
        "dropout": 0.5,
        "readout_sharing": Untied(6),
        "recipe": dataclasses.replace(RECIPE, num_steps=9),
        "sharing": Untied(6, same_init=True),
        "learning_rate": 2e-2,
    }
    keys = {BASE.key(Replicate(0)), BASE.key(Replicate(0, 1))}
    for name, value in changes.items():
        changed = dataclasses.replace(BASE, **{name: value})
        keys.add(changed.key(Replicate(0)))
    assert len(keys) == len(changes) + 2


def test_tuning_takes_the_least_validation_loss(tmp_path):
    rows = JsonLines(tmp_path / "rows.jsonl")
    best = study.tune(GRID, [Replicate(7), Replicate(8)], rows)
    frame = pd.DataFrame(rows.rows)
    means = frame.groupby(["sharing", "learning_rate"]).validation_loss.mean()
    assert (repr(best.sharing), best.learning_rate) == means.idxmin()


# Such a rate takes the read-out past the largest float32 in a step.
HUGE = 1e38


@pytest.mark.slow  # tuning meets such rows below
def test_a_diverged_run_has_no_metrics_in_its_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    settings = [BASE, dataclasses.replace(BASE, learning_rate=HUGE)]
    replicates = [Replicate(0), Replicate(1)]
    rows = study.run(settings, replicates, JsonLines(path), per_device=2)
    fine, lost = rows[:2], rows[2:]
    measured = ("train_loss", "validation_loss", "test_loss")
    for row in lost:
        assert 1 <= row["diverged"] <= row["steps_trained"] <= RECIPE.num_steps
        assert {row[name] for name in measured} == {None}
    assert [row["diverged"] for row in fine] == [None, None]
    assert all(row["test_loss"] > 0 for row in fine)
    assert study.count_diverged(rows) == 2
    assert study.run(settings, replicates, JsonLines(path)) == rows
    frame = pd.read_json(path, lines=True)
    assert frame.groupby("learning_rate").diverged.count().tolist() == [0, 2]


def test_tuning_takes_no_candidate_that_diverged(tmp_path, capsys):
    """Not even one that was better before it did, on one of the replicates alone."""
    rates = [HUGE, 3e38, 1e-2, 1e-12]
    candidates = [dataclasses.replace(BASE, learning_rate=rate) for rate in rates]
    file = JsonLines(tmp_path / "rows.jsonl")
    replicates = [Replicate(0), Replicate(1)]
    chosen = study.tune(candidates, replicates, file)
    assert chosen.learning_rate in (1e-2, 1e-12)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4
    assert all("it has diverged" in line for line in told)
    best = next(row for row in file.rows if row["key"] == chosen.key(replicates[0]))
    best |= {"validation_loss": -1.0, "diverged": 3}
    other = study.tune(candidates, replicates, file)
    assert {chosen.learning_rate, other.learning_rate} == {1e-2, 1e-12}

    assert study.tune(candidates[:2], replicates, file) == candidates[0]
    assert capsys.readouterr().err == (
        "tune: each of 2 candidates diverged; the chosen one, of learning rate 1e+38, "
        "did on 2 of 2 runs. Try lower rates.\n"
    )


@pytest.mark.slow  # damage is told in test_files, and a second study is the first
def test_a_damaged_row_is_trained_again_to_the_same_bits(tmp_path):
    path, mesh = tmp_path / "rows.jsonl", jax.make_mesh((1,), ("replica",))
    replicates = [Replicate(0), Replicate(1)]
    rows = study.run(GRID[:1], replicates, JsonLines(path), mesh=mesh)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first.replace(b'"seed":0', b'"seed":2') + second)
    with pytest.warns(RuntimeWarning, match=r"rows.jsonl is damaged: line 1 does not"):
        file = JsonLines(path)
    assert study.run(GRID[:1], replicates, file, mesh=mesh) == rows
    assert path.read_bytes() == second + first


def test_a_training_that_was_ended_goes_on_and_leaves_rows_only(tmp_path, monkeypatch):
    mesh = jax.make_mesh((1,), ("replica",))
    replicates = [Replicate(0), Replicate(1)]
    whole = JsonLines(tmp_path / "whole.jsonl")
    study.run(GRID[:1], replicates, whole, mesh=mesh)
    chunks, run_chunk = [], Slots.run_chunk

    def ends_in_the_fourth(slots):
        chunks.append(1)
        if len(chunks) == 4:
            raise KeyboardInterrupt
        return run_chunk(slots)

    monkeypatch.setattr(Slots, "run_chunk", ends_in_the_fourth)
    path = tmp_path / "study" / "rows.jsonl"
    options = {"mesh": mesh, "checkpoint_every": 0.0}
    with pytest.raises(KeyboardInterrupt):
        study.run(GRID[:1], replicates, JsonLines(path), **options)
    names = {p.name for p in path.parent.iterdir()}
    assert names == {"rows.jsonl", "rows.checkpoints"}
    study.run(GRID[:1], replicates, JsonLines(path), **options)
    assert len(chunks) == 5  # the second half of the second training alone
    assert path.read_bytes() == whole.path.read_bytes()
    assert [p.name for p in path.parent.iterdir()] == ["rows.jsonl"]


def test_optimizers_with_other_options_have_rows_of_their_own():
    names = set()
    for args in [(), (1.0,), (2.0,)]:
        for options in [{}, {"momentum": 0.5}]:
            recipe = Recipe(optimizer=functools.partial(optax.sgd, *args, **options))
            setting = dataclasses.replace(BASE, recipe=recipe)
            names.add(setting.columns()["optimizer"])
    assert len(names) == 6
