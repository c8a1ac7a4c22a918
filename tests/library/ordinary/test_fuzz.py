"""The laws of lengths, padding, start, direction and chunks, on examples of a machine.

The law is a Python loop over sequences that run alone, and its gradient is taken by
hand, one step after the other. What is compiled is compiled once a setting: lengths,
starts and what stands in the padding are arguments. `make fuzz` takes more examples.
"""

import dataclasses
import functools
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnshare import (
    RNN,
    Cyclic,
    LowRank,
    Mixture,
    Segments,
    Sharing,
    Tied,
    TimeInput,
    Untied,
    expand,
)
from tests.library.law_cases import (
    CELLS,
    B,
    D,
    H,
    T,
    assert_close,
    case,
    generic,
    generic_like,
)

EXAMPLES = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "40")),
    derandomize=True,
    deadline=None,
    database=None,
)
LAST_START = 3
N = LAST_START + 2 * T  # all steps that a run may read, of a second chunk too


@dataclasses.dataclass(frozen=True)
class Setting:
    """How sequences [T, B, D] are run.

    Attributes:
      cell: its name in the table of laws.
      sharing: its sharing.
      implementation: see `rnnshare.unroll`.
      lengths: the type of the lengths.
      start: the type of a traced start; None where it is 0.
      bounded: whether the run says how many steps there are.
      reverse: in which direction.
      layer: whether it is run by `RNN`, in the order of computation.
    """

    cell: str
    sharing: Sharing
    implementation: str = "auto"
    lengths: Any = np.int32
    start: Any = None
    bounded: bool = False
    reverse: bool = False
    layer: bool = False


SETTINGS = {
    "tied": Setting("LSTM", Tied(), "fused"),
    "cyclic back": Setting("Elman", Cyclic(4), "fused", np.int16, reverse=True),
    "untied": Setting("GRU", Untied(N), "fused", np.int8, np.int32, bounded=True),
    "segments": Setting("LSTM", Segments(T, 3), "fused"),
    "low rank": Setting("LSTM", LowRank(N, 1), "fused", start=np.uint8, bounded=True),
    "flax": Setting("nnx.GRU", Cyclic(3), "scan", np.uint8, np.int32),
    "hold": Setting("Elman", Untied(4, beyond="hold"), "scan", start=np.int8),
    "mixture": Setting("LSTM", Mixture(N, 2), start=np.int32, bounded=True),
    "segments back": Setting(
        "LSTM", Segments(N, 5), "scan", start=np.int32, bounded=True, reverse=True
    ),
    "layer": Setting("LSTM", TimeInput(3, period=5), start=np.uint32, layer=True),
    "layer back": Setting("GRU", Untied(T), "fused", reverse=True, layer=True),
}


@functools.cache
def step_of(cell: str) -> Any:
    """Returns the step of one sequence, and its transpose."""
    step = case("Tied", cell).step

    def transpose(weights, carry, x, pull):
        return jax.vjp(step, weights, carry, x)[1](pull)

    return jax.jit(step), jax.jit(transpose)


class Compiled:
    """What a setting compiles: the run with its gradient, and `expand` with its own."""

    def __init__(self, setting: Setting):
        sharing, cell = setting.sharing, setting.cell
        c = case(sharing, cell)
        self.setting = setting
        self.stored, _, carry = c.arguments
        # The noise that pulls at the results: carries first.
        outputs = jax.ShapeDtypeStruct((T, B, H), np.float32)
        self.pull = generic_like((carry, outputs), 11)
        self.step, self.transpose = step_of(cell)

        def run(stored, inputs, carry, lengths, start):
            options: dict[str, Any] = {"reverse": setting.reverse}
            if setting.start is not None:
                options["start"] = start
            if setting.bounded:
                options["num_steps"] = N
            if not setting.layer:
                options["implementation"] = setting.implementation
                return c.run(stored, inputs, carry, lengths=lengths, **options)
            make_cell = functools.partial(CELLS[cell], D, H)
            rnn = RNN(
                make_cell,
                sharing,
                implementation=setting.implementation,
                rngs=nnx.Rngs(0),
            )
            graphdef, state = nnx.split(rnn)
            state = jax.tree.unflatten(
                jax.tree.structure(state), jax.tree.leaves(stored)
            )
            return nnx.merge(graphdef, state)(
                inputs,
                initial_carry=carry,
                seq_lengths=lengths,
                time_major=True,
                return_carry=True,
                **options,
            )

        @jax.jit
        def both(stored, inputs, carry, lengths, start):
            results, transpose = jax.vjp(
                lambda *at: run(*at, lengths, start), stored, inputs, carry
            )
            return results, transpose(self.pull)

        num_steps = N if setting.bounded or setting.start is not None else T

        def expanded(stored):
            return expand(sharing, stored, num_steps)

        self.run = both
        self.each = jax.tree.map(np.asarray, jax.jit(expanded)(self.stored))
        self.to_stored = jax.jit(lambda pull: jax.vjp(expanded, self.stored)[1](pull))

    def by_hand(self, inputs, carry, lengths, start):
        """Returns the results and gradients of `run`, one sequence, one step a time."""
        setting = self.setting
        to_carry, to_outputs = self.pull
        outputs = np.zeros((T, B, H), np.float32)
        finals, d_carry, d_inputs, d_each = jax.tree.map(
            np.zeros_like, (carry, carry, inputs, self.each)
        )
        for b, length in enumerate(lengths):
            row = slice(b, b + 1)
            h, visits = jax.tree.map(lambda leaf, row=row: leaf[row], carry), []
            steps = range(length)[::-1] if setting.reverse else range(length)
            for place, t in enumerate(steps):
                # Where y_t stands: in the order of computation, if a layer runs back.
                at = place if setting.layer else t
                weights = jax.tree.map(lambda w, t=t: w[start + t], self.each)
                visits.append((t, at, weights, h))
                h, y = self.step(weights, h, inputs[t, row])
                outputs[at, row] = y
            _add(finals, row, h)
            pull = jax.tree.map(lambda leaf, row=row: leaf[row], to_carry)
            for t, at, weights, h in reversed(visits):
                d_weights, pull, d_x = self.transpose(
                    weights, h, inputs[t, row], (pull, to_outputs[at, row])
                )
                _add(d_each, start + t, d_weights)
                d_inputs[t, row] = d_x
            _add(d_carry, row, pull)
        return (finals, outputs), (*self.to_stored(d_each), d_inputs, d_carry)


