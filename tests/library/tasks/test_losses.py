"""Losses, metrics, and what the mask leaves out."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.tasks import (
    CopyMemory,
    LagRecall,
    LocalRule,
    PaddedCopyMemory,
    Parity,
    ReverseString,
    japanese_vowels,
)
from rnnshare.tasks.base import cross_entropy, is_right, masked_mean
from rnnshare.tasks.translation import translation
from tests.library.tasks.task_cases import four, perfect, scores


def test_cross_entropy_by_hand():
    logits = jnp.array([[0.0, math.log(3.0)], [2.0, 2.0]])
    got = cross_entropy(logits, jnp.array([0, 1]))
    np.testing.assert_allclose(got, [math.log(4), math.log(2)], rtol=1e-6)


CLASSIFIED = (
    CopyMemory(5, num_held_out=50),
    PaddedCopyMemory(5, num_held_out=50, wait=3),
    LagRecall(12, 3, bounds=(1, 2, 3), num_held_out=20),
    LocalRule.of(6),
    Parity(5, num_held_out=50),
    ReverseString(5, num_held_out=50),
    japanese_vowels(),
    translation(),
)


@pytest.mark.parametrize("bad", [0, -1, slice(None)], ids=str)
@pytest.mark.parametrize("task", CLASSIFIED, ids=lambda task: task.name)
def test_an_answer_with_a_nan_is_never_right(task, bad):
    """Although `argmax` takes a NaN for the largest, the class 0 if all are NaN."""
    batch = jax.device_get(task.held_out("validation"))
    right = perfect(task, batch)
    wrong = right.copy()
    wrong[..., bad] = np.nan
    for outputs, expected in ((right, 1.0), (wrong, 0.0)):
        found = scores(task, outputs, batch)
        rates = {name: float(x) for name, x in found.items() if "loss" not in name}
        assert "accuracy" in rates
        assert set(rates.values()) == {expected}, rates
        if isinstance(task, Parity | ReverseString):
            each = task.accuracy_each(jnp.asarray(outputs), batch)
            np.testing.assert_array_equal(each, np.float32(expected))


def test_right_answers_by_hand():
    nan, inf = np.nan, np.inf
    logits = [[0, 1], [1, 0], [nan, 1], [0, nan], [nan, nan], [-inf, 0], [0, inf]]
    found = is_right(jnp.asarray(logits), jnp.ones(7, jnp.int32))
    assert found.tolist() == [True, False, False, False, False, True, True]


def test_masked_mean_leaves_out_what_is_not_scored():
    values = jnp.array([1.0, jnp.nan, 3.0, jnp.inf])
    mask = jnp.array([True, False, True, False])
    assert masked_mean(values, mask) == 2
    assert masked_mean(values, jnp.zeros_like(mask)) == 0
    assert masked_mean(values[:1], None) == 1


def test_the_mask_decides_loss_and_accuracy():
    task = CopyMemory(1, num_recalled=1, num_symbols=2)
    batch = four(task, jax.random.key(0))
    mask = np.ones((4, 3), bool)
    mask[:, 1] = mask[0, 2] = False
    outputs = perfect(task, batch)
    outputs[0, 2] = np.roll(outputs[0, 2], 1)
    outputs[:, 1] = np.nan
    assert scores(task, outputs, batch._replace(mask=mask))["loss"] < 1e-6
    assert np.isnan(scores(task, outputs, batch)["loss"])
