"""Gradients at the carry of a study's models, and the slope at which they vanish.

Shape letters: S seeds, T steps, B examples, H hidden features.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lab.machine import jit_once
from rnnshare import Untied, expand, unroll
from rnnshare.analysis.statistics import line_fit
from rnnshare.cells.blueprint import Blueprint
from rnnshare.models.rnn import step_of
from rnnshare.sharing.measures import carry_gradients, nudged, step_norms
from rnnshare.training import Loop, Replica

SMALLEST = 1e-30  # gradient norms below are float32's last bits


def initial(setting, seeds):
    """Returns the parameters of each seed before training."""
    loop, task = Loop(setting.make_model(), setting.recipe), setting.make_task(0)
    run = jit_once(lambda replica: loop.init(replica).params)
    rate = np.array(1, np.float32)
    return [run(Replica(task, np.array(seed, np.uint32), rate)) for seed in seeds]


def gradient_norms(setting, every_params, count, num_steps):
    """Returns [S, T], norms of the gradient at the carry that each step was given.

    Of a random linear map of the last output, the same for every cell and seed, over
    the first `count` test examples, up to `num_steps`, T.
    """
    run = jit_once(functools.partial(_gradients, setting, count, num_steps))
    weights = [params["layers"][0]["weights"] for params in every_params]
    return np.stack([step_norms(run(stored)) for stored in weights])


def _gradients(setting, count, num_steps, stored):
    """Returns the gradients at the carry, leaves [T, B, H]."""
    task = setting.make_task(0)
    inputs = task.held_out("test").inputs[:count, :num_steps]
    cell = Blueprint.of(
        functools.partial(setting.cell, task.in_features, setting.hidden_features)
    )
    weights = expand(setting.sharing, stored, task.num_steps)
    weights = jax.tree.map(lambda w: w[:num_steps], weights)
    carry = cell.bind().initialize_carry((count, task.in_features))
    shape = count, setting.hidden_features
    readout = jax.random.normal(jax.random.key(0), shape, jnp.float32)

    def loss(nudges):
        _, outputs = unroll(
            nudged(step_of(cell)),
            Untied(num_steps),
            weights,
            (jnp.swapaxes(inputs, 0, 1), nudges),
            carry,
        )
        return jnp.sum(outputs[-1] * readout)

    return carry_gradients(loss, carry, num_steps)


def decay(norms):
    """Returns [S], the slope of the log gradient norm per step back, of norms [S, T].

    0 where nothing vanishes; -1 where a step leaves 1 / e. Norms below what float32
    holds are left out.
    """
    back = np.arange(norms.shape[1], 0, -1.0)

    def slope(row):
        there = row > SMALLEST
        if there.sum() < 3:
            return np.nan
        return line_fit(back[there], np.log(row[there])).slope.estimate

    return np.array([slope(row) for row in norms])
