"""Errors of sharings say the way out."""

import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare import (
    Basis,
    Drift,
    Hypernetwork,
    LowRank,
    Mixture,
    Partition,
    Scaled,
    Schedule,
    Segments,
    Tied,
    TimeInput,
    Untied,
    expand,
)
from tests.library.law_cases import T, case
from tests.library.sharing.sharing_cases import KEY


def init(sharing, cell="LSTM"):
    return lambda: sharing.init(KEY, case("Tied", cell).init_cell)


def no_such_label(path):
    return "elsewhere"


ERRORS = {
    "unknown label": (
        init(Partition({"recurent": Untied(T)})),
        r"nothing is left for the label 'recurent'\. The cell has input\.bias, "
        r"input\.kernel, recurrent\.kernel, and the first label that fits owns",
    ),
    "label without a leaf left": (
        init(Partition({"kernel": Tied(), "recurrent.kernel": Untied(T)})),
        r"nothing is left for the label 'recurrent\.kernel'",
    ),
    "gates": (
        init(Partition({"f": Tied()}, gates=("r", "f", "n"))),
        r"cuts the last axis into 3 gates, but a leaf has shape \(16,\)\. Use the gat",
    ),
    "rest": (
        lambda: Partition({"rest": Tied()}),
        r"'rest' is no label\. Use Partition",
    ),
    "label_of": (
        init(Partition({"out": Tied()}, label_of=no_such_label)),
        r"label_of\('input', 'bias'\) is 'elsewhere'\. Use one of 'out', 'rest'",
    ),
    "stretch in a part": (
        lambda: Partition({"kernel": Untied(4, beyond="stretch")}),
        r"stretches over whole sequences.*Use beyond='hold' or 'cycle' inside",
    ),
    "stretch as rest": (
        lambda: Partition({}, rest=Mixture(4, 2, beyond="stretch")),
        r"Partition: Mixture\(.*stretches over whole sequences",
    ),
    "stretch as base": (
        lambda: LowRank(4, base=Segments(4, 2, beyond="stretch")),
        r"LowRank: Segments\(.*stretches over whole sequences",
    ),
    "no schedule": (
        lambda: Schedule(()),
        r"indices is \(\)\. Give one index from 0 on for each of at least one step",
    ),
    "negative schedule": (
        lambda: Schedule((0, -1)),
        r"indices is \(0, -1\)\. Give one",
    ),
    "schedule with a gap": (
        lambda: Schedule((0, 3, 1, 3)),
        r"\(0, 3, 1, 3\) name 4 templates, but no step reads number 2\. Number them",
    ),
    "schedule with a wide gap": (
        lambda: Schedule((10**12, 0)),
        r"name 1000000000001 templates, but no step reads number 1\.",
    ),
    "schedule of bytes": (
        lambda: Schedule(np.array([0, 255], np.uint8)),
        r"\(0, 255\) name 256 templates, but no step reads number 1\.",
    ),
    "past the schedule": (
        lambda: expand(Schedule((0, 1)), {}, 3),
        r"Schedule\(indices=\(0, 1\)\) holds weights for 2 steps, but the inputs",
    ),
    "kind of Basis": (
        lambda: Basis(3, "splines"),
        r"Basis: kind is 'splines'\. Use one of 'fourier', 'chebyshev', 'bspline'",
    ),
    "kind of Mixture": (
        lambda: Mixture(3, kind="hard"),
        r"Mixture: kind is 'hard'\. Use one of 'softmax', 'free'",
    ),
    "kind of TimeInput": (lambda: TimeInput(3, "sin"), r"TimeInput: kind is 'sin'"),
    "kind of Hypernetwork": (
        lambda: Hypernetwork(3, "chebyshev"),
        r"Hypernetwork: kind is 'chebyshev'\. Use one of 'fourier', 'learned'",
    ),
    "period": (lambda: Basis(3, period=0), r"Basis: period is 0\. Use a positive num"),
    "endless": (lambda: TimeInput(3, period=float("inf")), r"TimeInput: period is inf"),
    "unit": (lambda: Drift(-1.0), r"Drift: unit is -1\.0\. Use a positive number"),
    "learned": (
        lambda: Hypernetwork(3, "learned"),
        r"a learned embedding needs num_steps.*Use kind='learned' with num_steps=",
    ),
    "Fourier with steps": (
        lambda: Hypernetwork(3, num_steps=4),
        r"a Fourier one is defined at every step",
    ),
    "policy of a base": (
        lambda: LowRank(4, beyond="mean"),
        r"LowRank: beyond is 'mean'\. Use one of .*'base'",
    ),
    "policy of a mixture": (
        lambda: Mixture(4, beyond="base"),
        r"Mixture: beyond is 'base'\. Use one of .*'mean'",
    ),
    "no biases": (
        lambda: TimeInput(3).init(KEY, lambda key: {"kernel": jnp.ones((2, 2))}),
        r"moves the biases of a cell, but this one has none\. Use a cell with biases",
    ),
    "rank": (lambda: LowRank(4, rank=-1), r"LowRank: rank is -1\. Use at least 1"),
    "templates": (lambda: Mixture(4, 0), r"Mixture: num_templates is 0\. Use at least"),
    "stack": (
        lambda: expand(Mixture(4, 2), {"templates": {"w": np.ones((3, 5))}}),
        r"stores leaves of \[2, \.\.\.\], but got one of shape \(3, 5\)",
    ),
    "no number": (
        lambda: expand(Partition({"w": Tied()}), {}),
        r"is defined at every step, so expand needs to know",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_the_way_out(name):
    call, error = ERRORS[name]
    with pytest.raises(ValueError, match=error):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: Partition({"kernel": "untied"}),
        lambda: LowRank(4, base="tied"),
        lambda: Scaled(4, base=3),
    ],
)
def test_members_must_be_sharings(call):
    with pytest.raises(TypeError, match=r"is no Sharing\. Use Tied\(\)"):
        call()
