"""Tasks on real data: classify a sequence by its last real step.

Split 0 is the published one, or a fixed one where none is published. Split i > 0 pools
the data and resamples it by class, to the same sizes, as a pure function of i; the
validation set is taken out of the training part by class as well. All splits of a data
set have equal shapes, so models trained on them share one compilation.
"""

from typing import Any

import numpy as np

from rnnshare.tasks.base import generated
from rnnshare.tasks.data import arrays as data
from rnnshare.tasks.data import texts
from rnnshare.tasks.pools import ArrayTask, split_pool, unchanged

_SHUFFLE_SEED = 1
_ORDER_STREAM, _SHIFT_STREAM = 2, 3


@generated(source="sha256")
def japanese_vowels(split: int = 0, *, validation_fraction: float = 0.2) -> ArrayTask:
    """Returns JapaneseVowels: variable length 7..29, 12 channels, 9 speakers.

    Args:
      split: 0 is the published one (270 train, 370 test); see the module.
      validation_fraction: of the training part.
    """
    return split_pool(
        data.japanese_vowels, "japanese_vowels", split, validation_fraction
    )


@generated(source="sha256")
def italy_power_demand(
    split: int = 0, *, validation_fraction: float = 0.2
) -> ArrayTask:
    """Returns ItalyPowerDemand: 24 hours by the clock, 2 seasons; 67 train, 1029 test.

    Args:
      split: 0 is the published one; see the module.
      validation_fraction: of the training part.
    """
    return split_pool(
        data.italy_power_demand, "italy_power_demand", split, validation_fraction
    )


@generated()
def mnist1d(
    split: int = 0,
    *,
    shuffled: bool = False,
    shuffled_each: bool = False,
    max_translation: int | None = None,
    validation_fraction: float = 0.2,
) -> ArrayTask:
    """Returns MNIST-1D: 40 steps, 10 digits; 4000 train, 1000 test.

    Args:
      split: 0 is the published one; see the module.
      shuffled: put the steps of all examples in one other, fixed order.
      shuffled_each: put the steps of each example in an order of its own, which depends
        on the split.
      max_translation: how far digits are moved along time, 0 for not at all; see
        `rnnshare.tasks.data.arrays.mnist1d`.
      validation_fraction: of the training part.

    Raises:
      ValueError: if both ways to shuffle are asked for.
    """
    name = "mnist1d"
    if max_translation is not None:
        name += f"_translation_{max_translation}"
    name, change = _in_time(name, shuffled, shuffled_each)
    return split_pool(
        data.mnist1d, name, split, validation_fraction, change, (max_translation,)
    )


@generated(source="sha256")
def mnist_rows(
    split: int = 0, *, shifted: bool = False, validation_fraction: float = 0.2
) -> ArrayTask:
    """Returns MNIST row by row: 28 steps of 28 pixels; 4000 train, 1000 test.

    Args:
      split: see the module; no split of these digits is published.
      shifted: move each digit up or down, which is in time, to a uniform one of the
        places where none of it is cut off; blank rows come in. Places depend on the
        split.
      validation_fraction: of the training part.
    """
    return split_pool(
        data.mnist_rows,
        "mnist_rows_shifted" if shifted else "mnist_rows",
        split,
        validation_fraction,
        _moved_in_time if shifted else unchanged,
        standardise=False,  # in [0, 1]; the pixels at the rim hardly vary
    )


@generated(source="sha256")
def surnames(split: int = 0, *, validation_fraction: float = 0.2) -> ArrayTask:
    """Returns surnames: 2..14 letters, 8 languages; 1920 train, 640 test.

    Args:
      split: see the module; no split of these names is published.
      validation_fraction: of the training part.
    """
    return split_pool(
        texts.surnames, "surnames", split, validation_fraction, standardise=False
    )


@generated(source="sha256")
def digits(
    split: int = 0,
    *,
    shuffled: bool = False,
    shuffled_each: bool = False,
    validation_fraction: float = 0.2,
) -> ArrayTask:
    """Returns scikit-learn's digits row by row: 8 steps of 8; 1438 train, 359 test.

    Args:
      split: see the module; no split of these digits is published.
      shuffled: see `mnist1d`.
      shuffled_each: see `mnist1d`.
      validation_fraction: of the training part.

    Raises:
      ValueError: if both ways to shuffle are asked for.
    """
    name, change = _in_time("digits", shuffled, shuffled_each)
    return split_pool(
        data.digits, name, split, validation_fraction, change, standardise=False
    )


@generated(source="sha256")
def outlines(
    split: int = 0, *, name: str = "ArrowHead", validation_fraction: float = 0.2
) -> ArrayTask:
    """Returns a series of the UCR archive, aligned, some samples a step.

    `ArrowHead`: outlines of arrowheads, 3 types, 25 steps of 10; 36 train, 175 test.
    `GunPoint`: the height of a hand that draws a gun, or points; 30 steps of 5; 50
    train, 150 test. `OSULeaf`: outlines of leaves, 6 maples; 42 steps of 10; 200 train,
    242 test.

    Args:
      split: 0 is the published one; see the module.
      name: one of these.
      validation_fraction: of the training part.

    Raises:
      ValueError: on another name.
    """
    return split_pool(
        data.outlines, name, split, validation_fraction, arguments=(name,)
    )


def _in_time(name: str, shuffled: bool, shuffled_each: bool) -> tuple[str, Any]:
    """Returns the name of the data with their steps in that order, and the change."""
    if shuffled and shuffled_each:
        raise ValueError(f"{name}: shuffled and shuffled_each exclude each other.")
    if shuffled:
        return f"{name}_shuffled", _in_one_order
    if shuffled_each:
        return f"{name}_shuffled_each", _each_in_its_order
    return name, unchanged


def _in_one_order(inputs: np.ndarray, split: int) -> np.ndarray:
    del split
    order = np.random.default_rng(_SHUFFLE_SEED).permutation(inputs.shape[1])
    return inputs[:, order]


def _each_in_its_order(inputs: np.ndarray, split: int) -> np.ndarray:
    rng = np.random.default_rng([_ORDER_STREAM, split])
    orders = np.argsort(rng.random(inputs.shape[:2]), axis=1)
    return np.take_along_axis(inputs, orders[..., None], axis=1)


def _moved_in_time(inputs: np.ndarray, split: int) -> np.ndarray:
    """Returns the sequences with their blank steps before and after parted anew."""
    rng = np.random.default_rng([_SHIFT_STREAM, split])
    num_steps = inputs.shape[1]
    inked = (inputs != 0).max(axis=2)
    before = inked.argmax(1)
    after = inked[:, ::-1].argmax(1)
    shift = rng.integers(0, before + after + 1) - before
    source = (np.arange(num_steps) - shift[:, None]) % num_steps
    return np.take_along_axis(inputs, source[..., None], axis=1)
