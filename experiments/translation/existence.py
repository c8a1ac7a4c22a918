"""The existence table of Cc2: which kind of model solves what none of another does.

"M1 is more powerful than M2 if some m1 solves what no m2 does": a row is a pair of
kinds, its witness, and why. Proofs are by construction or by counting, and are checked
here on what can be computed. Training decides no row: that it fails says nothing of
what exists.

Shape letters: T steps, D input features, H hidden features.
"""

import itertools
from typing import NamedTuple

import numpy as np

from experiments.translation.checks import cycles, parity_errors, tied_copies_error
from experiments.universality.measure import (
    CASES,
    SEARCHED,
    compile_networks,
    one_unit_allows,
    strings_of_one_unit,
    threshold_strings,
    untied_outputs,
)

WITNESS = (0, 0, 1, 1, 0)  # no tied unit puts it out on a constant input
LONG = 10_000  # steps, far beyond any T here
SIZES = ("equal size", "any size", "unbounded length")
PROOF, CONSTRUCTION = "proof", "proof by construction"


class Existence(NamedTuple):
    """A row of the table.

    Attributes:
      size: which networks are held against each other, one of `SIZES`.
      first: a kind of model, 'tied' or 'untied' its first word.
      second: another.
      holds: whether some of the first solves what none of the second does; None: it
        is not known here.
      kind: what says so: a proof, a definition, or the literature.
      witness: what it solves, or why there is nothing.
      reason: the proof, in short.
      checked: what was computed of it here.
    """

    size: str
    first: str
    second: str
    holds: bool | None
    kind: str
    witness: str
    reason: str
    checked: str

    @property
    def side(self) -> str:
        """Which kind the row asks about."""
        return self.first.split()[0].rstrip(",")

    @property
    def proven(self) -> bool:
        """Whether the answer is by proof or construction."""
        return self.kind in (PROOF, CONSTRUCTION)


def existence_rows(num_networks=2_000):
    """Returns the table: computes what its rows say is checked.

    Args:
      num_networks: random tied units, of which strings are collected.
    """
    equal, anyhow, unbounded = SIZES
    apart = tied_copies_error()
    return (
        _one_unit_row(equal, num_networks),
        _threshold_row(equal),
        _dimensions_row(equal),
        _copies_row(equal, apart),
        _clock_row(anyhow),
        _copies_row(anyhow, apart),
        _finite_precision_row(unbounded),
        _real_numbers_row(unbounded),
        _longer_row(unbounded),
    )


def _one_unit_row(size, num_networks):
    strings = strings_of_one_unit(num_networks, len(WITNESS))
    every = set(itertools.product((0, 1), repeat=len(WITNESS)))
    allowed = set(filter(one_unit_allows, every))
    tied_allows = one_unit_allows(WITNESS) or WITNESS in strings
    return Existence(
        size,
        "untied, T steps, one tanh unit",
        "tied, one tanh unit",
        _puts_out(WITNESS) and not tied_allows,
        PROOF,
        f"the string {''.join(map(str, WITNESS))} on a constant input",
        "the orbit of a tied unit is monotone, or its odd and its even steps are, "
        "so each crosses a threshold at most once",
        f"an untied unit puts it out; {num_networks:,} random tied units put out "
        f"{len(strings)} of the {len(every)} strings, {len(strings - allowed)} beyond "
        f"the {len(allowed)} that the proof allows",
    )


def _threshold_row(size):
    witnesses = {units: (0,) * 2**units + (1,) for units in SEARCHED}
    found = {u: threshold_strings(u, len(w)) for u, w in witnesses.items()}
    none = not any(witnesses[u] in found[u] for u in SEARCHED)
    counts = ", ".join(
        f"{len(own)} of {2 ** len(witnesses[units])}" for units, own in found.items()
    )
    return Existence(
        size,
        "untied, T steps, one unit",
        "tied, H threshold units (or H numbers of b bits)",
        none and all(map(_puts_out, witnesses.values())),
        PROOF,
        "2^H zeros (or 2^(b H)) and then a one, on a constant input, for every H",
        "before the first one all carries of a tied network differ, as else the zeros "
        "would go on for ever; there are 2^H, and untied biases put out any string",
        f"all tied networks of {' and '.join(map(str, SEARCHED))} threshold units put "
        f"out {counts} strings of 2^H + 1 bits, never this one; an untied unit does",
    )


