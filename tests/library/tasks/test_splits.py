"""How real data are split."""

import functools
import math

import jax
import numpy as np
import pytest

from rnnshare.tasks import (
    Batch,
    digits,
    italy_power_demand,
    japanese_vowels,
    mnist1d,
    mnist_rows,
    outlines,
    pools,
    surnames,
)
from rnnshare.tasks.base import SPLITS
from rnnshare.tasks.data import arrays as data
from rnnshare.tasks.data import texts
from tests.library.tasks.test_data import PUBLISHED

by_data = pytest.mark.parametrize(
    ("make", "pool"),
    [
        (japanese_vowels, data.japanese_vowels),
        (italy_power_demand, data.italy_power_demand),
        (mnist1d, data.mnist1d),
        (mnist_rows, data.mnist_rows),
        (functools.partial(mnist1d, shuffled=True), data.mnist1d),
        (functools.partial(mnist1d, shuffled_each=True), data.mnist1d),
        (functools.partial(mnist_rows, shifted=True), data.mnist_rows),
        (surnames, texts.surnames),
        (digits, data.digits),
        (functools.partial(digits, shuffled_each=True), data.digits),
        (
            functools.partial(outlines, name="GunPoint"),
            functools.partial(data.outlines, "GunPoint"),
        ),
    ],
    ids=[
        *PUBLISHED,
        "shuffled",
        "shuffled_each",
        "shifted",
        "surnames",
        "digits",
        "digits, shuffled_each",
        "outlines",
    ],
)


def rows_of(batch):
    return {row.tobytes() for row in batch.inputs}


@by_data
def test_the_sets_of_a_split_are_the_pool_parted(make, pool):
    for split in (0, 2):
        task = make(split)
        sets = [rows_of(task.held_out(name)) for name in SPLITS]
        assert len(set.union(*sets)) == sum(map(len, sets))
        assert sum(map(len, sets)) == len(pool().labels)


@by_data
def test_splits_agree_in_all_but_their_arrays(make, pool):
    del pool
    tasks = [make(split) for split in range(3)]
    assert len({jax.tree.structure(task) for task in tasks}) == 1
    shapes = [[(x.shape, x.dtype) for x in jax.tree.leaves(task)] for task in tasks]
    assert shapes[0] == shapes[1] == shapes[2]
    # Which examples they hold differs, whatever their scale.
    assert len({task.test.targets.tobytes() for task in tasks}) == 3


@by_data
def test_splits_hold_the_published_number_of_each_class(make, pool):
    count = functools.partial(np.bincount, minlength=pool().num_classes)
    published = count(pool().labels[: pool().num_train])
    for split in range(3):
        task = make(split)
        validation = count(task.validation.targets)
        np.testing.assert_array_equal(count(task.train.targets) + validation, published)
        np.testing.assert_array_equal(validation, np.round(0.2 * published))
    is_test = slice(pool().num_train, None)
    np.testing.assert_array_equal(make(0).test.targets, pool().labels[is_test])


def test_training_inputs_are_standardised_over_real_steps():
    for task in (japanese_vowels(0), japanese_vowels(3), italy_power_demand(1)):
        inputs, lengths = task.train.inputs, task.train.lengths
        real = np.ones(inputs.shape[:2], bool)
        if lengths is not None:
            real = np.arange(inputs.shape[1]) < lengths[:, None]
        np.testing.assert_allclose(inputs[real].mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(inputs[real].std(0), 1, atol=1e-4)


def test_all_sets_are_scaled_as_the_training_part_is():
    """One affine map a channel, read off the test set, takes all sets to the pool."""
    pool, task = data.japanese_vowels(), japanese_vowels(0)
    lengths = pool.lengths[pool.num_train :]
    real = np.arange(29) < lengths[:, None]
    raw, scaled = pool.inputs[pool.num_train :][real], task.test.inputs[real]
    assert np.abs(scaled.mean(0)).max() > 0.01
    maps = [np.polyfit(scaled[:, d], raw[:, d], 1) for d in range(12)]
    slopes, offsets = np.transpose(maps).astype(np.float32)
    firsts = pool.inputs[: pool.num_train, 0]
    for batch in (task.train, task.validation):
        back = batch.inputs[:, 0] * slopes + offsets
        distance = np.abs(back[:, None] - firsts).max(-1).min(1)
        np.testing.assert_allclose(distance, 0, atol=1e-4)


@pytest.mark.parametrize("split", [0, 1])
def test_padding_is_exactly_zero(split):
    for name in SPLITS:
        batch = japanese_vowels(split).held_out(name)
        padding = np.arange(29) >= batch.lengths[:, None]
        assert (batch.inputs[padding] == 0).all()
        assert padding.any()
        assert (batch.inputs[~padding] != 0).any(-1).all()


def test_a_split_is_made_again_the_same():
    once = japanese_vowels(4)
    pools.split_pool.cache_clear()
    again = japanese_vowels(4)
    assert once is not again
    assert jax.tree.structure(once) == jax.tree.structure(again)
    jax.tree.map(np.testing.assert_array_equal, once, again)


def test_shuffled_time_is_one_permutation_of_the_plain():
    plain, shuffled = mnist1d(1), mnist1d(1, shuffled=True)
    assert shuffled.name == "mnist1d_shuffled"
    for name in SPLITS:
        one, other = plain.held_out(name), shuffled.held_out(name)
        np.testing.assert_array_equal(one.targets, other.targets)
        # Column t of the one is column order[t] of the other, for all examples.
        seen = plain.train.inputs[:, :, 0].T
        there = shuffled.train.inputs[:, :, 0].T
        order = np.abs(seen[:, None, :100] - there[None, :, :100]).sum(-1).argmin(1)
        assert sorted(order) == list(range(40))
        assert np.abs(np.diff(order)).mean() > 5
        np.testing.assert_allclose(one.inputs, other.inputs[:, order], atol=1e-4)


@by_data
def test_chance_is_what_a_constant_answer_scores_on_the_pool(make, pool):
    task, labels = make(), pool().labels
    frequencies = np.bincount(labels) / len(labels)
    logits = np.log(frequencies).astype(np.float32)
    outputs = np.broadcast_to(logits, (len(labels), len(logits)))
    got = task.metrics(outputs, Batch(None, labels))
    for metric, value in task.baselines["chance"].items():
        np.testing.assert_allclose(got[metric], value, rtol=1e-5)
    assert make(1).baselines == task.baselines


@by_data
def test_bad_splits_are_refused(make, pool):
    del pool
    with pytest.raises(ValueError, match=r"split is -1\. Use 0 \(published\) or"):
        make(-1)
    for fraction in (0.0, 1.0, -0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match=f"validation_fraction is {fraction}"):
            make(0, validation_fraction=fraction)


def test_the_validation_fraction_is_by_class():
    task = japanese_vowels(validation_fraction=0.5)
    np.testing.assert_array_equal(np.bincount(task.validation.targets), [15] * 9)
    np.testing.assert_array_equal(np.bincount(task.train.targets), [15] * 9)
