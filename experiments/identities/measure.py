"""Counts parameters of cells and of libraries' layers, and compares unrollings."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.identities import libraries
from experiments.identities.plan import Plan
from experiments.lab.choices import standard_cells
from experiments.lab.machine import jit_once
from experiments.lab.trials import Lab
from rnnshare import (
    RNN,
    Cyclic,
    Segments,
    Tied,
    Untied,
    expand,
    num_parameters,
    unroll,
)
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.training.rows import Row


class Measured(NamedTuple):
    """What the claims are judged by, as kept rows; each seed has other sizes D and H.

    Attributes:
      counts: a row a cell and seed: `counted`, D, H, steps, and parameters [T] under
        the name of each sharing.
      layers: a row a layer of a library and seed: layer, D, H, steps, parameters [T].
      errors: a row a cell and seed: `unrolled`, seed, and the largest relative
        difference under the name of each check.
    """

    counts: list[Row]
    layers: list[Row]
    errors: list[Row]


def measure(plan: Plan, lab: Lab) -> Measured:
    """Counts and compares what is not yet kept."""
    steps, cells = list(plan.steps), standard_cells()

    def kept(make, *args, **key):
        return lab.kept(key, functools.partial(make, *args))

    counts = [
        kept(counts_of, cell, d, h, steps, counted=name, D=d, H=h, steps=steps)
        for d, h in _sizes(plan, 0)
        for name, cell in cells.items()
    ]
    of_libraries = [
        kept(
            libraries.counts_of, layer, d, h, steps, layer=layer, D=d, H=h, steps=steps
        )
        for layer in kept(libraries.installed, layers="installed")["names"]
        for d, h in _sizes(plan, 1)
    ]
    errors = [
        kept(compare_unrollings, cell, seed, unrolled=name, seed=seed)
        for name, cell in cells.items()
        for seed in range(plan.num_seeds)
    ]
    return Measured(counts, of_libraries, errors)


def _sizes(plan: Plan, seed: int) -> list[list[int]]:
    """Returns (D, H) of each of the plan's seeds."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 65, size=(plan.num_seeds, 2)).tolist()


def sharings(num_steps: int) -> dict:
    """Returns the sharings to count, with how many weight sets each stores."""
    few = min(4, num_steps)
    return {
        Tied(): 1,
        Untied(num_steps): num_steps,
        Segments(num_steps, few): few,
        Cyclic(4): 4,
    }


def counts_of(cell, d: int, h: int, steps) -> dict[str, list[int]]:
    """Returns {name of a sharing: parameters [T]} of a cell."""
    found: dict[str, list[int]] = {}
    for num_steps in steps:
        for sharing in sharings(num_steps):
            count = count_parameters(cell, d, h, sharing)
            found.setdefault(type(sharing).__name__, []).append(count)
    return found


def count_parameters(cell, in_features: int, hidden_features: int, sharing) -> int:
    """Returns the parameters of an `RNN`, built abstractly."""
    make = functools.partial(cell, in_features, hidden_features)
    blueprint = Blueprint.of(functools.partial(RNN, make, sharing))
    return num_parameters(list(blueprint.shapes))


def compare_unrollings(cell, seed: int) -> dict[str, float]:
    """Returns {check: largest relative difference} for random sizes and weights."""
    d, h, num_steps = np.random.default_rng(seed).integers(2, 7, size=3).tolist()
    keys = jax.random.split(jax.random.key(seed), 4)
    for_inputs, for_pull, for_tied, for_untied = keys
    make = functools.partial(cell, d, h)
    blueprint = Blueprint.of(make)
    inputs = jax.random.normal(for_inputs, (num_steps, 3, d))
    pull = jax.random.normal(for_pull, (num_steps, 3, h))
    carry = blueprint.bind().initialize_carry((3, d), nnx.Rngs(0))

    def init_cell(key):
        return pure_params(make(rngs=nnx.Rngs(key)))

    def step(weights, carry, x):
        return blueprint.bind(weights)(carry, x)

    def scan(sharing, stored):
        outputs = unroll(step, sharing, stored, inputs, carry)[1]
        return jnp.sum(outputs * pull), outputs

    def network(weights_of_layer):
        """The unrolled network, layer after layer, in plain Python."""
        state, outputs = carry, []
        for weights, x in zip(weights_of_layer, inputs, strict=True):
            state, y = step(weights, state, x)
            outputs.append(y)
        return jnp.sum(jnp.stack(outputs) * pull), jnp.stack(outputs)

    both = functools.partial(jax.value_and_grad, has_aux=True)
    free = Untied(num_steps)

    @jit_once
    def compare():
        tied = Tied().init(for_tied, init_cell)
        untied = free.init(for_untied, init_cell)
        (_, y_scan), g_scan = both(functools.partial(scan, Tied()))(tied)
        (_, y_alias), g_alias = both(lambda w: network([w] * num_steps))(tied)
        _, g_each = both(functools.partial(scan, free))(expand(Tied(), tied, num_steps))
        summed = jax.tree.map(lambda g: jnp.sum(g, 0), g_each)
        (_, y_free), g_free = both(functools.partial(scan, free))(untied)
        layers = [jax.tree.map(lambda w, t=t: w[t], untied) for t in range(num_steps)]
        (_, y_layers), g_layers = both(network)(layers)
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *g_layers)
        return {
            "B1: output": _relative(y_scan, y_alias),
            "B1: gradient": _relative(g_scan, g_alias),
            "B1: sum of untied gradients": _relative(g_scan, summed),
            "B2: output": _relative(y_free, y_layers),
            "B2: gradient": _relative(g_free, stacked),
        }

    return {name: float(error) for name, error in compare().items()}


def _relative(tree, reference):
    """Returns the largest difference, of the largest value of its leaf."""
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(reference), strict=True)
    ratios = [jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(b)) for a, b in pairs]
    return functools.reduce(jnp.maximum, ratios)
