"""A model's accuracy on strings of every length, by one compiled program."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.cells.blueprint import Blueprint
from rnnshare.tasks.formal import Regular


def accuracy_by_length(setting, params, max_length, examples):
    """Returns a model's accuracy on strings of each length 1..max_length, float64[L].

    One program measures all lengths. Where a string's beginnings are strings too and
    the weights of a step do not depend on the length, that is one pass over strings of
    L symbols, answered at every step; else a pass a length, padded.
    """
    task = dataclasses.replace(
        setting.make_task(0), min_length=1, max_length=max_length
    )
    at_once = isinstance(task, Regular) and _causal(setting.sharing)
    make = _at_once if at_once else _one_by_one
    return make(setting.make_model(), task, examples)(params).astype(np.float64)


def _causal(sharing):
    return getattr(sharing, "beyond", None) != "stretch"


@functools.lru_cache(maxsize=64)
def _at_once(make_model, task, examples):
    blueprint = Blueprint.of(dataclasses.replace(make_model, readout="every"))

    @jax.jit
    def accuracies(params):
        batch = task.of_every_length(examples)
        outputs = blueprint.bind(params)(batch.inputs)  # [B, L, O]
        last = task.read_lengths(jnp.arange(1, task.max_length + 1)) - 1
        right = jnp.argmax(outputs[:, last], -1) == batch.targets
        return jnp.mean(right.astype(jnp.float32), 0)

    return lambda params: np.asarray(accuracies(params))


@functools.lru_cache(maxsize=64)
def _one_by_one(make_model, task, examples):
    """Returns the program of a pass a length; the lengths lie over the devices."""
    blueprint = Blueprint.of(make_model)
    mesh = jax.make_mesh((jax.device_count(),), ("length",))
    count = -(-task.max_length // mesh.size) * mesh.size
    spec = jax.sharding.PartitionSpec

    def accuracy(params, length):
        batch = task.of_length(length, examples)
        outputs = blueprint.bind(params)(batch.inputs, seq_lengths=batch.lengths[0])
        return jnp.mean(task.accuracy_each(outputs, batch))

    def on_device(params, lengths):
        return jax.lax.map(functools.partial(accuracy, params), lengths)

    laid = jax.shard_map(
        on_device,
        mesh=mesh,
        in_specs=(spec(), spec("length")),
        out_specs=spec("length"),
        check_vma=False,
    )
    # Dealt out like cards; those past the end repeat the last.
    dealt = np.minimum(np.arange(count), task.max_length - 1) + 1
    dealt = dealt.reshape(-1, mesh.size).T.ravel().astype(np.int32)
    places = np.argsort(dealt, kind="stable")[: task.max_length]
    laid_out = jax.device_put(dealt, jax.sharding.NamedSharding(mesh, spec("length")))
    program = jax.jit(laid)
    return lambda params: np.asarray(program(params, laid_out))[places]
