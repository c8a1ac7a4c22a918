"""Tasks on real data: classify a sequence by its last real step.

Split 0 is the published one. Split i > 0 pools the data and resamples it by class, to
the published sizes, as a pure function of i; the validation set is taken out of the
training part by class as well. All splits of a data set have equal shapes, so models
trained on them share one compilation.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare import data
from rnnshare.tasks.base import Batch, Classification, as_pytree, check_split


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
    """

    train: Batch
    validation: Batch
    test: Batch
    name: str
    out_features: int
    sha256: str
    chance: tuple[float, float]

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T, of the longest sequence in the pool."""
        return self.train.inputs.shape[-2]

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """D."""
        return self.train.inputs.shape[-1]

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Draws training examples with replacement."""
        count = len(self.train.targets)
        rows = jax.random.randint(key, (batch_size,), 0, count)
        # NumPy leaves cannot be indexed under a trace that closes over the task.
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], self.train)

    def held_out(self, split: str) -> Batch:  # noqa: D102
        check_split(split)
        return getattr(self, split)

    @property
    def lines(self) -> dict[str, dict[str, float]]:
        """Chance: accuracy of the majority class, loss of the class frequencies."""
        accuracy, loss = self.chance
        return {"chance": {"loss": loss, "accuracy": accuracy}}


def japanese_vowels(split: int = 0, *, validation_fraction: float = 0.2) -> ArrayTask:
    """Returns JapaneseVowels: variable length 7..29, 12 channels, 9 speakers.

    Args:
      split: 0 is the published one (270 train, 370 test); see the module.
      validation_fraction: of the training part.
    """
    return _split("japanese_vowels", split, validation_fraction, False)


def italy_power_demand(
    split: int = 0, *, validation_fraction: float = 0.2
) -> ArrayTask:
    """Returns ItalyPowerDemand: 24 hours by the clock, 2 seasons; 67 train, 1029 test.

    Args:
      split: 0 is the published one; see the module.
      validation_fraction: of the training part.
    """
    return _split("italy_power_demand", split, validation_fraction, False)


def mnist1d(
    split: int = 0, *, shuffled: bool = False, validation_fraction: float = 0.2
) -> ArrayTask:
    """Returns MNIST-1D: 40 steps, 10 digits; 4000 train, 1000 test.

    Args:
      split: 0 is the published one; see the module.
      shuffled: put the steps of all examples in one other, fixed order.
      validation_fraction: of the training part.
    """
    return _split("mnist1d", split, validation_fraction, shuffled)


_SHUFFLE_SEED = 1
_VALIDATION_STREAM, _TEST_STREAM = range(2)


@functools.lru_cache(maxsize=32)
def _split(name: str, split: int, fraction: float, shuffled: bool) -> ArrayTask:
    if not isinstance(split, int) or isinstance(split, bool) or split < 0:
        raise ValueError(f"split is {split!r}. Use 0 (published) or a positive number.")
    if not 0 < fraction < 1:
        raise ValueError(
            f"validation_fraction is {fraction}. Use a fraction between 0 and 1."
        )
    pool = getattr(data, name)()
    inputs = pool.inputs
    if shuffled:
        order = np.random.default_rng(_SHUFFLE_SEED).permutation(inputs.shape[1])
        inputs = inputs[:, order]
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

    is_real = np.arange(inputs.shape[1]) < pool.lengths[:, None]
    seen = inputs[train][is_real[train]]
    scaled = (inputs - seen.mean(0)) / np.maximum(seen.std(0), 1e-6)
    scaled = np.where(is_real[..., None], scaled, 0).astype(np.float32)
    ragged = pool.lengths.min() < inputs.shape[1]

    def batch(rows: np.ndarray) -> Batch:
        lengths: Any = pool.lengths[rows] if ragged else None
        return Batch(scaled[rows], pool.labels[rows], lengths)

    share = np.bincount(pool.labels, minlength=pool.num_classes) / len(inputs)
    return ArrayTask(
        train=batch(train),
        validation=batch(validation),
        test=batch(test),
        name=f"{name}_shuffled" if shuffled else name,
        out_features=pool.num_classes,
        sha256=pool.sha256,
        chance=(float(share.max()), float(-np.sum(share * np.log(share)))),
    )


def _draw_by_class(
    rng: np.random.Generator, labels: np.ndarray, rows: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Returns `counts[k]` of the rows of each class k, in increasing order."""
    drawn = [
        rng.choice(rows[labels[rows] == k], count, replace=False)
        for k, count in enumerate(counts)
    ]
    return np.sort(np.concatenate(drawn))
