"""Tasks on real data: classify a sequence by its last real step.

Split 0 is the published one, or a fixed one where none is published. Split i > 0 pools
the data and resamples it by class, to the same sizes, as a pure function of i; the
validation set is taken out of the training part by class as well. All splits of a data
set have equal shapes, so models trained on them share one compilation.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import (
    SPLITS,
    Batch,
    Classification,
    as_pytree,
    check_split,
    generated,
)
from rnnshare.tasks.classes import check_batch
from rnnshare.tasks.data import arrays as data
from rnnshare.tasks.data import texts
from rnnshare.tasks.draws import randint

_EMBEDDED = 16


@as_pytree("train", "validation", "test")
@dataclasses.dataclass(frozen=True, eq=False)
class ArrayTask(Classification):
    """Classification of examples that are held in memory.

    Attributes:
      train, validation, test: the sets, disjoint.
      name: of the data set.
      out_features: O, the number of classes.
      sha256: of the data.
      chance: the pool's majority class as accuracy, its class entropy as loss.
      num_tokens: how many tokens there are, if the inputs are int[B, T].
    """

    train: Batch
    validation: Batch
    test: Batch
    name: str
    out_features: int
    sha256: str
    chance: tuple[float, float]
    num_tokens: int | None = None

    def __post_init__(self):
        """Raises unless its classes, and tokens, are ones that there are."""
        for split in SPLITS:
            owner = f"{type(self).__name__} {self.name}: {split}"
            batch = getattr(self, split)
            check_batch(owner, batch, self.out_features, self.num_tokens)

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T, of the longest sequence in the pool."""
        return self.train.inputs.shape[-1 if self.num_tokens else -2]

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """D; of tokens, that of their embedding."""
        return _EMBEDDED if self.num_tokens else self.train.inputs.shape[-1]

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Draws training examples with replacement."""
        count = len(self.train.targets)
        rows = randint(key, (batch_size,), 0, count)
        # NumPy leaves cannot be indexed under a trace that closes over the task.
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], self.train)

    def held_out(self, split: str) -> Batch:  # noqa: D102
        check_split(split)
        return getattr(self, split)

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Chance: accuracy of the majority class, loss of the class frequencies."""
        accuracy, loss = self.chance
        return {"chance": {"loss": loss, "accuracy": accuracy}}


@generated(source="sha256")
def japanese_vowels(split: int = 0, *, validation_fraction: float = 0.2) -> ArrayTask:
    """Returns JapaneseVowels: variable length 7..29, 12 channels, 9 speakers.

    Args:
      split: 0 is the published one (270 train, 370 test); see the module.
      validation_fraction: of the training part.
    """
    return _split(data.japanese_vowels, "japanese_vowels", split, validation_fraction)


