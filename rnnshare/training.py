"""The one training loop: tied, untied and everything between, one seed or many.

`fit` trains *replicas*: the same model and recipe with other seeds, learning rates and
resampled data, one on each device of a mesh, wave after wave. Every replica runs the
same program by itself, so its numbers do not depend on which others run, nor on how
many devices there are. (Under `vmap`, and even in a loop over several, XLA fuses a
replica's arithmetic in other ways, and the last bits differ.)
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rnnshare.loop import Loop, Metrics, Recipe, Replica, TrainState

__all__ = ["Fitted", "Loop", "Recipe", "Replica", "TrainState", "fit"]

Row = dict[str, float]
Triple = tuple[Any, int, float]  # task, seed, learning rate


class Fitted(NamedTuple):
    """What `fit` returns: for each replica in order.

    Attributes:
      params: the best parameters, nested dictionaries of arrays.
      metrics: train, validation and test metrics of the best parameters, `best_step`,
        the step that they are of, and `steps_trained`.
    """

    params: list[Any]
    metrics: list[Row]


def fit(
    make_model: Callable[..., nnx.Module],
    recipe: Recipe,
    replicas: Sequence[Triple],
    *,
    mesh: Mesh | None = None,
    on_chunk: Callable[[int, dict[int, Row]], None] | None = None,
) -> Fitted:
    """Trains a model once for each (task, seed, learning rate).

    Args:
      make_model: `make_model(rngs=...)`; a hashable one that compares equal (a frozen
        dataclass) shares its compilation with earlier calls.
      recipe: how to train.
      replicas: the tasks must agree but for their arrays, as resampled splits do.
      mesh: a mesh of one axis to lay the replicas over; all devices by default.
      on_chunk: called after each chunk with the step and what was measured, by the
        index of the replica, of those that were still training.

    Returns:
      Best parameters and final metrics of each replica.

    Raises:
      ValueError: on a seed outside [0, 2**32) or a learning rate that is not positive.
    """
    _check(replicas)
    mesh = jax.make_mesh((jax.device_count(),), ("replica",)) if mesh is None else mesh
    programs = _compile(Loop(make_model, recipe), mesh, type(replicas[0][0]))  # type: ignore[arg-type]
    fitted = Fitted([], [])
    for first in range(0, len(replicas), mesh.size):
        wave = replicas[first : first + mesh.size]
        told = None if on_chunk is None else functools.partial(_tell, on_chunk, first)
        params, metrics = _fit_wave(programs, recipe, wave, mesh, told)
        fitted.params.extend(params)
        fitted.metrics.extend(metrics)
    return fitted


def _fit_wave(
    programs: dict[str, Callable[..., Any]],
    recipe: Recipe,
    wave: Sequence[Triple],
    mesh: Mesh,
    told: Callable[[int, dict[int, Row]], None] | None,
) -> tuple[list[Any], list[Row]]:
    """Trains at most one replica a device; a device without one rests."""
    sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    live = np.arange(mesh.size) < len(wave)
    stacked = jax.device_put(_stack(wave, mesh.size), sharding)
    state = programs["init"](stacked)
    state = state._replace(stopped=jax.device_put(~live, sharding))
    for step in range(0, recipe.num_steps, recipe.validate_every):
        state, measured = programs["chunk"](stacked, state)
        if told is not None:
            rows = _rows(measured)
            told(
                step + recipe.validate_every,
                {i: rows[i] for i in range(len(wave)) if live[i]},
            )
        live &= ~jax.device_get(state.stopped)
        if not live.any():
            break
    metrics = _rows(programs["finish"](stacked, state))
    best, best_step, trained = jax.device_get(
        (state.best_params, state.best_step, state.step)
    )
    for i, row in enumerate(metrics):
        row.update(best_step=int(best_step[i]), steps_trained=int(trained[i]))
    return [_slice(best, i) for i in range(len(wave))], metrics[: len(wave)]


@functools.lru_cache(maxsize=64)
def _compile(loop: Loop, mesh: Mesh, task_type: type) -> dict[str, Callable[..., Any]]:
    """Returns the loop's programs, jitted: one replica on each device of the mesh.

    Each type of task has programs of its own: JAX takes pytrees of two classes for the
    same if their fields are equal, and now and then runs the program of the other.
    """
    del task_type
    spec = PartitionSpec(mesh.axis_names)

    def one_a_device(function: Callable[..., Any]) -> Callable[..., Any]:
        def on_device(*stacked: Any) -> Any:
            return jax.tree.map(lambda leaf: leaf[None], function(*_slice(stacked, 0)))

        return jax.jit(
            jax.shard_map(
                on_device, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False
            )
        )

    return {
        "init": one_a_device(loop.init),
        "chunk": one_a_device(loop.chunk),
        "finish": one_a_device(loop.finish),
    }


def _check(replicas: Sequence[Triple]) -> None:
    if not replicas:
        raise ValueError("There is nothing to train: replicas is empty.")
    for _, seed, learning_rate in replicas:
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed is {seed}. Use an integer in [0, 2**32).")
        if not 0 < learning_rate < np.inf:
            raise ValueError(f"learning_rate is {learning_rate}. Use a positive one.")
    structures = {(type(task), jax.tree.structure(task)) for task, _, _ in replicas}
    if len(structures) > 1:
        raise ValueError(
            f"The replicas' tasks differ in more than their arrays: {structures}. "
            "Train them by separate calls."
        )


def _stack(wave: Sequence[Triple], count: int) -> Replica:
    """Returns the replicas as one pytree [count, ...], the last one repeated."""
    filled = [*wave, *[wave[-1]] * (count - len(wave))]
    tasks, seeds, rates = zip(*filled, strict=True)
    return Replica(
        jax.tree.map(lambda *leaves: np.stack(leaves), *tasks),
        np.array(seeds, np.uint32),
        np.array(rates, np.float32),
    )


def _tell(
    on_chunk: Callable[[int, dict[int, Row]], None],
    first: int,
    step: int,
    rows: dict[int, Row],
) -> None:
    on_chunk(step, {first + i: row for i, row in rows.items()})


def _rows(metrics: Metrics) -> list[Row]:
    values = jax.device_get(metrics)
    count = len(next(iter(values.values())))
    return [
        {name: float(value[i]) for name, value in values.items()} for i in range(count)
    ]


def _slice(tree: Any, i: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[i], tree)
