"""What is memorised of random labels, and rank correlation."""

import itertools
import math

import jax
import numpy as np
import pytest

from rnnshare.analysis.statistics import memorised_bits, rank_correlation
from rnnshare.tasks import RandomLabels


def entropy(p):
    return -sum(q * math.log2(q) for q in (p, 1 - p) if q > 0)


def test_memorised_bits_by_the_entropy():
    for p, n in itertools.product((0.5, 0.6, 0.9, 1.0), (1, 64, 1_000)):
        assert memorised_bits(p, n) == pytest.approx(n * (1 - entropy(p)), abs=1e-9)
    assert memorised_bits(0.5, 64) == 0 and memorised_bits(1.0, 64) == 64
    assert memorised_bits(0.1, 64) == 0  # worse than a guess holds nothing
    found = memorised_bits(np.array([[0.5, 1.0], [1.0, 0.5]]), np.array([8, 16]))
    np.testing.assert_array_equal(found, [[0, 16], [8, 0]])
    with pytest.raises(ValueError, match=r"accuracies in \[0, 1\], but got 1.5"):
        memorised_bits(1.5, 8)
    with pytest.raises(ValueError, match=r"num_examples is 0\. Use at least 1"):
        memorised_bits(0.5, 0)


def test_rank_correlation_is_that_of_the_ranks():
    x, y = [1.0, 2.0, 4.0, 8.0], [0.1, 5.0, 0.2, 6.0]
    ranks = [1, 3, 2, 4]
    assert rank_correlation(x, y) == pytest.approx(
        np.corrcoef([1, 2, 3, 4], ranks)[0, 1]
    )
    assert rank_correlation(x, [3, 3, 3, 3]) == 0.0


def test_random_labels_are_coins_and_every_one_is_measured():
    task = RandomLabels(64, 3, num_held_out=256, num_steps=8, num_features=4)
    held_out = jax.jit(lambda task, split: task.held_out(split), static_argnums=1)
    batch = jax.device_get(held_out(task, "train"))
    assert batch.inputs.shape == (256, 8, 4) and set(np.unique(batch.inputs)) == {-1, 1}
    label_of = {}
    for row, label in zip(batch.inputs, batch.targets, strict=True):
        assert label_of.setdefault(row.tobytes(), label) == label
    assert len(label_of) == 64  # no two equal, each measured four times
    drawn = jax.device_get(task.sample(jax.random.key(0), 100))
    for row, label in zip(drawn.inputs, drawn.targets, strict=True):
        assert label_of[row.tobytes()] == label
    large = RandomLabels(4_096, 3, num_held_out=4_096)
    every = jax.device_get(held_out(large, "train"))
    assert np.mean(every.targets) == pytest.approx(0.5, abs=0.03)
    assert np.mean(every.inputs) == pytest.approx(0.0, abs=0.01)
    # Chance by simulation: the labels tell nothing that the inputs or others tell.
    known = every.inputs.reshape(4_096, -1).T @ (2 * every.targets - 1) / 4_096
    assert np.abs(known).max() < 5 / 64
    guesses = np.random.default_rng(0).integers(0, 2, 4_096)
    right = np.mean(guesses == every.targets)
    assert right == pytest.approx(large.baselines["chance"]["accuracy"], abs=0.03)
    assert memorised_bits(right, 4_096) < 10
    outputs = jax.nn.one_hot(every.targets, 2)
    line = large.baselines["all memorised"]["train_accuracy"]
    assert large.metrics(outputs, every)["accuracy"] == line
