"""Sharings and cells that are fused, and a run of each both ways."""

import functools

import jax.numpy as jnp

from rnnshare import (
    AffineCell,
    Cyclic,
    LowRank,
    LSTMCell,
    Partition,
    Scaled,
    Segments,
    Tied,
    TimeInput,
    Untied,
)
from tests.library.law_cases import Case, D, H, T, case, gradient_of


class Leaky(AffineCell):
    """A cell that does not say its derivative, nor output what it carries."""

    gates = ("h",)
    recurrent_bias = True

    @staticmethod
    def activate(carry, from_input, from_hidden):
        h = 0.5 * carry + 0.5 * jnp.sin(from_input) * jnp.cos(from_hidden)
        return h, h * h


class Flipped(LSTMCell):
    """A cell with another function than its base, whose derivative is not its own."""

    @staticmethod
    def activate(carry, from_input, from_hidden):
        (c, h), _ = LSTMCell.activate(carry, from_input, -from_hidden)
        return (c, h), h


FUSING = {
    "Tied": Tied(),
    "Untied": Untied(T),
    "Untied-mean": Untied(4, beyond="mean"),
    "Segments": Segments(T, 4),
    "Segments-equal": Segments(T, 3),
    "Cyclic": Cyclic(4),
    "Cyclic-equal": Cyclic(3),
    "LowRank": LowRank(T, 2),
    "Scaled-of-Cyclic": Scaled(T, base=Cyclic(2)),
    "TimeInput": TimeInput(3, period=5),
    "Partition": Partition({"input.kernel": Untied(T), "bias": Segments(T, 2)}),
}
MADE = {"Leaky": Leaky, "Flipped": Flipped}


@functools.cache
def made(sharing, cell):
    if cell in MADE:
        return Case(FUSING[sharing], functools.partial(MADE[cell], D, H))
    return case(FUSING[sharing], cell)


def both_ways(c, *arguments, **options):
    return [
        gradient_of(functools.partial(c.run, implementation=name, **options))(
            *arguments
        )
        for name in ("fused", "scan")
    ]
