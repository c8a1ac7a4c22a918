"""The interface of a task: a pure sampler, a loss, metrics, and reference lines.

Shape letters: B batch, T time, D input features, O outputs.
"""

import abc
import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, ParamSpec, TypeVar

import jax
import jax.numpy as jnp

from rnnshare.tasks.classes import cross_entropy, rightness
from rnnshare.tasks.classes import is_right as is_right

SPLITS = ("train", "validation", "test")
Metrics = dict[str, jax.Array]
_T = TypeVar("_T", bound=type)
_P = ParamSpec("_P")
_Made = TypeVar("_Made", bound="Task")


class Batch(NamedTuple):
    """Some examples.

    Attributes:
      inputs: float[B, T, D], or tokens int[B, T].
      targets: classes int32[B] or [B, T]; or values float[B, O].
      lengths: int32[B], the real steps; None: all of them.
      mask: bool[B, T], the steps that are scored, where every step is answered.
    """

    inputs: Any
    targets: Any
    lengths: Any = None
    mask: Any = None


class Origin(NamedTuple):
    """The call that made a task; it says the same on every machine.

    Attributes:
      function: a function that is decorated with `generated`.
      arguments: what it was called with, its defaults among them.
      source: the digest of the files that it read, or None.
    """

    function: Callable[..., Any]
    arguments: dict[str, Any]
    source: str | None = None


class Task(abc.ABC):
    """What to learn.

    A task is a frozen dataclass and a JAX pytree whose leaves are its arrays, so it
    goes into a compiled program as an argument: resampled splits of one data set share
    one compilation. All functions are pure, and can be jitted.

    Attributes:
      name: for rows and figures.
      num_steps: T, the longest sequence.
      in_features: D.
      out_features: O.
      readout: 'last' or 'every', where an answer is due.
      num_tokens: how many tokens there are, if the inputs are tokens.
      in_memory: whether its sets are arrays already, so that nothing is gained by
        holding them.
      origin: of a task that a `generated` function returned, the call; else None. It
        is no field: neither `dataclasses.replace` nor a map over the tree keeps it.
    """

    origin: Origin | None = None
    name: str
    num_steps: int
    in_features: int
    out_features: int
    readout: str = "last"
    num_tokens: int | None = None
    in_memory: ClassVar[bool] = False

    @abc.abstractmethod
    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Draws a training batch; a pure function of the key."""

    def sample_at(self, key: jax.Array, batch_size: int, progress: jax.Array) -> Batch:
        """Draws a training batch at a progress of the training, float32[] in [0, 1).

        The same at any progress, unless the task has a curriculum.
        """
        del progress
        return self.sample(key, batch_size)

    @abc.abstractmethod
    def held_out(self, split: str) -> Batch:
        """Returns a fixed batch: 'train', 'validation' or 'test'.

        'train' is for the train-test gap: of real data the training set, else a fixed
        draw.
        """

    @abc.abstractmethod
    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Returns the mean loss, float32[]."""

    def metrics(self, outputs: jax.Array, batch: Batch) -> Metrics:
        """Returns float32[] metrics, `loss` among them."""
        return {"loss": self.loss(outputs, batch)}

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Reference metrics by name, worked out: chance, no memory, oracle."""
        return {}

    @property
    def lines(self) -> dict[str, dict[str, float]]:
        """The former name of `baselines`."""
        return self.baselines


def as_pytree(*arrays: str) -> Callable[[_T], _T]:
    """Registers a frozen dataclass as a pytree, of whose fields these are arrays."""

    def register(cls: _T) -> _T:
        names = [field.name for field in dataclasses.fields(cls)]
        return jax.tree_util.register_dataclass(
            cls,
            data_fields=list(arrays),
            meta_fields=[name for name in names if name not in arrays],
        )

    return register


def generated(
    *, source: str | None = None
) -> Callable[[Callable[_P, _Made]], Callable[_P, _Made]]:
    """Decorates a function that makes tasks, so that they know the call they are of.

    A task is recognised by its arrays, but the rounding of arrays that come from
    arithmetic differs between machines: a task that knows its `origin` is recognised by
    that instead. A cache of the function belongs above this decorator.

    Args:
      source: the attribute of the task that holds the digest of the files which the
        function reads; None if it reads none.
    """

    def decorate(function: Callable[_P, _Made]) -> Callable[_P, _Made]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def make(*args: _P.args, **kwargs: _P.kwargs) -> _Made:
            task = function(*args, **kwargs)
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            digest = None if source is None else getattr(task, source)
            # No field, since JAX would compare it as a part of the tree's structure.
            object.__setattr__(
                task, "origin", Origin(make, dict(bound.arguments), digest)
            )
            return task

        return make

    return decorate


class Classification(Task):
    """A task with classes for answers: cross entropy in nats, and accuracy.

    Both are NaN if a class outside 0..O-1 is scored.
    """

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Returns the mean cross entropy in nats over what is scored."""
        losses = cross_entropy(outputs, batch.targets, batch.mask)
        return masked_mean(losses, batch.mask)

    def metrics(self, outputs: jax.Array, batch: Batch) -> Metrics:
        """Returns `loss`, and `accuracy`, the fraction that is right."""
        right = rightness(outputs, batch.targets, batch.mask)
        accuracy = masked_mean(right, batch.mask)
        return {"loss": self.loss(outputs, batch), "accuracy": accuracy}


class Regression(Task):
    """A task with values for answers: the mean squared error."""

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Returns the mean squared error over what is scored."""
        errors = jnp.mean(jnp.square(outputs - batch.targets), axis=-1)
        return masked_mean(errors, batch.mask)

    def metrics(self, outputs: jax.Array, batch: Batch) -> Metrics:
        """Returns `loss`, and `unexplained`: over that of the best constant."""
        means = [
            masked_mean(batch.targets[..., i], batch.mask)
            for i in range(batch.targets.shape[-1])
        ]
        constant = jnp.broadcast_to(jnp.stack(means), batch.targets.shape)
        loss = self.loss(outputs, batch)
        return {"loss": loss, "unexplained": loss / self.loss(constant, batch)}

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Chance: the training set's mean, which is 0, for every answer of the test."""
        batch = self.held_out("test")
        found = self.metrics(jnp.zeros_like(batch.targets), batch)
        return {"chance": {name: float(value) for name, value in found.items()}}


def masked_mean(values: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Returns the mean of values where mask is true; 0 where nothing is."""
    if mask is None:
        return jnp.mean(values)
    # Selected, not multiplied: what is not scored may be anything, NaN included.
    total = jnp.sum(jnp.where(mask, values, jnp.zeros_like(values)))
    return total / jnp.maximum(jnp.sum(mask), 1).astype(values.dtype)


def check_split(split: str) -> None:
    """Raises unless there is such a split."""
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}. Use one of {', '.join(SPLITS)}.")


def check_counts(task: Task, **least: int) -> None:
    """Raises unless the named fields are integers of at least these."""
    for name, lowest in least.items():
        count = getattr(task, name)
        if not isinstance(count, int) or isinstance(count, bool) or count < lowest:
            raise ValueError(
                f"{type(task).__name__}: {name} is {count!r}. Use an integer of at "
                f"least {lowest}."
            )


def held_out_key(split: str) -> jax.Array:
    """Returns the key of a held-out draw; training keys are folded from seeds by 0..3.

    `training` folds small numbers into a seed's key; these are folded into the key of
    an ASCII word, far from them.
    """
    check_split(split)
    return jax.random.fold_in(
        jax.random.key(int.from_bytes(b"held", "big")), SPLITS.index(split)
    )