def _add(totals, index, parts):
    """Adds each part to its total, in place."""

    def add(total, part):
        total[index] += part

    jax.tree.map(add, totals, parts)


compiled = functools.cache(Compiled)


@st.composite
def examples(draw, names):
    """Draws a setting and what it is run on."""
    setting = SETTINGS[draw(st.sampled_from(names))]
    one_length = st.integers(0, T)
    lengths = draw(st.lists(one_length, min_size=B, max_size=B))
    start = 0 if setting.start is None else draw(st.integers(0, LAST_START))
    filling = draw(st.sampled_from([0.0, 1e30, np.nan, np.inf, -np.inf]))
    seed = draw(st.integers(0, 5))
    carry = generic_like(case(setting.sharing, setting.cell).arguments[2], 20 + seed)
    inputs = generic((T, B, D), 30 + seed)
    return setting, inputs, carry, np.array(lengths), start, np.float32(filling)


def filled(inputs, lengths, filling):
    return np.where(np.arange(T)[:, None, None] < lengths[:, None], inputs, filling)


def run(c, inputs, carry, lengths, start):
    start_type = c.setting.start or np.int32
    return c.run(
        c.stored,
        inputs,
        carry,
        jnp.asarray(lengths.astype(c.setting.lengths)),
        jnp.asarray(start, start_type),
    )


@EXAMPLES
@given(examples(list(SETTINGS)))
def test_sequences_are_as_if_alone(example):
    setting, inputs, carry, lengths, start, filling = example
    c = compiled(setting)
    actual = run(c, filled(inputs, lengths, filling), carry, lengths, start)
    assert_close(actual, c.by_hand(inputs, carry, lengths, start))
    (_, outputs), (_, d_inputs, _) = actual
    real = filled(np.ones_like(inputs), lengths, np.float32(0))
    assert not np.any(np.where(real, 0, d_inputs))
    assert not np.any(np.where(real[..., :1], 0, outputs))


@EXAMPLES
@given(
    examples([name for name, s in SETTINGS.items() if s.start and not s.layer]),
    st.integers(0, T),
)
def test_chunks_are_the_whole(example, cut):
    """A chunk ends where its lengths do; backwards, the second chunk runs first."""
    setting, inputs, carry, lengths, start, filling = example
    c = compiled(setting)
    (final, outputs), _ = run(
        c, filled(inputs, lengths, filling), carry, lengths, start
    )
    first = np.minimum(lengths, cut)
    left = lengths - first
    chunks = [
        (slice(0, cut), inputs, first, start),
        (slice(cut, T), np.roll(inputs, -cut, 0), left, start + cut),
    ]
    joined = np.zeros_like(outputs)
    for where, chunk, lengths, begin in reversed(chunks) if setting.reverse else chunks:
        (carry, y), _ = run(c, filled(chunk, lengths, filling), carry, lengths, begin)
        joined[where] = y[: where.stop - where.start]
    assert_close((carry, joined), (final, outputs))


def test_settings():
    """A third of them is fused, and each names what the table of laws has."""
    fused = [s for s in SETTINGS.values() if s.implementation == "fused"]
    assert 3 * len(fused) >= len(SETTINGS)
    assert {s.cell for s in SETTINGS.values()} <= set(CELLS)
