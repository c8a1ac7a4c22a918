"""Stored parameters are the docstrings', and sharings are what they print."""

import functools

import jax
import pytest

from rnnshare import (
    Basis,
    Cyclic,
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
    num_parameters,
)
from tests.cases import with_slow
from tests.library.law_cases import case
from tests.library.sharing.sharing_cases import CELLS, KEY, PARAMETERS, learned


@pytest.mark.parametrize("steps", with_slow([1, 7, 64], {7}))
@pytest.mark.parametrize("cell", CELLS)
def test_stored_parameters_are_the_docstrings(cell, steps):
    leaves = jax.tree.leaves(case("Tied", cell).shapes)
    kernels = [leaf.shape for leaf in leaves if len(leaf.shape) == 2]
    biases = sum(leaf.shape[0] for leaf in leaves if len(leaf.shape) == 1)
    P, K, E, F, r = PARAMETERS[cell], 3, 4, 5, 2
    ins, outs = (sum(shape[i] for shape in kernels) for i in (0, 1))
    half = (steps + 1) // 2
    formulas = {
        Tied(): P,
        Untied(steps): steps * P,
        Segments(steps, half): half * P,
        Cyclic(K): K * P,
        Schedule((0, 1, 2, 1, 1)): 3 * P,
        Mixture(steps, K): K * P + steps * K,
        Mixture(steps, K, kind="free"): K * P + steps * K,
        Basis(K): K * P,
        Basis(K, "bspline"): K * P,
        Drift(): 2 * P,
        Hypernetwork(E): (E + 1) * P + E * (E + 1),
        learned(E, steps): (E + 1) * P + E * (E + 1) + steps * E,
        LowRank(steps, r): P + steps * (r * (ins + outs) + biases),
        LowRank(steps, 0): P,
        LowRank(steps, r, Cyclic(K)): K * P + steps * (r * (ins + outs) + biases),
        Scaled(steps): P + steps * (outs + biases),
        TimeInput(F): P + F * biases,
        Partition({"kernel": Untied(steps)}): steps * (P - biases) + biases,
        Partition({"kernel": Drift(), "bias": Untied(steps)}): (
            2 * (P - biases) + steps * biases
        ),
    }
    for sharing, count in formulas.items():
        init = functools.partial(sharing.init, init_cell=case("Tied", cell).init_cell)
        assert num_parameters(jax.eval_shape(init, KEY)) == count, sharing


@pytest.mark.parametrize(
    "sharing",
    [
        Basis(3),
        Schedule((0, 1, 0), beyond="mean"),
        Mixture(4, 2, beyond="mean"),
        LowRank(4, 2, base=Cyclic(2)),
        Scaled(3),
        Drift(2.0),
        learned(2, 4),
        TimeInput(3),
    ],
    ids=repr,
)
def test_sharings_are_what_they_print(sharing):
    """So they compare equal and hash alike as well."""
    again = eval(repr(sharing), globals())
    assert again == sharing
    assert hash(again) == hash(sharing)
    assert again is not sharing