@generated(source="sha256")
def italy_power_demand(
    split: int = 0, *, validation_fraction: float = 0.2
) -> ArrayTask:
    """Returns ItalyPowerDemand: 24 hours by the clock, 2 seasons; 67 train, 1029 test.

    Args:
      split: 0 is the published one; see the module.
      validation_fraction: of the training part.
    """
    return _split(
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
    if shuffled and shuffled_each:
        raise ValueError("mnist1d: shuffled and shuffled_each exclude each other.")
    name, change = "mnist1d", _unchanged
    if max_translation is not None:
        name += f"_translation_{max_translation}"
    if shuffled:
        name, change = f"{name}_shuffled", _in_one_order
    if shuffled_each:
        name, change = f"{name}_shuffled_each", _each_in_its_order
    return _split(
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
    return _split(
        data.mnist_rows,
        "mnist_rows_shifted" if shifted else "mnist_rows",
        split,
        validation_fraction,
        _moved_in_time if shifted else _unchanged,
        standardise=False,  # in [0, 1]; the pixels at the rim hardly vary
    )


@generated(source="sha256")
def surnames(split: int = 0, *, validation_fraction: float = 0.2) -> ArrayTask:
    """Returns surnames: 2..14 letters, 8 languages; 1920 train, 640 test.

    Args:
      split: see the module; no split of these names is published.
      validation_fraction: of the training part.
    """
    return _split(
        texts.surnames, "surnames", split, validation_fraction, standardise=False
    )


def _unchanged(inputs: np.ndarray, split: int) -> np.ndarray:
    del split
    return inputs


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


_SHUFFLE_SEED = 1
_VALIDATION_STREAM, _TEST_STREAM, _ORDER_STREAM, _SHIFT_STREAM = range(4)


@functools.lru_cache(maxsize=32)
def _split(
    read: Callable[..., data.Dataset],
    name: str,
    split: int,
    fraction: float,
    change: Callable[[np.ndarray, int], np.ndarray] = _unchanged,
    arguments: tuple[Any, ...] = (),
    standardise: bool = True,
) -> ArrayTask:
    if not isinstance(split, int) or isinstance(split, bool) or split < 0:
        raise ValueError(f"split is {split!r}. Use 0 (published) or a positive number.")
    if not 0 < fraction < 1:
        raise ValueError(
            f"validation_fraction is {fraction}. Use a fraction between 0 and 1."
        )
    pool = read(*arguments)
    whole = Batch(pool.inputs, pool.labels, pool.lengths)
    check_batch(f"{name}: pool", whole, pool.num_classes, pool.num_tokens)
    inputs = change(pool.inputs, split)
    train = np.arange(pool.num_train)
    if split:
        # As many of each class as in the published training set.
        counts = np.bincount(pool.labels[train], minlength=pool.num_classes)
        rng = np.random.default_rng([_TEST_STREAM, split])
        train = _draw_by_class(rng, pool.labels, np.arange(len(inputs)), counts)
    test = np.setdiff1d(np.arange(len(inputs)), train)
    counts = np.bincount(pool.labels[train], minlength=pool.num_classes)
    held = np.maximum(1, np.round(fraction * counts)).astype(int)
    if (held >= counts).any():
        raise ValueError(
            f"validation_fraction is {fraction}, which takes all training examples of "
            f"a class of {name} (it has {counts.min()}). Use a smaller one."
        )
    rng = np.random.default_rng([_VALIDATION_STREAM, split])
    validation = _draw_by_class(rng, pool.labels, train, held)
    train = np.setdiff1d(train, validation)

    if standardise:
        inputs = _standardised(inputs, pool.lengths, train)
    ragged = pool.lengths.min() < inputs.shape[1]

    def batch(rows: np.ndarray) -> Batch:
        lengths: Any = pool.lengths[rows] if ragged else None
        return Batch(inputs[rows], pool.labels[rows], lengths)

    share = np.bincount(pool.labels, minlength=pool.num_classes) / len(inputs)
    return ArrayTask(
        train=batch(train),
        validation=batch(validation),
        test=batch(test),
        name=name,
        out_features=pool.num_classes,
        sha256=pool.sha256,
        chance=(float(share.max()), float(-np.sum(share * np.log(share)))),
        num_tokens=pool.num_tokens,
    )


def _standardised(
    inputs: np.ndarray, lengths: np.ndarray, train: np.ndarray
) -> np.ndarray:
    """Returns the inputs by mean and deviation of the training rows' real steps."""
    is_real = np.arange(inputs.shape[1]) < lengths[:, None]
    seen = inputs[train][is_real[train]]
    scaled = (inputs - seen.mean(0)) / np.maximum(seen.std(0), 1e-6)
    return np.where(is_real[..., None], scaled, 0).astype(np.float32)


def _draw_by_class(
    rng: np.random.Generator, labels: np.ndarray, rows: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Returns `counts[k]` of the rows of each class k, in increasing order."""
    drawn = [
        rng.choice(rows[labels[rows] == k], count, replace=False)
        for k, count in enumerate(counts)
    ]
    return np.sort(np.concatenate(drawn))
