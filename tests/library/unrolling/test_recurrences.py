"""Linear recurrences against a loop of NumPy, and their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from rnnshare import LRUCell
from rnnshare.unrolling.recurrences import (
    MATRICES,
    NUMBERS,
    LinearMaps,
    by_associative_scan,
    by_loop,
    linear_recurrence,
)
from tests.cases import with_slow
from tests.library.law_cases import assert_close, generic

T, S = 5, 3
PAIRS = LinearMaps(LRUCell.multiply, LRUCell.multiply, LRUCell.transpose)
KINDS = {
    "numbers": (NUMBERS, (T, S), np.multiply),
    "matrices": (MATRICES, (T, S, S), np.matmul),
    "pairs": (PAIRS, (T, S), np.multiply),
}
SOLVES = {"loop": by_loop, "associative": by_associative_scan}


def arguments(kind):
    """Returns a, b and the carry in float64, and complex numbers as pairs."""
    shapes = (KINDS[kind][1], (T, S), (S,))
    if kind != "pairs":
        return tuple(generic(s, i, np.float64) for i, s in enumerate(shapes))
    return tuple(
        (generic(s, i, np.float64), generic(s, 9 + i, np.float64))
        for i, s in enumerate(shapes)
    )


def by_numpy(kind, a, b, carry, reverse):
    if kind == "pairs":
        a, b, carry = (real + 1j * imaginary for real, imaginary in (a, b, carry))
    h = np.empty_like(b)
    for t in range(T)[:: -1 if reverse else 1]:
        h[t] = carry = KINDS[kind][2](a[t], carry) + b[t]
    return (h.real, h.imag) if kind == "pairs" else h


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("solve", SOLVES)
@pytest.mark.parametrize("kind", KINDS)
def test_values(kind, solve, reverse):
    with jax.enable_x64(True):
        given = arguments(kind)
        found = linear_recurrence(
            KINDS[kind][0],
            *jax.tree.map(jnp.asarray, given),
            SOLVES[solve],
            reverse=reverse,
        )
        assert_close(found, by_numpy(kind, *given, reverse), 1e-12)


CASES = [
    (kind, solve, reverse)
    for kind in KINDS
    for solve in SOLVES
    for reverse in (False, True)
]
KEPT = [("pairs", "associative", True)]


@pytest.mark.parametrize(("kind", "solve", "reverse"), with_slow(CASES, KEPT))
def test_derivatives_to_second_order_in_both_modes(kind, solve, reverse):
    with jax.enable_x64(True):

        @jax.jit
        def run(a, b, carry):
            return linear_recurrence(
                KINDS[kind][0], a, b, carry, SOLVES[solve], reverse=reverse
            )

        given = jax.tree.map(jnp.asarray, arguments(kind))
        check_grads(run, given, order=2, modes=["fwd", "rev"], rtol=1e-5, atol=1e-5)


def test_no_steps():
    b, carry = jnp.zeros((0, S)), jnp.ones(S)
    assert linear_recurrence(NUMBERS, b, b, carry, by_loop).shape == (0, S)


def test_the_program_of_a_gradient_keeps_no_maps_of_the_rounds():
    """Of T steps it keeps a and h, and none of the log T rounds' products."""

    def run(a, b, carry):
        return linear_recurrence(NUMBERS, a, b, carry, by_associative_scan)

    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((64, S), (64, S), (S,))]
    _, pull = jax.eval_shape(lambda *at: jax.vjp(run, *at), *shapes)
    kept = sum(leaf.size for leaf in jax.tree.leaves(pull))
    assert 2 * 64 * S <= kept <= 5 * 64 * S
