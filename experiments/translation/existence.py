"""The existence table of Cc2: which kind of model solves what none of another does.

"M1 is more powerful than M2 if some m1 solves what no m2 does": a row is a pair of
kinds, its witness, and why. Proofs are by construction or by counting, and are checked
here on what can be computed. Training decides no row: that it fails says nothing of
what exists.

Shape letters: T steps, D input features, H hidden features.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.universality.measure import (
    CASES,
    compile_networks,
    draw_networks,
    one_unit_allows,
)
from rnnshare import ElmanCell, Tied, Untied, expand, unroll
from rnnshare.cells.blueprint import Blueprint
from rnnshare.machines.clocked import cell_like
from rnnshare.models.rnn import step_of

WITNESS = (0, 0, 1, 1, 0)  # no tied unit puts it out on a constant input
LONG = 10_000  # steps, far beyond any T here
_GAIN = 40.0  # of units that are to be saturated


class Existence(NamedTuple):
    """A row of the table.

    Attributes:
      first: a kind of model.
      second: another.
      holds: whether some of the first solves what none of the second does; None: it
        is not known here.
      kind: what says so: a proof, a definition, or the literature.
      witness: what it solves, or why there is nothing.
      reason: the proof, in short.
      checked: what was computed of it here.
    """

    first: str
    second: str
    holds: bool | None
    kind: str
    witness: str
    reason: str
    checked: str


def strings_of_one_unit(num_networks, num_steps, seed=0):
    """Returns the set of strings of that many random tied units on a constant input."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-1, 1, (3, num_networks))
    drive, weight, h = scale * rng.normal(size=(3, num_networks))
    values = []
    for _ in range(num_steps):
        h = np.tanh(drive + weight * h)
        values.append(h)
    orbit = np.stack(values, axis=1)
    # Every threshold between two values of an orbit gives a string, and its inverse.
    strings = set()
    for cut in range(num_steps):
        bits = orbit > np.sort(orbit, axis=1)[:, cut : cut + 1]
        strings |= set(map(tuple, np.unique(bits, axis=0).astype(int).tolist()))
    return strings | {tuple(1 - b for b in bits) for bits in strings}


def untied_unit_puts_out(bits):
    """Returns what an untied unit of biases +1 and -1 puts out, by `unroll`."""
    count = len(bits)
    stored = {
        "input": {
            "kernel": jnp.zeros((count, 1, 1)),
            "bias": jnp.asarray(2.0 * np.array(bits) - 1)[:, None],
        },
        "recurrent": {"kernel": jnp.zeros((count, 1, 1))},
    }
    step = step_of(cell_like(ElmanCell, 1, 1, jnp.float32(0)))
    ones = jnp.ones((count, 1))
    _, outputs = unroll(step, Untied(count), stored, ones, jnp.zeros(1))
    return tuple((np.asarray(outputs)[:, 0] > 0).astype(int).tolist())


def tied_copies_error(case=CASES[0], count=5):
    """Returns the largest difference of tied networks and their untied copies."""
    blueprint = Blueprint.of(case.make_cell)
    stored, inputs = draw_networks(case, count)
    first = jax.tree.map(lambda w: w[:, 0], stored)

    def apart(stored, inputs):
        carry = blueprint.bind().initialize_carry(inputs.shape[1:])
        steps = case.num_steps
        copies = expand(Tied(), stored, steps)
        pair = [
            unroll(step_of(blueprint), sharing, weights, inputs, carry)[1]
            for sharing, weights in ((Tied(), stored), (Untied(steps), copies))
        ]
        return jnp.max(jnp.abs(pair[0] - pair[1]))

    return float(jnp.max(jax.jit(jax.vmap(apart))(first, inputs)))


def parity_network():
    """Returns the weights of two tied units that hold the parity of the bits so far.

    Of a bit x and the parity p so far the units are `x or p` and `x and p`, as -1 or
    +1, and the new parity is half of their difference.
    """
    ones = jnp.ones((1, 2))
    own = _GAIN * jnp.array([[0.5, 0.5], [-0.5, -0.5]])
    bias = -_GAIN * jnp.array([0.5, 1.5])
    return {
        "input": {"kernel": _GAIN * ones, "bias": bias},
        "recurrent": {"kernel": own},
    }


def parity_errors(num_steps, seed=0, weights=None):
    """Returns at how many steps the parity network (or another) errs, by `unroll`."""
    weights = parity_network() if weights is None else weights
    bits = np.random.default_rng(seed).integers(0, 2, num_steps)
    step = step_of(cell_like(ElmanCell, 1, 2, jnp.float32(0)))
    inputs = jnp.asarray(bits[:, None], jnp.float32)
    _, outputs = unroll(step, Tied(), weights, inputs, jnp.zeros(2))
    parity = (np.asarray(outputs)[:, 0] - np.asarray(outputs)[:, 1]) / 2
    return int(np.sum((parity > 0.5) != (np.cumsum(bits) % 2 == 1)))


