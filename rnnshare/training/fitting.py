"""The one training loop: tied, untied and everything between, one seed or many.

`fit` trains *replicas*: the same model and recipe with other seeds, learning rates and
resampled data, one on each device of a mesh; a device whose replica is done, or has
stopped early, takes the next. Every replica runs the same program by itself, so its
numbers do not depend on which others run, nor on how many devices there are.

A large accelerator takes several replicas at once (`per_device`), under `vmap`: XLA
then fuses a replica's arithmetic in other ways, and the last bits differ.
"""

import inspect
import math
import operator
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
from flax import nnx
from jax.sharding import Mesh

from rnnshare.tasks.held import is_to_be_held, rows_to_hold
from rnnshare.training import processes
from rnnshare.training.checkpoints import Checkpoints
from rnnshare.training.interrupts import Interrupted, deferred
from rnnshare.training.layout import lay_out
from rnnshare.training.loop import Loop, Recipe, Replica, TrainState
from rnnshare.training.optimizers import check_learning_rate, rates_to_tell_apart
from rnnshare.training.programs import compile_holding, compile_programs
from rnnshare.training.resuming import Keeper, Progress
from rnnshare.training.slots import Row, Slots, Triple

__all__ = ["Fitted", "Loop", "Recipe", "Replica", "TrainState", "fit"]


class Fitted(NamedTuple):
    """What `fit` returns: for each replica in order.

    Attributes:
      params: the best parameters (the last, if the recipe keeps those), nested
        dictionaries of arrays.
      metrics: their train, validation and test metrics, `best_step`, the step that they
        are of, `steps_trained`, and `diverged`: the first step, counted from 1, whose
        training loss is not finite, or after whose validation something else is not
        (`Recipe.on_nonfinite`), or None. The metrics of a replica that diverged are
        NaN, its parameters those of the validation before. `skipped` counts the steps
        that were not taken, `rolled_back` the returns, where the recipe has them.
    """

    params: list[Any]
    metrics: list[Row]


def fit(
    make_model: Callable[..., nnx.Module],
    recipe: Recipe,
    replicas: Sequence[Triple],
    *,
    mesh: Mesh | None = None,
    per_device: int = 1,
    devices_per_replica: int = 1,
    spread_steps: bool = False,
    compiler_options: Mapping[str, str] | None = None,
    on_chunk: Callable[[int, dict[int, Row]], None] | None = None,
    on_result: Callable[[int, Row], None] | None = None,
    checkpoints: Checkpoints | str | pathlib.Path | None = None,
    checkpoint_every: float = 30.0,
    names: Sequence[str] | None = None,
    gradient_norms: bool = False,
) -> Fitted:
    """Trains a model once for each (task, seed, learning rate).

    Where `jax.distributed` has connected several processes, each makes the same call;
    the devices are those of all, and the first process alone writes checkpoints.

    Args:
      make_model: `make_model(rngs=...)`; a hashable one that compares equal (a frozen
        dataclass) shares its compilation with earlier calls. What it makes is called
        as `model(inputs, seq_lengths=..., rngs=...)`, as a `SequenceModel` is.
      recipe: how to train.
      replicas: the tasks must agree but for their arrays, as resampled splits do. Sets
        that a task draws are held while its replica trains (`rnnshare.tasks.held`): up
        to 256 MB of them, and 64 MB of training examples, for each replica.
      mesh: a mesh of one axis to lay the replicas over; all devices by default.
      per_device: how many replicas a device trains at once. Its memory grows with them,
        and a small model's time hardly does on a GPU; a CPU gains nothing.
      devices_per_replica: how many devices train a replica together, each on its share
        of every batch, for a model whose steps are large. The numbers are those of one
        device but for rounding.
      spread_steps: lay the weights of T steps, and the optimiser's state of them, over
        these devices too, where T is their first axis, as under `Untied`. They hold
        less between the steps; within a step the weights are gathered.
      compiler_options: of XLA, as `jax.jit` takes them.
      on_chunk: called after each chunk with the step and what was measured, by the
        index of the replica, of those that were still training.
      on_result: called with the index of a replica and its final metrics, as soon as
        it is done.
      checkpoints: where the training is kept, and gone on with when it is called again
        (on a CPU with the same numbers, bit for bit); one folder a training. It may
        have more steps then, or other devices, and nothing else that differs. What was
        measured before is told to `on_chunk` and `on_result` again.
      checkpoint_every: seconds between two checkpoints, which are after a chunk; 0:
        after each.
      names: of the replicas, each telling all that is trained. The checkpoints are then
        of those alone that are being trained, for a caller who keeps each result of
        `on_result`: replicas may come, go and change places between two calls, nothing
        is told again, and names that are not asked for are ignored.
      gradient_norms: tell `on_chunk` of `gradient_norm` too, the mean norm of a chunk's
        gradients before they are clipped.

    Returns:
      Best parameters and final metrics of each replica.

    Raises:
      ValueError: on a seed outside [0, 2**32), a learning rate that float32 holds as 0,
        negative or infinite, no replica a device, or checkpoints of another training.
      TypeError: on a seed that is no integer, or a learning rate that is no number, as
        a schedule; on a model that cannot be called so.
      Interrupted: if a signal came, inside `handle_signals`: after the chunk, and a
        checkpoint of it.
    """
    _check(replicas)
    mesh = jax.make_mesh((jax.device_count(),), ("replica",)) if mesh is None else mesh
    mesh, layout = lay_out(
        mesh,
        replicas[0][0],
        recipe.batch_size,
        per_device=per_device,
        devices_per_replica=devices_per_replica,
        spread_steps=spread_steps,
    )
    per_device = min(per_device, math.ceil(len(replicas) / mesh.devices.shape[0]))
    rates = rates_to_tell_apart(recipe.make_optimizer, [r for _, _, r in replicas])
    loop = Loop(make_model, recipe, rates, gradient_norms, layout)
    _check_model(loop)
    tasks = [task for task, _, _ in replicas]
    kind: Any = type(tasks[0])
    options = tuple(sorted((compiler_options or {}).items()))
    programs = compile_programs(loop, mesh, per_device, kind, options)
    if is_to_be_held(tasks[0]):
        num_rows = rows_to_hold(tasks)
        holding = compile_holding(kind, num_rows, mesh, per_device, options)
        programs = {**programs, "hold": holding}
    keeper = None
    if checkpoints is not None:
        if not isinstance(checkpoints, Checkpoints):
            checkpoints = Checkpoints(checkpoints)
        keeper = Keeper(checkpoints, checkpoint_every, loop, replicas, names)
    on_chunk = on_chunk or (lambda step, rows: None)
    on_result = on_result or (lambda index, row: None)
    progress = Progress() if keeper is None else keeper.load()
    _agree_on(progress)
    for step, rows in progress.told:
        on_chunk(step, rows)
    for index, row in progress.rows.items():
        on_result(index, row)
    begun = {i: s for i, s in progress.states.items() if i not in progress.rows}
    slots = Slots(programs, recipe, mesh, per_device, replicas, [*progress.rows], begun)
    with deferred() as requested:
        while len(progress.rows) < len(replicas):
            keeps_all = keeper is not None and names is None
            _advance(slots, progress, keeps_all, on_chunk, on_result)
            done = len(progress.rows) == len(replicas)
            wanted = keeper is not None and keeper.due
            due, signum = processes.agreed(wanted, requested() or 0)
            if keeper is not None and (done or due or signum):
                progress.states |= slots.states()
                if processes.is_first():
                    keeper.save(progress)
            if signum and not done:
                raise Interrupted(signum)
    order = range(len(replicas))
    return Fitted(
        [progress.states[i].best_params for i in order],
        [progress.rows[i] for i in order],
    )


