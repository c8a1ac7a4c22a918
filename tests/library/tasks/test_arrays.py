"""Tasks of one's own arrays: how they are parted, scaled, scored, and refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnshare import ElmanCell, Untied
from rnnshare.tasks import ArrayTask, from_arrays
from rnnshare.tasks.base import SPLITS
from rnnshare.training import JsonLines, Recipe, Replicate, Setting, run
from tests.cases import with_slow

N, T, D = 40, 6, 3
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, T, D)) * [1, 10, 100] + [0, 5, -5]
TOKENS = RNG.integers(0, 5, (N, T))
LENGTHS = RNG.integers(1, T + 1, N)
CLASSES = np.array(["no", "yes", "maybe", "no"] * (N // 4))
VALUES = 3 + 7 * X[:, -1, 0]
STEPS = X.cumsum(1)[..., :2]
STEP_CLASSES = (X[..., 0] > 0).astype(int)

MADE = {
    "classes": (X, CLASSES, {}),
    "tokens": (TOKENS, CLASSES, {"lengths": LENGTHS}),
    "values": (X, VALUES, {"lengths": LENGTHS}),
    "a class a step": (X, STEP_CLASSES, {"readout": "every", "lengths": LENGTHS}),
    "values a step": (X, STEPS, {"readout": "every", "lengths": LENGTHS}),
    "a value a step of tokens": (TOKENS, STEPS[..., 0], {"readout": "every"}),
    "groups": (X, CLASSES, {"groups": np.arange(N) // 4}),
    "time": (X[..., 0], VALUES, {"split_by": "time"}),
}
every_kind = pytest.mark.parametrize("kind", MADE)


def made(kind, **options):
    inputs, targets, own = MADE[kind]
    return from_arrays(inputs, targets, **(own | options))


@every_kind
def test_each_sequence_is_in_one_set(kind):
    arrays = made(kind)
    for split in range(3):
        rows = arrays.rows(split)
        np.testing.assert_array_equal(
            np.sort(np.concatenate([rows[name] for name in SPLITS])), np.arange(N)
        )
        task = arrays(split)
        assert [len(task.held_out(name).inputs) for name in SPLITS] == [
            len(rows[name]) for name in SPLITS
        ]
        assert task is arrays(split)
    same = [np.array_equal(arrays.rows(0)[s], arrays.rows(1)[s]) for s in SPLITS]
    assert all(same) if kind == "time" else not any(same)


@settings(deadline=None, max_examples=30)
@given(
    counts=st.lists(st.integers(3, 30), min_size=2, max_size=4),
    split=st.integers(0, 2**31),
    fractions=st.tuples(st.floats(0.05, 0.45), st.floats(0.05, 0.45)),
)
def test_classes_have_their_share_of_each_set(counts, split, fractions):
    labels = np.repeat(np.arange(len(counts)), counts)
    if len(labels) < 10:
        labels = np.tile(labels, 2)
    inputs = np.arange(len(labels), dtype=float)[:, None].repeat(2, 1)
    arrays = from_arrays(
        inputs, labels, validation_fraction=fractions[0], test_fraction=fractions[1]
    )
    rows, total = arrays.rows(split), np.bincount(labels)
    each = {s: np.bincount(labels[rows[s]], minlength=len(total)) for s in SPLITS}
    np.testing.assert_array_equal(sum(each.values()), total)
    wanted = [np.maximum(1, np.round(f * total)) for f in fractions]
    fits = sum(wanted) < total
    for name, count in zip(("validation", "test"), wanted, strict=True):
        assert (each[name] >= 1).all() and (each[name] <= count).all()
        np.testing.assert_array_equal(each[name][fits], count[fits])
    assert (each["train"] >= 1).all()


def test_a_group_is_in_one_set_alone():
    groups = MADE["groups"][2]["groups"]
    for split in range(5):
        rows = made("groups").rows(split)
        owners = [set(groups[rows[name]]) for name in SPLITS]
        assert sum(map(len, owners)) == len(set(groups))


def test_by_time_the_last_rows_test():
    rows = made("time").rows(7)
    assert rows["train"].max() < rows["validation"].min()
    assert rows["validation"].max() < rows["test"].min()
    assert len(rows["test"]) == len(rows["validation"]) == N // 5


@pytest.mark.parametrize("kind", ["classes", "values", "values a step"])
def test_the_training_set_is_the_measure(kind):
    """Its real steps have mean 0 and deviation 1; the others are measured by it."""
    arrays = made(kind)
    for split in range(2):
        task, rows = arrays(split), arrays.rows(split)
        real = np.arange(T) < arrays.lengths[:, None]
        seen = X[rows["train"]][real[rows["train"]]]
        for name in SPLITS:
            got = task.held_out(name).inputs
            expected = (X[rows[name]] - seen.mean(0)) / seen.std(0)
            expected = np.where(real[rows[name]][..., None], expected, 0)
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_padding_may_be_anything():
    inputs, targets = X.copy(), STEPS.copy()
    behind = np.arange(T) >= LENGTHS[:, None]
    inputs[behind], targets[behind] = np.nan, np.inf
    x, y, options = MADE["values a step"]
    for given_, of in (((inputs, targets), (x, y)), ((TOKENS, y), (TOKENS, y))):
        task, other = (from_arrays(*arrays, **options)(1) for arrays in (given_, of))
        jax.tree.map(np.testing.assert_array_equal, task.train, other.train)
    tokens = np.where(behind, -7, TOKENS)
    task = from_arrays(tokens, CLASSES, lengths=LENGTHS)(0)
    assert task.num_tokens == 5 and task.train.inputs.min() == 0


@pytest.mark.parametrize("kind", ["values", "values a step"])
def test_errors_are_in_units_of_the_training_targets(kind):
    arrays = made(kind)
    task, rows = arrays(0), arrays.rows(0)
    every = task.readout == "every"
    y = STEPS if every else VALUES[:, None]
    scored = np.arange(T) < LENGTHS[:, None] if every else np.ones(N, bool)
    seen = y[rows["train"]][scored[rows["train"]]]
    true = y[rows["test"]][scored[rows["test"]]]
    guess = RNG.standard_normal(task.test.targets.shape).astype(np.float32)
    found = task.metrics(jnp.asarray(guess), task.test)
    answers = guess[scored[rows["test"]]] if every else guess
    squares = np.square(answers - (true - seen.mean(0)) / seen.std(0))
    np.testing.assert_allclose(found["loss"], squares.mean(), rtol=1e-4)
    least = np.square((true - true.mean(0)) / seen.std(0)).mean()
    np.testing.assert_allclose(found["unexplained"], squares.mean() / least, rtol=1e-4)
    assert ("rmse" in found) == (task.out_features == 1)
    if not every:
        rmse = np.sqrt(squares.mean()) * seen.std()
        np.testing.assert_allclose(found["rmse"], rmse, rtol=1e-4)
    chance = np.square((true - seen.mean(0)) / seen.std(0)).mean()
    np.testing.assert_allclose(task.baselines["chance"]["loss"], chance, rtol=1e-4)


def test_classes_are_called_what_they_were():
    arrays = made("classes")
    assert arrays.classes == ("maybe", "no", "yes")
    task, rows = arrays(0), arrays.rows(0)
    names = np.array(arrays.classes)[task.test.targets]
    np.testing.assert_array_equal(names, CLASSES[rows["test"]])
    assert isinstance(task, ArrayTask)
    assert task.baselines["chance"]["accuracy"] == 0.5
    share = np.array([0.5, 0.25, 0.25])
    np.testing.assert_allclose(task.baselines["chance"]["loss"], -share @ np.log(share))


def test_arrays_that_are_equal_are_one_setting():
    recipe = Recipe(4, 8, 2)

    def key(arrays):
        return Setting(arrays, ElmanCell, Untied(T), 4, recipe=recipe).key(Replicate(0))

    base, again = made("classes"), made("classes")
    assert base == again and hash(base) == hash(again) and key(base) == key(again)
    others = [
        from_arrays(X + (np.arange(N) == 3)[:, None, None], CLASSES),
        from_arrays(X, np.roll(CLASSES, 1)),
        from_arrays(X, np.where(CLASSES == "yes", "oui", CLASSES)),
        from_arrays(X, CLASSES, lengths=LENGTHS),
        from_arrays(X, CLASSES, test_fraction=0.3),
        from_arrays(X, CLASSES, groups=np.arange(N)),
        from_arrays(X, CLASSES, name="mine"),
    ]
    assert len({key(other) for other in [base, *others]}) == len(others) + 1
    assert len({base, *others}) == len(others) + 1


@pytest.mark.parametrize("kind", with_slow(MADE, {"values a step"}))
def test_it_is_trained_as_any_task(kind, tmp_path):
    setting = Setting(made(kind), ElmanCell, Untied(T), 4, 1e-2, Recipe(20, 8, 10))
    rows = JsonLines(tmp_path / "rows.jsonl")
    (row,) = run([setting], [Replicate(0)], rows)
    assert np.isfinite(row["test_loss"]) and row["diverged"] is None
    assert row["task"] == "arrays"


RAGGED = [np.zeros((3, 1)), np.zeros((4, 1))] * 5
HOLES = np.where(np.arange(N * T * D).reshape(X.shape) == 20, np.nan, X)


@pytest.mark.parametrize(
    ("given_", "options", "error"),
    [
        ((RAGGED, [0, 1] * 5), {}, r"inputs are ragged.*give the real steps.* lengths"),
        ((HOLES, VALUES), {}, r"inputs\[1, 0, 2\] is nan, one of 1 that are missing"),
        ((X, np.where(VALUES[4] == VALUES, np.inf, VALUES)), {}, r"targets\[4, 0\] is"),
        ((X[:9], VALUES[:9]), {}, "there are 9 sequences. Give at least 10"),
        ((np.ones_like(X), VALUES), {}, "inputs are constant"),
        ((X, np.full(N, 2.5)), {}, r"targets\[..., 0\] is 2.5 always"),
        ((X, np.zeros(N, int)), {}, "all targets are class 0. Give at least 2"),
        ((X, np.arange(N)), {}, "40 classes among 40. If they are values"),
        ((X, np.arange(N) // 2 * 2), {}, "class 0 has 2 of 40 sequences"),
        ((X, VALUES[1:]), {}, r"targets have shape \(39,\).*\(or one more axis"),
        ((X, CLASSES[1:]), {}, r"targets have shape \(39,\), but readout='last' has"),
        ((X, CLASSES), {"readout": "every"}, r"\[sequences, steps\], here \[40, 6\]"),
        ((X[:, 0, 0], CLASSES), {}, r"inputs have shape \(40,\). Give \[sequences, st"),
        ((X, CLASSES), {"readout": "first"}, "readout is 'first'. Use last or every"),
        ((X, CLASSES), {"split_by": "date"}, "split_by is 'date'. Use random or time"),
        ((X, CLASSES), {"test_fraction": 0.9}, "whose sum is below 1"),
        ((X, CLASSES), {"lengths": LENGTHS + 3}, r"lengths\[\d+\] is \d. Use 1 to 6"),
        ((X, CLASSES), {"lengths": LENGTHS[1:]}, "Give an integer for each of 40"),
        ((X, CLASSES), {"groups": [1] * N}, "there are 1 groups. Give at least 3"),
        ((X, CLASSES), {"groups": [1, 2]}, r"groups have shape \(2,\)"),
        ((X, np.sort(CLASSES)), {"groups": np.arange(N) // 10}, "no split by groups"),
        ((X, np.sort(CLASSES)), {"split_by": "time"}, "no sequence of class 'yes'"),
        ((X, CLASSES), {"groups": range(N), "split_by": "time"}, "Use one of the two"),
        ((TOKENS - 1, CLASSES), {}, "a token below 0. Number tokens from 0 on"),
        ((X, [None, 1.0] * (N // 2)), {}, "are Python objects, as None"),
    ],
)
def test_what_cannot_be_a_task_is_refused(given_, options, error):
    with pytest.raises(ValueError, match=error) as raised:
        from_arrays(*given_, name="mine", **options)
    assert str(raised.value).startswith("mine: ")


def test_what_are_no_numbers_are_refused():
    with pytest.raises(TypeError, match=r"inputs are <U5. Give numbers"):
        from_arrays(CLASSES[:, None].repeat(2, 1), CLASSES)
    with pytest.raises(TypeError, match=r"targets are complex128. Give integers"):
        from_arrays(X, VALUES + 1j)
    with pytest.raises(ValueError, match=r"split is -1. Use a number from 0"):
        made("classes")(-1)


def test_fields_stay_what_they_are():
    with pytest.raises(dataclasses.FrozenInstanceError):
        made("classes").name = "other"