def cycles(num_networks, hidden_features, seed=0):
    """Returns for each tied network the steps until a carry repeats, in float16.

    On a constant input a carry decides the next, and there are at most 2^(16 H), so one
    comes again, and all after it. Kernels have the variance 9 / H, biases 1.

    Returns:
      [num_networks], how many different carries each network has.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(num_networks):
        u = 3 * rng.normal(size=(hidden_features,) * 2) / np.sqrt(hidden_features)
        b = rng.normal(size=hidden_features)
        h, seen = np.zeros(hidden_features, np.float16), set()
        while h.tobytes() not in seen:
            seen.add(h.tobytes())
            h = np.tanh(h.astype(np.float32) @ u + b).astype(np.float16)
        found.append(len(seen))
    return np.array(found)


def existence_rows(num_networks=2_000):
    """Returns the table: computes what its rows say is checked.

    Args:
      num_networks: random tied units, of which strings are collected.
    """
    return (
        _one_unit_row(num_networks),
        _dimensions_row(),
        _copies_row(),
        _clock_row(),
        _longer_row(),
        _finite_precision_row(),
        _real_numbers_row(),
    )


def _one_unit_row(num_networks):
    strings = strings_of_one_unit(num_networks, len(WITNESS))
    every = set(itertools.product((0, 1), repeat=len(WITNESS)))
    allowed = set(filter(one_unit_allows, every))
    tied_allows = one_unit_allows(WITNESS) or WITNESS in strings
    return Existence(
        "untied, T steps, one tanh unit",
        "tied, one tanh unit",
        untied_unit_puts_out(WITNESS) == WITNESS and not tied_allows,
        "proof",
        f"the string {''.join(map(str, WITNESS))} on a constant input",
        "the orbit of a tied unit is monotone, or its odd and its even steps are, "
        "so each crosses a threshold at most once",
        f"an untied unit puts it out; {num_networks:,} random tied units put out "
        f"{len(strings)} of the {len(every)} strings, {len(strings - allowed)} beyond "
        f"the {len(allowed)} that the proof allows",
    )


def _dimensions_row():
    return Existence(
        "untied, T steps, H tanh units",
        "tied, H tanh units",
        True,
        "proof",
        "almost every list of outputs on a constant input, where T > H + 2",
        "untied biases reach every point of (-1, 1)^(T H); the outputs of tied "
        "weights and carry are a smooth map of H (H + 2) numbers, whose image has "
        "volume 0. Of exact outputs: how near others come, it does not say",
        "nothing, it counts dimensions. By the same count a tied network that "
        "holds them all has N units with N (N + H + 2) + H >= T H",
    )


def _copies_row():
    return Existence(
        "tied, H units",
        "untied, T steps, H units",
        False,
        "proof",
        "none on T steps",
        "T copies of the tied weights are an untied network",
        f"outputs of copies differ by {tied_copies_error():.1g} at most",
    )


def _clock_row():
    first = {case.cell: case for case in reversed(CASES)}  # one case of each cell
    compiled = {case.name: compile_networks(case, 3) for case in first.values()}
    errors = np.concatenate([found.errors for found in compiled.values()])
    sizes = "; ".join(f"{name}: {x.units[1]} units" for name, x in compiled.items())
    return Existence(
        "untied, T steps, H units",
        "tied, any size",
        False,
        "proof by construction",
        "none: a clock compiles every untied Elman, LSTM and GRU network, to any "
        "precision on bounded inputs (in floats: to rounding)",
        "compile_with_clock: T (H + 1) units (Elman), T (H + D + 1) (LSTM), "
        "T (H + D + 2) (GRU)",
        f"{len(errors)} random networks, to {errors.max():.1g} in float32; {sizes}",
    )


def _longer_row():
    wrong = parity_errors(LONG)
    return Existence(
        "tied",
        "untied, T weight sets",
        wrong == 0,
        "definition",
        "parity at every length",
        "untied weights are no function beyond T steps. With a rule for these "
        "(hold, cycle) T equal sets are a tied network, and the answer is no",
        f"two tied tanh units are wrong at {wrong} of {LONG:,} steps",
    )


def _finite_precision_row():
    return Existence(
        "new weights at every step, without end",
        "tied, b bits a number",
        True,
        "proof",
        "every string on a constant input that does not end in a cycle",
        "a tied carry of H numbers has at most 2^(b H) states, so its outputs end "
        "in a cycle; and P weights put out at most 2^(b P) strings",
        "20 random networks of 2 units in float16 came to a cycle after at most "
        f"{cycles(20, 2).max():,} steps",
    )


def _real_numbers_row():
    return Existence(
        "new weights at every step, without end",
        "tied, real numbers",
        None,
        "literature",
        "no string on a constant input: a real weight may hold an infinite one",
        "Siegelmann, Sontag, 1994, 'Analog computation via neural networks', for "
        "saturated-linear units; in as many steps as new weights take, not known",
        "nothing: no computer holds such a weight",
    )


def existence_text(rows):
    """Returns the table as paragraphs, a row each."""
    told = {True: "Yes", False: "No", None: "Open"}
    return "\n\n".join(
        f"Do some of '{row.first}' solve what none of '{row.second}' does? "
        f"{told[row.holds]} ({row.kind}). Witness: {row.witness}. Why: {row.reason}. "
        f"Checked here: {row.checked}."
        for row in rows
    )