def _advance(
    slots: Slots,
    progress: Progress,
    keeps_all: bool,
    on_chunk: Callable[[int, dict[int, Row]], None],
    on_result: Callable[[int, Row], None],
) -> None:
    """Trains a chunk, and tells what came of it."""
    slots.fill()
    told = slots.run_chunk()
    slots.tell_faults()
    for step, rows in told:
        if keeps_all:
            progress.told.append((step, rows))
        on_chunk(step, rows)
    for index, state, row in slots.take_finished():
        if not keeps_all:  # nobody goes on from it
            state = state._replace(params=None, optimizer_state=None)
        progress.states[index], progress.rows[index] = state, row
        on_result(index, row)


def _agree_on(progress: Progress) -> None:
    """Raises unless all processes go on from the same step."""
    (step,) = processes.agreed(progress.step)
    if step != progress.step:
        raise ValueError(
            f"fit: process {jax.process_index()} goes on from step {progress.step}, "
            f"the first one from step {step}. Give all processes the same folder."
        )


def _check_model(loop: Loop) -> None:
    if isinstance(loop.make_model, nnx.Module):
        raise TypeError(
            f"make_model is a model, a {type(loop.make_model).__name__}. Give the "
            "function that makes it, with a keyword argument rngs."
        )
    model = loop.blueprint.bind()
    try:
        inspect.signature(model).bind(None, seq_lengths=None, rngs=None)
    except TypeError as error:
        raise TypeError(
            f"{type(model).__name__} cannot be called as model(inputs, "
            f"seq_lengths=..., rngs=...): {error}. Call it in a module that can."
        ) from None


def _check(replicas: Sequence[Triple]) -> None:
    if not replicas:
        raise ValueError("There is nothing to train: replicas is empty.")
    for _, seed, learning_rate in replicas:
        try:
            operator.index(seed)
        except TypeError:
            raise TypeError(
                f"seed is {seed!r}. Use an integer in [0, 2**32)."
            ) from None
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed is {seed}. Use an integer in [0, 2**32).")
        check_learning_rate(learning_rate)
    structures = {(type(task), jax.tree.structure(task)) for task, _, _ in replicas}
    if len(structures) > 1:
        raise ValueError(
            f"The replicas' tasks differ in more than their arrays: {structures}. "
            "Train them by separate calls."
        )
