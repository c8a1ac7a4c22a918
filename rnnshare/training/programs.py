"""The compiled programs of a training; a process holds those of a few models."""

import functools
import gc
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from rnnshare.tasks.held import hold
from rnnshare.training import replaying
from rnnshare.training.loop import Loop, Replica, TrainState
from rnnshare.unrolling.compiling import LEVEL

# How many models' programs a process holds. Each may take 25 MB and 570 memory maps, of
# which Linux grants a process 65,530.
PROGRAMS_KEPT = 32
_models = itertools.count(1)


@functools.lru_cache(PROGRAMS_KEPT)
def compile_programs(
    loop: Loop,
    mesh: Mesh,
    per_device: int,
    task_type: type,
    options: tuple[tuple[str, str], ...],
) -> dict[str, Callable[..., Any]]:
    """Returns the loop's programs, jitted: `per_device` replicas on each device.

    Each type of task has programs of its own: JAX takes pytrees of two classes for the
    same if their fields are equal, and now and then runs the program of the other. The
    programs of the last `PROGRAMS_KEPT` models are held.
    """
    del task_type
    count = next(_models)
    if count % (2 * PROGRAMS_KEPT) == 0:
        jax.clear_caches()  # of all shapes that JAX has traced: half a MB a model
    if count % (PROGRAMS_KEPT // 4) == 0:
        gc.collect()  # programs that were let go of are in circles
    on_devices = functools.partial(_on_devices, mesh, per_device, options)
    return {
        "init": _on_devices(mesh, per_device, _once(options), loop.init, _one_by_one),
        "select": on_devices(_select),
        "chunk": on_devices(loop.chunk),
        "finish": on_devices(loop.finish),
        "replay": on_devices(functools.partial(replaying.replay, loop)),
    }


@functools.lru_cache(PROGRAMS_KEPT)
def compile_holding(
    task_type: type,
    num_rows: int | None,
    mesh: Mesh,
    per_device: int,
    options: tuple[tuple[str, str], ...],
) -> Callable[..., Any]:
    """Returns the program that draws the sets of replicas' tasks, for all models.

    Args:
      task_type: see `compile_programs`.
      num_rows: see `rnnshare.tasks.held.hold`.
      mesh: to lay the replicas over.
      per_device: how many replicas a device trains at once.
      options: of XLA.
    """
    del task_type

    def held(replica: Replica) -> Replica:
        return replica._replace(task=hold(replica.task, num_rows))

    return _on_devices(mesh, per_device, options, held, _one_by_one)


def _once(options: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Returns XLA's options for a program that runs once: a level, if any, is 0."""
    return tuple((k, "0" if k == LEVEL else value) for k, value in options)


def _one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    # Not under vmap: batched LAPACK waits for ever for XLA's threads on a CPU.
    return lambda *stacked: jax.lax.map(lambda one: function(*one), stacked)


def _on_devices(
    mesh: Mesh,
    per_device: int,
    options: tuple[tuple[str, str], ...],
    function: Callable[..., Any],
    together: Callable[..., Any] = jax.vmap,
) -> Callable[..., Any]:
    def alone(*stacked: Any) -> Any:
        return jax.tree.map(
            lambda leaf: leaf[None],
            function(*jax.tree.map(lambda leaf: leaf[0], stacked)),
        )

    over = mesh.axis_names[:1]  # of replicas; over a second one each of them lies
    spec = PartitionSpec(over)
    on_device = alone if per_device == 1 else together(function)
    program = jax.jit(
        jax.shard_map(
            on_device,
            mesh=mesh,
            in_specs=spec,
            out_specs=spec,
            axis_names={*over},
            check_vma=False,
        ),
        compiler_options=dict(options),
    )

    def under_own_mesh(*stacked: Any) -> Any:
        with jax.set_mesh(mesh):  # a caller's may be another one
            return program(*stacked)

    return under_own_mesh


def _select(which: jax.Array, new: TrainState, old: TrainState) -> TrainState:
    return jax.tree.map(functools.partial(jnp.where, which), new, old)
