"""A task that holds what it draws: its sets, and the examples of a small training set.

Sets that are drawn inside of a training are compiled with every model and drawn at each
validation, and an example each time that it is met. Drawn before it they are arrays:
the same batches, but for the rounding of another program.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rnnshare.tasks.base import SPLITS, Batch, Task, as_pytree, check_split
from rnnshare.tasks.generated import GeneratedTask

# Of a training set whose examples are held, and of the three sets together; what is
# larger is drawn as it is needed.
MOST_ROWS, MOST_BYTES, MOST_BYTES_OF_SETS = 2**14, 2**26, 2**28
_BLOCK = 256  # examples that are drawn at once


@as_pytree("task", "sets", "examples")
@dataclasses.dataclass(frozen=True, eq=False)
class HeldTask:
    """A task whose batches are read, not drawn; in all else it is the task.

    Attributes:
      task: which it holds the batches of.
      sets: {split: batch}.
      examples: rows of its training set, of which those from N on are none; None where
        they are drawn as they are needed.
    """

    task: Any
    sets: dict[str, Batch]
    examples: Batch | None

    def __getattr__(self, name: str) -> Any:
        """Returns what is the task's own."""
        if name in ("task", "sets", "examples"):  # not there yet, as in a copy
            raise AttributeError(name)
        return getattr(self.task, name)

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Draws the task's batch of the key."""
        if self.examples is None:
            return self.task.sample(key, batch_size)
        return _rows(self.examples, self.task.draw_numbers(key, batch_size))

    def sample_at(self, key: jax.Array, batch_size: int, progress: jax.Array) -> Batch:
        """Draws the task's batch of the key at a progress of the training."""
        if self.examples is None:
            return self.task.sample_at(key, batch_size, progress)
        return self.sample(key, batch_size)

    def held_out(self, split: str) -> Batch:
        """Returns the task's set."""
        check_split(split)
        return self.sets[split]


def hold(task: Task, num_rows: int | None = None) -> HeldTask:
    """Returns a task that holds its sets; a pure function, to be jitted.

    Args:
      task: whose.
      num_rows: of its training set, at least N, as `rows_to_hold` says; None: its
        examples are drawn as they are needed.
    """
    if num_rows is None:
        return HeldTask(task, {name: task.held_out(name) for name in SPLITS}, None)
    assert isinstance(task, GeneratedTask)  # for the type checker
    examples = _draw(task, num_rows)
    sets = {name: task.held_out(name) for name in SPLITS if name != "train"}
    sets["train"] = _rows(examples, task.measured_numbers())
    return HeldTask(task, sets, examples)


def is_to_be_held(task: Task) -> bool:
    """Returns whether a task's sets are drawn, and not too large to be held."""
    if getattr(task, "in_memory", False):
        return False
    return _bytes_of(task, _all_sets) <= MOST_BYTES_OF_SETS


def rows_to_hold(tasks: Sequence[Task]) -> int | None:
    """Returns the rows of the training sets of tasks of one shape, if they are held.

    They do not depend on N, so that tasks of other N share one compilation.
    """
    first = tasks[0]
    if not isinstance(first, GeneratedTask):
        return None
    kind = type(first)
    if kind.sample is not GeneratedTask.sample or kind.sample_at is not Task.sample_at:
        return None  # it draws in a way of its own
    rows = MOST_BYTES // max(1, _bytes_of(first, _an_example))
    rows = min(MOST_ROWS, 2 ** int(math.log2(max(1, rows))))
    sizes = [int(task.num_examples) for task in tasks]  # type: ignore[attr-defined]
    return rows if rows >= _BLOCK and max(sizes) <= rows else None


def _all_sets(task: Task) -> list[Batch]:
    return [task.held_out(split) for split in SPLITS]


def _an_example(task: GeneratedTask) -> Batch:
    return task.example(jax.random.key(0), "train")


def _bytes_of(task: Task, read: Callable[[Any], Any]) -> int:
    leaves, structure = jax.tree.flatten(task)
    shapes = tuple((jnp.shape(leaf), jnp.result_type(leaf).name) for leaf in leaves)
    return _bytes_by_shape(type(task), structure, shapes, read)


@functools.lru_cache(maxsize=256)
def _bytes_by_shape(
    kind: type, structure: Any, shapes: tuple, read: Callable[[Any], Any]
) -> int:
    del kind  # two classes of equal fields are one structure to JAX
    leaves = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in shapes]
    found = jax.eval_shape(read, jax.tree.unflatten(structure, leaves))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(found))


def _draw(task: GeneratedTask, num_rows: int) -> Batch:
    """Returns the training set, padded with zeros from N on to so many rows."""
    shapes = jax.eval_shape(lambda: task.training_examples(jnp.arange(num_rows)))
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    count = jnp.asarray(task.num_examples, jnp.int32)

    def fill(block: jax.Array, drawn: Batch) -> Batch:
        first = block * _BLOCK
        new = task.training_examples(first + jnp.arange(_BLOCK))
        return jax.tree.map(
            lambda all_, some: jax.lax.dynamic_update_slice_in_dim(
                all_, some, first, axis=0
            ),
            drawn,
            new,
        )

    return jax.lax.fori_loop(0, (count + _BLOCK - 1) // _BLOCK, fill, empty)


def _rows(batch: Batch, numbers: jax.Array) -> Batch:
    return jax.tree.map(lambda leaf: leaf[numbers], batch)
