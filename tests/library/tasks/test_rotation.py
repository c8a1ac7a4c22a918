"""Rotation: the definition in plain Python, and its lines by simulation."""

import itertools
import math

import jax
import numpy as np
import pytest

from rnnshare.tasks import Rotation
from tests.cases import with_slow


def drawn(**options):
    batch = Rotation(20_000, 3, num_held_out=20_000, **options).held_out("test")
    states = np.argmax(batch.inputs[..., :3], -1)
    assert (np.sort(batch.inputs[..., :3], -1) == [0, 0, 1]).all()
    return states, np.asarray(batch.inputs[..., 3]), 2 * np.asarray(batch.targets) - 1


def test_the_chain_turns_as_its_class_says():
    states, noise, sign = drawn(dependence=0.4)
    on = (np.diff(states) % 3) == 1
    assert ((np.diff(states) % 3) != 0).all()
    for c in (1, -1):
        np.testing.assert_allclose(on[sign == c].mean(), (1 + c * 0.4) / 2, atol=0.01)
        np.testing.assert_allclose(noise[sign == c].mean(), c * 0.2, atol=0.01)
        share = [(states[sign == c] == s).mean(0) for s in range(3)]
        np.testing.assert_allclose(share, 1 / 3, atol=0.02)
    np.testing.assert_allclose(noise.std(), math.sqrt(1 + 0.04), atol=0.01)
    np.testing.assert_allclose(sign.mean(), 0, atol=0.03)


def test_counts_of_states_are_alike_in_both_classes():
    """By all chains of six steps: the one class is the other one back in time."""
    probability = {1: {}, -1: {}}
    for start, *turns in itertools.product(range(3), *[(1, -1)] * 5):
        states = np.cumsum([start, *turns]) % 3
        counts = tuple(np.bincount(states, minlength=3))
        for c, table in probability.items():
            p = math.prod((1 + c * turn * 0.8) / 2 for turn in turns) / 3
            table[counts] = table.get(counts, 0) + p
    for counts, p in probability[1].items():
        np.testing.assert_allclose(p, probability[-1][counts], rtol=1e-12)


@pytest.mark.parametrize("dependence", with_slow([0.0, 0.2, 0.4, 0.8], {0.4}))
def test_lines_are_what_the_likelihoods_score(dependence):
    states, noise, sign = drawn(dependence=dependence)
    lines = Rotation(1, 0, dependence=dependence).baselines
    turns = np.where(np.diff(states) % 3 == 1, 1, -1)
    sums = 2 * 0.2 * noise.sum(1)
    log_odds = math.log((1 + dependence) / (1 - dependence))
    for name, ratio in (
        ("unordered", sums),
        ("oracle", sums + turns.sum(1) * log_odds),
    ):
        accuracy = np.mean(np.sign(ratio) == sign)
        np.testing.assert_allclose(accuracy, lines[name]["accuracy"], atol=0.01)
    shuffled = Rotation(1, 0, dependence=dependence, shuffled=True).baselines
    np.testing.assert_allclose(
        shuffled["oracle"]["accuracy"], lines["unordered"]["accuracy"], rtol=1e-12
    )


def test_shuffled_steps_are_those_of_the_plain_in_an_order_of_their_own():
    plain = Rotation(50, 1, dependence=0.8, num_held_out=200)
    mixed = Rotation(50, 1, dependence=0.8, num_held_out=200, shuffled=True)
    one, other = plain.held_out("test"), mixed.held_out("test")
    np.testing.assert_array_equal(one.targets, other.targets)
    orders = np.argmax(
        np.asarray(one.inputs)[:, None, :, 3]
        == np.asarray(other.inputs)[:, :, None, 3],
        axis=2,
    )
    assert (np.sort(orders, axis=1) == np.arange(16)).all()
    assert len({row.tobytes() for row in orders}) > 190
    moved = np.take_along_axis(np.asarray(one.inputs), orders[..., None], axis=1)
    np.testing.assert_array_equal(moved, other.inputs)


def test_the_dial_is_an_array_and_the_names_differ():
    made = [
        Rotation(10, 0, dependence=r, shuffled=s)
        for r in (0.0, 0.2)
        for s in (False, True)
    ]
    assert len({jax.tree.structure(task) for task in made}) == 1
    assert [task.name for task in made] == [
        *("rotation_16_0_n10", "rotation_16_0_shuffled_n10"),
        *("rotation_16_0.2_n10", "rotation_16_0.2_shuffled_n10"),
    ]
    for wrong in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match=f"dependence is {wrong}. Use 0 to below"):
            Rotation(10, 0, dependence=wrong)
    with pytest.raises(
        ValueError, match=r"num_steps is 1\. Use an integer of at least"
    ):
        Rotation(10, 0, num_steps=1)
