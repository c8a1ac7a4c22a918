"""The checks behind `identities.py`: counting parameters, and comparing unrollings."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.claims import CLAIMS
from experiments.identities.libraries import library_counts
from experiments.lab.finding import Finding
from rnnshare import (
    RNN,
    Cyclic,
    ElmanCell,
    GRUCell,
    LSTMCell,
    Segments,
    Tied,
    Untied,
    expand,
    num_parameters,
    unroll,
)
from rnnshare.analysis.statistics import Interval, bootstrap_interval, line_fit
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.plotting import panels as figures

CELLS = (ElmanCell, GRUCell, LSTMCell)
# Parameters of one cell, by the formulas of the cells' docstrings.
FORMULAS = {
    ElmanCell: lambda d, h: h * (d + h + 1),
    GRUCell: lambda d, h: 3 * h * (d + h + 2),
    LSTMCell: lambda d, h: 4 * h * (d + h + 1),
}


def sharings(num_steps):
    """Returns the sharings to count, with how many weight sets each stores."""
    few = min(4, num_steps)
    return {
        Tied(): 1,
        Untied(num_steps): num_steps,
        Segments(num_steps, few): few,
        Cyclic(4): 4,
    }


def count_findings(steps, num_seeds, folder, rules, command):
    """Returns Q1, Q3 and B4. Every seed draws other sizes D and H."""
    began = time.perf_counter()
    sizes = np.random.default_rng(0).integers(1, 65, size=(num_seeds, 2))
    counts: dict[tuple, list[int]] = {}
    wrong, slopes, fits = 0, [], []
    for d, h in sizes.tolist():
        for cell in CELLS:
            one = FORMULAS[cell](d, h)
            untied = []
            for num_steps in steps:
                for sharing, sets in sharings(num_steps).items():
                    count = count_parameters(cell, d, h, sharing)
                    wrong = max(wrong, abs(count - sets * one))
                    name = type(sharing).__name__
                    counts.setdefault((cell, d, h, name), []).append(count)
                    if name == "Untied":
                        untied.append(count)
            fit = line_fit(steps, untied)
            slopes.append(fit.slope.estimate / one)
            fits.append(fit.r_squared)
    d, h = sizes[0].tolist()
    shown = {
        name: (steps, counts[LSTMCell, d, h, name])
        for name in ("Tied", "Untied", "Segments", "Cyclic")
    }
    ylabel = f"parameters (LSTM, {d} inputs, {h} units)"
    picture = "figures/parameters.png"
    figures.save(figures.draw_parameter_counts(shown, ylabel), folder / picture)
    ratios = [
        counts[cell, d, h, "Untied"][i] / counts[cell, d, h, "Tied"][i] / num_steps
        for cell in CELLS
        for d, h in sizes.tolist()
        for i, num_steps in enumerate(steps)
    ]
    library = library_counts(steps, num_seeds)
    seconds = time.perf_counter() - began
    make = functools.partial(
        _finding, rules=rules, command=command, seconds=seconds, seeds=num_seeds
    )
    return [
        _q1(make, library, steps, folder),
        make(
            "Q3",
            wrong == 0 and set(ratios) == {1.0},
            Interval(float(steps[-1]), float(steps[-1]), float(steps[-1])),
            f"parameters of untied to tied at T = {steps[-1]}",
            picture,
            f"A tied network stores one cell at any length, an untied one T of them: "
            f"{steps[-1]} times as many at {steps[-1]} steps. "
            f"{len(ratios) * len(sharings(1))} counts differ from their formulas by "
            f"{wrong} at most.",
        ),
        make(
            "B4",
            all(s == 1 for s in slopes) and all(r == 1 for r in fits),
            _over(slopes),
            "slope against T, in parameters of one cell",
            picture,
            "Each further step adds exactly one cell's parameters, for every cell and "
            f"size tried (R2 = {min(fits):g}). The growth is linear, and the constant "
            "in front of it is the cell.",
        ),
    ]


def count_parameters(cell, in_features, hidden_features, sharing):
    """Returns the parameters of an `RNN`, built abstractly."""
    make = functools.partial(cell, in_features, hidden_features)
    blueprint = Blueprint.of(functools.partial(RNN, make, sharing))
    return num_parameters(list(blueprint.shapes))


def _q1(make, library, steps, folder):
    slopes = {
        name: [line_fit(steps, row).slope.estimate for row in rows]
        for name, rows in library.items()
    }
    largest = max((abs(s) for row in slopes.values() for s in row), default=0.0)
    shown = {name: (steps, rows[0]) for name, rows in library.items() if "LSTM" in name}
    path = "figures/libraries.png"
    figures.save(
        figures.draw_parameter_counts(shown, "parameters of the layer"), folder / path
    )
    packages = sorted({name.rsplit(" ", 1)[0] for name in library})
    return make(
        "Q1",
        largest == 0,
        Interval(largest, largest, largest),
        "largest slope of a library's default against T, in parameters a step",
        path,
        f"All {len(library)} recurrent layers of {', '.join(packages)} have as many "
        "parameters for one step as for many. Not sharing is what one has to ask for.",
    )


def unrolling_findings(num_seeds, folder, rules, tolerance, command):
    """Returns B1 and B2: each seed draws weights, data, T, D and H for every cell."""
    began = time.perf_counter()
    errors: dict[str, dict[type, list[float]]] = {}
    for cell in CELLS:
        for seed in range(num_seeds):
            for name, error in compare_unrollings(cell, seed).items():
                errors.setdefault(name, {}).setdefault(cell, []).append(error)
    seconds = time.perf_counter() - began
    make = functools.partial(
        _finding, rules=rules, command=command, seconds=seconds, seeds=num_seeds
    )
    found = []
    for key, meaning in _MEANINGS.items():
        mine = {n: by for n, by in errors.items() if n.startswith(key)}
        labels = [
            f"{n.split(': ')[1]}, {cell.__name__}"
            for n, by in mine.items()
            for cell in by
        ]
        worst = [max(values) for by in mine.values() for values in by.values()]
        path = f"figures/{key}.png"
        figures.save(figures.draw_errors(labels, worst, tolerance), folder / path)
        by_seed = np.max([v for by in mine.values() for v in by.values()], axis=0)
        found.append(
            make(
                key,
                max(worst) <= tolerance,
                _over(by_seed),
                "largest relative difference of a seed's runs, mean over seeds",
                path,
                meaning,
            )
        )
    return found


_MEANINGS = {
    "B1": "A scan over one set of weights is the unrolled network whose layers all "
    "alias it, in value and in gradient. Back-propagation through time is the sum of "
    "the gradients that the layers would get if they were un-shared.",
    "B2": "Give each step weights of its own, and the scan is a T-layer feed-forward "
    "network that takes one input at each layer, in value and in gradient. Nothing "
    "recurrent is left but the shape of the layers.",
}


def compare_unrollings(cell, seed):
    """Returns {check: largest relative difference} for random sizes and weights."""
    d, h, num_steps = np.random.default_rng(seed).integers(2, 7, size=3).tolist()
    for_inputs, for_pull, for_tied, for_untied = jax.random.split(
        jax.random.key(seed), 4
    )
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

    @jax.jit
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
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(reference), strict=True)
    ratios = [jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(b)) for a, b in pairs]
    return functools.reduce(jnp.maximum, ratios)


def _over(values):
    return bootstrap_interval(values)


def _finding(
    key, holds, interval, label, figure, meaning, *, rules, command, seconds, seeds
):
    return Finding(
        id=key,
        claim=CLAIMS[key],
        verdict="supported" if holds else "refuted",
        effect=interval.estimate,
        effect_label=label,
        interval=(interval.low, interval.high),
        num_seeds=seeds,
        rule=rules[key],
        command=command,
        figure=figure,
        seconds=seconds,
        meaning=meaning,
        exact=interval.low == interval.high,
    )
