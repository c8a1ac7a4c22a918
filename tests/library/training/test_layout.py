"""One replica over several devices: the numbers of one, and what each device holds."""

import itertools

import jax
import numpy as np
import pytest

from rnnshare import LSTMCell, Tied, Untied
from rnnshare.tasks import Adding
from rnnshare.training import Recipe, Setting, fit
from rnnshare.training.layout import AXIS, Layout, lay_out
from rnnshare.training.loop import Loop
from rnnshare.training.programs import compile_programs
from rnnshare.training.slots import Slots
from tests.cases import with_slow

T = 6
TASK = Adding(T, num_held_out=9)  # a set that two devices do not divide
WAYS = [(Tied(), False), (Untied(T), True), (Untied(T), False)]


@pytest.mark.parametrize(("sharing", "spread"), with_slow(WAYS, WAYS[1:2]))
def test_over_two_devices_it_is_that_of_one(sharing, spread):
    """To 1e-6 after one step, of two replicas one after the other."""
    recipe = Recipe(1, 4, 1, patience=None)
    make = Setting(lambda split: TASK, LSTMCell, sharing, 4, 1e-2, recipe).make_model()
    replicas = [(TASK, seed, 1e-2) for seed in (0, 1)]
    one = fit(make, recipe, replicas)
    two = fit(make, recipe, replicas, devices_per_replica=2, spread_steps=spread)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-6),
        (two.params, [dict(row, diverged=0) for row in two.metrics]),
        (one.params, [dict(row, diverged=0) for row in one.metrics]),
    )


LAYOUTS = {
    "one": {},
    "two": {"devices_per_replica": 2},
    "spread": {"devices_per_replica": 2, "spread_steps": True},
}


@pytest.mark.parametrize(
    ("before", "after"),
    with_slow([*itertools.product(LAYOUTS, LAYOUTS)], [("one", "spread")]),
)
def test_it_goes_on_over_other_devices(before, after, tmp_path):
    def train(num_steps, **options):
        recipe = Recipe(num_steps, 4, 2, patience=None)
        setting = Setting(lambda split: TASK, LSTMCell, Untied(T), 4, 1, recipe)
        return fit(setting.make_model(), recipe, [(TASK, 0, 1e-2)], **options)

    kept = {"checkpoints": tmp_path, "checkpoint_every": 0}
    train(4, **kept, **LAYOUTS[before])
    found, expected = train(6, **kept, **LAYOUTS[after]), train(6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-6),
        found.params,
        expected.params,
    )


def test_stacks_lie_over_the_devices_and_the_rest_on_each():
    recipe = Recipe(1, 4, 1, patience=None)
    make = Setting(lambda split: TASK, LSTMCell, Untied(T), 4, 1, recipe).make_model()
    devices = jax.make_mesh((2,), ("replica",))
    mesh, layout = lay_out(
        devices, TASK, 4, per_device=1, devices_per_replica=2, spread_steps=True
    )
    assert mesh.axis_names == ("replica", AXIS) and layout == Layout(2, T)
    programs = compile_programs(
        Loop(make, recipe, layout=layout), mesh, 1, type(TASK), ()
    )
    slots = Slots(programs, recipe, mesh, 1, [(TASK, 0, 1e-2)])
    slots.fill()
    state = slots._state
    held = [state.params, state.best_params, state.optimizer_state]
    for leaf in jax.tree.leaves(held):
        shape = leaf.sharding.shard_shape(leaf.shape)
        stack = leaf.shape[1:2] == (T,)
        assert shape == ((1, T // 2, *leaf.shape[2:]) if stack else leaf.shape)
    assert any(leaf.shape[1:2] == (T,) for leaf in jax.tree.leaves(held))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devices_per_replica": 3}, "does not divide the 2 devices there are"),
        ({"devices_per_replica": -1}, "devices_per_replica is -1. Use at least 1"),
        ({"devices_per_replica": 2, "batch": 5}, "the batch_size of 5. Use a divisor"),
        ({"devices_per_replica": 2, "spread_steps": True}, "the 7 steps that are spr"),
        ({"spread_steps": True}, "and it has one. Use devices_per_replica=2"),
        ({"devices_per_replica": 2, "per_device": 2}, "cannot lie over devices_per_re"),
        ({"per_device": 0}, "per_device is 0. Use at least 1"),
        ({"devices_per_replica": "2"}, "devices_per_replica is '2'. Use an integer"),
    ],
    ids=str,
)
def test_what_does_not_go_together(options, message):
    options = {
        "per_device": 1, "devices_per_replica": 1, "spread_steps": False, "batch": 4,
        **options,
    }  # fmt: skip
    batch_size = options.pop("batch")
    with pytest.raises((ValueError, TypeError), match=message):
        lay_out(jax.make_mesh((2,), ("replica",)), Adding(7), batch_size, **options)
