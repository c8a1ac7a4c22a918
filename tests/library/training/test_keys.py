"""A key says what was trained: what differs has other keys, what is equal has one."""

import copy
import dataclasses
import functools
import inspect
import sys

import numpy as np
import optax
import pytest
from flax import nnx

import rnnshare
from rnnshare import GRUCell, Untied, sharing, tasks
from rnnshare.tasks import Adding, drift, drift_stream
from rnnshare.training import (
    Call,
    JsonLines,
    Recipe,
    Replicate,
    Setting,
    describe,
    key_of,
    run,
)
from tests.library.training.identity_cases import (
    BASE,
    BASES,
    RECIPE,
    SEEDS,
    keys,
    with_cell,
    with_optimizer,
)


@pytest.mark.parametrize("cls", BASES, ids=lambda cls: cls.__name__)
def test_every_field_is_in_the_key(cls):
    base, others = BASES[cls]
    assert set(others) == {field.name for field in dataclasses.fields(cls)}
    found = {key_of(base)}
    for name, other in others.items():
        changed = other
        if not isinstance(other, cls):
            changed = dataclasses.replace(base, **{name: other})
        found.add(key_of(changed))
        assert key_of(changed) == key_of(copy.deepcopy(changed))
    assert len(found) == 1 + len(others)


def test_every_task_and_sharing_has_its_variations():
    public = [getattr(module, name) for module in (tasks, sharing)
              for name in module.__all__]  # fmt: skip
    classes = {cls for cls in public if dataclasses.is_dataclass(cls)}
    new = [cls for cls in classes - set(BASES) if not inspect.isabstract(cls)]
    missing = [cls.__name__ for cls in new]
    assert not missing, (
        f"{missing}: add a base and a variation of each field to BASES, and the "
        "defaults to FROZEN of test_defaults.py."
    )


def test_every_field_of_a_setting_is_in_its_key():
    others = {
        "make_task": lambda split: Adding(7, num_held_out=16),
        "cell": rnnshare.LSTMCell,
        "sharing": Untied(6),
        "hidden_features": 5,
        "learning_rate": 2e-2,
        "recipe": dataclasses.replace(RECIPE, num_steps=4),
        "num_layers": 2,
        "readout_sharing": Untied(6),
        "dropout": 0.5,
        "remat": "sqrt",
    }
    assert set(others) == {field.name for field in dataclasses.fields(Setting)}
    changed = [dataclasses.replace(BASE, **{k: v}) for k, v in others.items()]
    found = keys([BASE, *changed])
    found |= keys([BASE], Replicate(1)) | keys([BASE], Replicate(0, 1))
    assert len(found) == len(others) + 3
    assert all(len(key) == 20 and int(key, 16) >= 0 for key in found)


def test_the_options_of_cells_and_optimizers_are_in_the_key():
    cells = [
        *(GRUCell, nnx.GRUCell, rnnshare.LSTMCell, nnx.LSTMCell),
        *(rnnshare.ElmanCell, rnnshare.ElmanCell.irnn),
        functools.partial(rnnshare.ElmanCell, activation=nnx.relu),
        functools.partial(rnnshare.ElmanCell, activation=nnx.tanh),
        functools.partial(rnnshare.HyperLSTMCell, hyper_features=2),
        functools.partial(rnnshare.HyperLSTMCell, hyper_features=3),
    ]
    optimizers = [optax.sgd, optax.adamw, Call(optax.adamw, weight_decay=0.1)]
    optimizers += [
        functools.partial(optax.sgd, *args, **options)
        for args in [(1.0,), (2.0,)]
        for options in [{}, {"momentum": 0.5}]
    ]
    settings = [*map(with_cell, cells), *map(with_optimizer, optimizers)]
    assert len(keys(settings)) == len(cells) + len(optimizers)


