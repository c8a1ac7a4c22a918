"""Classification of examples held in memory, and how a pool of them is split."""

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
    Task,
    as_pytree,
    check_split,
)
from rnnshare.tasks.classes import check_batch
from rnnshare.tasks.data import arrays as data
from rnnshare.tasks.draws import randint

_EMBEDDED = 16
_VALIDATION_STREAM, _TEST_STREAM = range(2)


class InMemory(Task):
    """A task whose sets are batches that it holds: `train`, `validation`, `test`."""

    in_memory = True
    train: Batch

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Draws training examples with replacement."""
        count = len(self.train.targets)
        rows = randint(key, (batch_size,), 0, count)
        # NumPy leaves cannot be indexed under a trace that closes over the task.
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], self.train)

    def held_out(self, split: str) -> Batch:  # noqa: D102
        check_split(split)
        return getattr(self, split)


@as_pytree("train", "validation", "test")
@dataclasses.dataclass(frozen=True, eq=False)
class ArrayTask(InMemory, Classification):
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

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Chance: accuracy of the majority class, loss of the class frequencies."""
        accuracy, loss = self.chance
        return {"chance": {"loss": loss, "accuracy": accuracy}}


def unchanged(inputs: np.ndarray, split: int) -> np.ndarray:
    """Returns the inputs as they are."""
    del split
    return inputs


@functools.lru_cache(maxsize=32)
def split_pool(
    read: Callable[..., data.Dataset],
    name: str,
    split: int,
    fraction: float,
    change: Callable[[np.ndarray, int], np.ndarray] = unchanged,
    arguments: tuple[Any, ...] = (),
    standardise: bool = True,
) -> ArrayTask:
    """Returns a pool's split, see `rnnshare.tasks.real`.

    Args:
      read: `read(*arguments)` returns the pool.
      name: of the task.
      split: 0 for the published one.
      fraction: of the training part that is for validation.
      change: `change(inputs, split)`, applied to the pool's inputs.
      arguments: of `read`.
      standardise: the inputs, by the training part.
    """
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