def _puts_out(bits):
    """Returns whether an untied unit puts out the bits."""
    return bool((untied_outputs([bits])[0] == np.array(bits)).all())


def _dimensions_row(size):
    return Existence(
        size,
        "untied, T steps, H tanh units",
        "tied, H tanh units, real numbers",
        True,
        PROOF,
        "almost every list of outputs on a constant input, where T > H + 2",
        "untied biases reach every point of (-1, 1)^(T H); the outputs of tied "
        "weights and carry are a smooth map of H (H + 2) numbers, whose image has "
        "volume 0. Of exact outputs: how near others come, it does not say",
        "nothing, it counts dimensions. By the same count a tied network that "
        "holds them all has N units with N (N + H + 2) + H >= T H",
    )


def _copies_row(size, apart):
    return Existence(
        size,
        "tied, H units",
        "untied, T steps, H units",
        False,
        PROOF,
        "none on T steps",
        "T copies of the tied weights are an untied network, at every size",
        f"outputs of copies differ by {apart:.1g} at most",
    )


def _clock_row(size):
    first = {case.cell: case for case in reversed(CASES)}  # one case of each cell
    compiled = {case.name: compile_networks(case, 3) for case in first.values()}
    errors = np.concatenate([found.errors for found in compiled.values()])
    sizes = "; ".join(f"{name}: {x.units[1]} units" for name, x in compiled.items())
    return Existence(
        size,
        "untied, T steps, H units",
        "tied, any size",
        False,
        CONSTRUCTION,
        "none: a clock compiles every untied Elman, LSTM and GRU network, to any "
        "precision on bounded inputs (in floats: to rounding)",
        "compile_with_clock: T (H + 1) units (Elman), T (H + D + 1) (LSTM), "
        "T (H + D + 2) (GRU)",
        f"{len(errors)} random networks, to {errors.max():.1g} in float32; {sizes}",
    )


def _finite_precision_row(size):
    return Existence(
        size,
        "untied, new weights at every step, without end",
        "tied, b bits a number, any size",
        True,
        PROOF,
        "every string on a constant input that does not end in a cycle",
        "a tied carry of H numbers has at most 2^(b H) states, so its outputs end "
        "in a cycle; and P weights put out at most 2^(b P) strings",
        "20 random networks of 2 units in float16 came to a cycle after at most "
        f"{cycles(20, 2).max():,} steps",
    )


def _real_numbers_row(size):
    return Existence(
        size,
        "untied, new weights at every step, without end",
        "tied, real numbers, any size",
        None,
        "literature",
        "no string on a constant input: a real weight may hold an infinite one",
        "Siegelmann, Sontag, 1994, 'Analog computation via neural networks', for "
        "saturated-linear units; in as many steps as new weights take, not known",
        "nothing: no computer holds such a weight",
    )


def _longer_row(size):
    wrong = parity_errors(LONG)
    return Existence(
        size,
        "tied",
        "untied, T weight sets",
        wrong == 0,
        "definition",
        "parity at every length",
        "untied weights are no function beyond T steps. With a rule for these "
        "(hold, cycle), or new weights at every step, equal sets are a tied network, "
        "and the answer is no",
        f"two tied tanh units are wrong at {wrong} of {LONG:,} steps",
    )


def existence_text(rows):
    """Returns the table as paragraphs, a row each."""
    told = {True: "Yes", False: "No", None: "Open"}
    return "\n\n".join(
        f"At {row.size}, do some of '{row.first}' solve what none of '{row.second}' "
        f"does? {told[row.holds]} ({row.kind}). Witness: {row.witness}. Why: "
        f"{row.reason}. Checked here: {row.checked}."
        for row in rows
    )
