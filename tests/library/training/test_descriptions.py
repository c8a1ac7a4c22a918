"""Public names, descriptions, and the origins of tasks."""

import dataclasses
import functools
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rnnshare
from rnnshare import Cyclic, Untied, sharing, tasks
from rnnshare.tasks import drift
from rnnshare.tasks.base import Origin
from rnnshare.training import Call, Replicate, Setting, describe, key_of, public_name
from tests.library.training.identity_cases import ADDING, BASE, SEEDS

# Names.


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (rnnshare.LSTMCell, "rnnshare.LSTMCell"),
        (nnx.LSTMCell, "flax.nnx.LSTMCell"),
        (rnnshare.ElmanCell.irnn, "rnnshare.ElmanCell.irnn"),
        (optax.adam, "optax.adam"),
        (tasks.Parity, "rnnshare.tasks.Parity"),
        (tasks.drift, "rnnshare.tasks.drift"),  # cached
        (jax.jit(optax.adam), "optax.adam"),
        (jnp.tanh, "jax.numpy.tanh"),  # jitted where it is defined
        (Setting, "rnnshare.training.Setting"),
        (dict, "builtins.dict"),
    ],
)
def test_public_names(thing, name):
    assert public_name(thing) == name


def test_moving_a_module_changes_no_key(monkeypatch):
    """What is public goes by the package, wherever in it the class is defined."""
    names = ("rnnshare_moved", "rnnshare_moved.a", "rnnshare_moved.a.b")
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    found = set()
    for home in names[1:]:

        @dataclasses.dataclass(frozen=True)
        class Moved:
            number: int = 0

        Moved.__module__, Moved.__qualname__ = home, "Moved"
        for name in (names[0], home):
            monkeypatch.setattr(sys.modules[name], "Moved", Moved, raising=False)
        found.add((public_name(Moved), key_of(Moved(3))))
    assert len(found) == 1
    assert found.pop()[0] == "rnnshare_moved.Moved"
    monkeypatch.delattr(sys.modules[names[0]], "Moved")
    assert public_name(Moved) == "rnnshare_moved.a.b.Moved"


def test_an_inherited_constructor_goes_by_the_class_it_is_taken_from(monkeypatch):
    class Other(rnnshare.ElmanCell):
        pass

    Other.__qualname__ = "Other"
    monkeypatch.setattr(sys.modules[__name__], "Other", Other, raising=False)
    assert public_name(Other.irnn) == f"{__name__}.Other.irnn"


# Descriptions.


@pytest.mark.parametrize(
    "alike",
    [
        (1, 1.0, np.float32(1), np.int8(1), np.array(1), jnp.float32(1), jnp.int32(1)),
        (0.5, np.float32(0.5), np.float64(0.5), jnp.float32(0.5), np.array(0.5)),
        (0, 0.0, -0.0),
        (True, np.bool_(True), np.array(True)),
        (float("inf"), np.float32("inf")),
        (float("nan"), np.float32("nan")),
        ((1, "a"), [1, "a"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (jnp.float32, np.float32, np.dtype("float32")),
        (np.arange(3), np.arange(6)[::2] // 2, np.arange(3, dtype=">i8")),
        (jnp.arange(3, dtype=jnp.int32), np.arange(3, dtype=np.int32)),
        (Call(optax.sgd, momentum=0.5), functools.partial(optax.sgd, momentum=0.5)),
        (
            functools.partial(Call(optax.sgd, 1.0), momentum=0.5),
            Call(functools.partial(optax.sgd, 1.0), momentum=0.5),
        ),
        (Call(optax.sgd), functools.partial(optax.sgd), optax.sgd, jax.jit(optax.sgd)),
        (tasks.PaddedAdding(6), tasks.PaddedAdding(6, length=6)),
        (drift(0), drift(amount=np.float64(0.05)), drift(split=0, path="random_walk")),
    ],
    ids=lambda alike: repr(alike[0])[:30],
)
def test_what_is_equal_is_described_alike(alike):
    assert len({key_of(value) for value in alike}) == 1


def test_what_differs_is_described_differently():
    different = [
        *(None, True, 1, 1.5, "1", "None", (), {}, "", (1,), ((1,),), {"a": 1}),
        *(float("inf"), float("-inf"), float("nan"), "nan", "optax.sgd", optax.sgd),
        *(jnp.float32, jnp.bfloat16, "float32", float),
        *(np.zeros(2), np.zeros(3), np.zeros((2, 1)), np.zeros(2, np.float32)),
        *(np.ones(2), jnp.ones(2, jnp.bfloat16), jax.random.key(0), jax.random.key(1)),
        *(Call(optax.sgd, 1.0), Call(optax.sgd, momentum=1.0), Untied(2), Cyclic(2)),
        *(tasks.Parity(4), tasks.EvenPairs(4), Replicate(0), Replicate(0, 1)),
        *(ADDING.sample, tasks.Adding(7).sample, ADDING.held_out),
    ]
    assert len({key_of(value) for value in different}) == len(different)


def test_a_description_is_the_same_in_another_process():
    """The digits are part of what kept rows are recognised by."""
    assert describe(drift(2, amount=0.2)) == {
        "made by": "rnnshare.tasks.drift",
        "source": None,
        "kwargs": {"split": 2, "amount": 0.2},
    }
    assert describe(Call(optax.adamw, weight_decay=0.1)) == {
        "call": {"name": "optax.adamw"},
        "args": [],
        "kwargs": {"weight_decay": 0.1},
    }
    assert describe(sharing.LowRank(4, base=Untied(4))) == {
        "class": "rnnshare.LowRank",
        "fields": {
            "num_steps": 4,
            "base": {"class": "rnnshare.Untied", "fields": {"num_steps": 4}},
        },
    }
    zeros = describe(np.zeros(2, np.float32))["array"]
    assert zeros == "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"
    assert BASE.key(SEEDS[0]) == "28c43e0ff48a97d97383"


# Origins of tasks.


def test_a_generated_task_knows_its_call_and_a_changed_one_does_not():
    task = drift(1, amount=0.2, num_rows=20, num_examples=20)
    assert isinstance(task.origin, Origin)
    assert drift(1, amount=0.2, num_rows=20, num_examples=20) is task
    changed = [
        dataclasses.replace(task, path="linear"),
        dataclasses.replace(task),
        jax.tree.map(np.asarray, task),
        jax.tree.map(lambda leaf: leaf + np.ones((), leaf.dtype), task),
    ]
    assert all(other.origin is None for other in changed)
    found = [key_of(task), *map(key_of, changed)]
    assert found[2] == found[3]
    assert len(set(found)) == 4
    structure = jax.tree.structure(task)
    assert structure == jax.tree.structure(changed[1])
    assert hash(structure) == hash(jax.tree.structure(changed[2]))


def test_tasks_of_files_are_told_apart_by_what_was_read():
    task = tasks.italy_power_demand(1)
    assert describe(task)["source"] == task.sha256
    again = tasks.italy_power_demand(split=1, validation_fraction=0.2)
    assert again is task
    made = [tasks.italy_power_demand(), task, tasks.japanese_vowels(1)]
    made += [tasks.italy_power_demand(1, validation_fraction=0.3)]
    assert len(set(map(key_of, made))) == 4
    assert describe(tasks.mnist1d(1, shuffled=True)) == {
        "made by": "rnnshare.tasks.mnist1d",
        "source": None,
        "kwargs": {"split": 1, "shuffled": True},
    }