def test_a_new_field_with_a_default_changes_no_key(monkeypatch):
    more = dataclasses.make_dataclass(
        "Recipe", [("warm_up", int, 0)], bases=(Recipe,), frozen=True
    )
    more.__module__ = Recipe.__module__
    same = dataclasses.asdict(RECIPE)
    before = BASE.key(SEEDS[0]), key_of(RECIPE)
    monkeypatch.setattr(rnnshare.training, "Recipe", more)
    monkeypatch.setattr(sys.modules[Recipe.__module__], "Recipe", more)
    assert key_of(more(**same)) == before[1] != key_of(more(**same, warm_up=5))
    monkeypatch.undo()

    wider = dataclasses.make_dataclass(
        "Setting", [("note", str, "")], bases=(Setting,), frozen=True
    )
    wider.__module__ = Setting.__module__
    monkeypatch.setattr(rnnshare.training, "Setting", wider)
    given = {f.name: getattr(BASE, f.name) for f in dataclasses.fields(BASE)}
    assert wider(**given).key(SEEDS[0]) == before[0]
    assert wider(**given, note="a").key(SEEDS[0]) != before[0]


class OtherModel(Setting):
    """As a study makes that trains no RNN."""


def test_a_kind_of_setting_has_keys_of_its_own():
    given = {f.name: getattr(BASE, f.name) for f in dataclasses.fields(BASE)}
    assert OtherModel(**given).key(SEEDS[0]) != BASE.key(SEEDS[0])


def test_sizes_of_a_drift_that_its_name_leaves_out_are_in_the_key():
    options = [
        {},
        *({"num_steps": 25}, {"num_lags": 8}, {"num_features": 2}, {"period": 4}),
        *({"test_steps": 40}, {"num_rows": 1_200}, {"num_examples": 900}),
    ]
    streams = [
        *({}, {"num_steps": 25}, {"num_lags": 4}, {"num_features": 2}),
        *({"num_held_out": 500}, {"num_examples": 9}, {"amount": 0.1}),
    ]
    made = [drift(3, **given) for given in options]
    made += [drift_stream(3, **given) for given in streams]
    assert len({key_of(task) for task in made}) == len(options) + len(streams)


def test_equal_numbers_of_two_kinds_have_one_key():
    pair = [dataclasses.replace(BASE, sharing=Untied(n)) for n in (6, np.int64(6))]
    assert pair[0] == pair[1]
    assert len(keys(pair) | keys(pair, Replicate(np.int64(0)))) == 1


@pytest.mark.slow
def test_equal_numbers_of_two_kinds_are_one_setting(tmp_path):
    pair = [dataclasses.replace(BASE, sharing=Untied(n)) for n in (6, np.int64(6))]
    file = JsonLines(tmp_path / "rows.jsonl")
    rows = run(pair, [Replicate(0), Replicate(np.int64(0))], file)
    assert rows == 4 * [file.rows[0]]
    assert len(file.rows) == 1


# What cannot be told apart from another is refused by name.


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (
            with_cell(lambda *sizes, rngs: GRUCell(*sizes, rngs=rngs)),
            r"Setting\.cell: <function <lambda> .* has no public name\. Use a function "
            "or class at module level, functools.partial or rnnshare.training.Call",
        ),
        (
            with_optimizer(lambda rate: optax.sgd(rate)),
            r"Setting\.recipe: Recipe\.optimizer: <function <lambda>",
        ),
        (
            with_optimizer(functools.partial(optax.sgd, momentum=object())),
            r"optax\.sgd\.momentum: <object object at .* cannot be described\. Use",
        ),
    ],
)
def test_what_has_no_name_is_refused_before_anything_is_trained(
    setting, text, tmp_path
):
    file = JsonLines(tmp_path / "rows.jsonl")
    with pytest.raises(TypeError, match=text):
        run([BASE, setting], SEEDS, file)
    assert not file.rows


def test_other_things_without_a_name_are_refused():
    class Local:
        pass

    @dataclasses.dataclass
    class Changes:
        number: int = 0

    wrapped = functools.wraps(optax.sgd)(lambda rate: optax.sgd(2 * rate))
    for thing in (Local, wrapped, optax.inject_hyperparams(optax.sgd), max.__call__):
        with pytest.raises(TypeError, match=r"has no public name\. Use a function or"):
            describe(thing)
    for thing in (Local(), {1, 2}):
        with pytest.raises(TypeError, match="cannot be described"):
            describe(thing)
    with pytest.raises(TypeError, match="a dataclass that may change"):
        describe(Changes())
    with pytest.raises(TypeError, match="holds objects, not numbers"):
        describe(np.array([object()]))
