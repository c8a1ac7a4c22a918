"""A cell under a sharing as users hold it, and the same computed by hand.

By hand is a Python loop over the weights that `expand` returns, each put into the cell
by `nnx.merge`; under `Tied` there is `flax.nnx.RNN` too.
"""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnshare import RNN, LowRank, LSTMCell, Segments, Sharing, Tied, Untied, expand
from tests.library.law_cases import assert_close

T, B, D, H = 4, 2, 2, 3

CELLS = {"LSTM": LSTMCell, "nnx.GRU": nnx.GRUCell}
SHARINGS = {
    "Tied": Tied(),
    "Untied": Untied(T),
    "Segments": Segments(T, 2),
    "LowRank": LowRank(T, 1),
}
PAIRS = [("Segments", "LSTM"), ("Untied", "nnx.GRU")]  # the one is fused, one scanned
ALL_PAIRS = [*PAIRS, ("LowRank", "LSTM"), ("Untied", "LSTM"), ("Tied", "LSTM")]
ALL_PAIRS += [("Tied", "nnx.GRU")]


def generic(shape: Sequence[int], seed: int, dtype: Any = np.float32) -> np.ndarray:
    """Returns noise of a dtype, complex ones in both parts."""
    rng = np.random.default_rng(seed)
    noise = 0.6 * rng.normal(size=shape)
    if np.issubdtype(dtype, np.complexfloating):
        noise = noise + 0.6j * rng.normal(size=shape)
    return noise.astype(dtype)


def generic_like(tree: Any, seed: int) -> Any:
    """Returns a pytree of these shapes and dtypes, with noise of its own a leaf."""
    leaves, structure = jax.tree.flatten(tree)
    return structure.unflatten(
        jnp.asarray(generic(leaf.shape, 100 * seed + i, leaf.dtype))
        for i, leaf in enumerate(leaves)
    )


def generic_module(make: Callable[[], Any]) -> Any:
    """Returns a module with generic weights; nothing is compiled to draw its own."""
    graphdef, state = nnx.split(nnx.eval_shape(make))
    return nnx.merge(graphdef, generic_like(state, 1))


def pulled(results: Any) -> jax.Array:
    """A generic real scalar of all numbers in results; counters and keys are none."""
    return sum(
        jnp.sum(jnp.real(leaf * generic(leaf.shape, i, leaf.dtype)))
        for i, leaf in enumerate(jax.tree.leaves(results))
        if jnp.issubdtype(leaf.dtype, jnp.inexact)
    )


def graded(run: Callable[..., Any], argnums: Sequence[int] = (0, 1)) -> Callable:
    """Returns `arguments -> (results, gradients of some arguments)`."""

    def both(*arguments):
        def scalar(*arguments):
            results = run(*arguments)
            return pulled(results), results

        gradient = jax.value_and_grad(scalar, tuple(argnums), has_aux=True)
        (_, results), gradients = gradient(*arguments)
        return results, gradients

    return both


class Case:
    """A cell under a sharing: its module, cut in two, and generic arrays for it.

    Attributes:
      rnn: the module, with generic weights.
      graphdef, state: `nnx.split` of it.
      inputs: [B, T, *features].
    """

    def __init__(
        self,
        sharing: Sharing,
        make_cell: Callable[..., nnx.RNNCellBase],
        features: tuple[int, ...] = (D,),
        batch: int = B,
        **options: Any,
    ):
        self.sharing = sharing
        self.make_cell = make_cell
        # Shapes suffice, as the weights are generic: nothing is compiled to draw them.
        rnn, cell = nnx.eval_shape(
            lambda: (
                RNN(make_cell, sharing, rngs=nnx.Rngs(0), **options),
                make_cell(rngs=nnx.Rngs(0)),
            )
        )
        self.graphdef, state = nnx.split(rnn)
        self.state = generic_like(state, 1)
        self.rnn = nnx.merge(self.graphdef, self.state, copy=True)
        self.inputs = jnp.asarray(generic((batch, T, *features), 2))
        self._cell = nnx.split(cell)

    def run(self, state: Any, inputs: jax.Array, **options: Any) -> Any:
        """Returns the final carry and the outputs of the layer."""
        rnn = nnx.merge(self.graphdef, state)
        return rnn(inputs, **({"return_carry": True} | options))

    def cell_with(self, weights: Any) -> Any:
        """Returns the cell with the weights of one step."""
        graphdef, state = self._cell
        state = jax.tree.map(lambda leaf: leaf, state)
        nnx.replace_by_pure_dict(state, weights)
        return nnx.merge(graphdef, state)

    def cells(self, state: Any, count: int) -> list[Any]:
        """Returns the cell of each step."""
        stored = nnx.merge(self.graphdef, state).stored
        each = expand(self.sharing, stored, count)
        return [
            self.cell_with(jax.tree.map(lambda w, t=t: w[t], each))
            for t in range(count)
        ]

    def by_hand(self, state: Any, inputs: jax.Array, carry: Any = None) -> Any:
        """Returns the same by a Python loop."""
        cells, outputs = self.cells(state, inputs.shape[1]), []
        if carry is None:
            carry = cells[0].initialize_carry(inputs[:, 0].shape, nnx.Rngs(0))
        for t, cell in enumerate(cells):
            carry, y = cell(carry, inputs[:, t])
            outputs.append(y)
        return carry, jax.tree.map(lambda *ys: jnp.stack(ys, 1), *outputs)

    def alone(
        self, state: Any, inputs: jax.Array, carry: Any, *, lengths: Sequence[int]
    ) -> Any:
        """Returns the same of sequences that run one by one, cut to their lengths."""
        cells, finals, outputs = self.cells(state, inputs.shape[1]), [], []
        if carry is None:
            carry = cells[0].initialize_carry(inputs[:, 0].shape, nnx.Rngs(0))
        for b, length in enumerate(lengths):
            mine = jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], carry)
            ys = []
            for t in range(length):
                mine, y = cells[t](mine, inputs[b : b + 1, t])
                ys.append(y)
            finals.append(mine)
            outputs.append(ys)
        blank = jax.tree.map(jnp.zeros_like, next(ys[0] for ys in outputs if ys))
        rows = [ys + [blank] * (inputs.shape[1] - len(ys)) for ys in outputs]
        stacked = [jax.tree.map(lambda *y: jnp.stack(y, 1), *row) for row in rows]
        return _joined(finals), _joined(stacked)

    def by_flax(self, state: Any, inputs: jax.Array, **options: Any) -> Any:
        """Returns the same by `flax.nnx.RNN`, under `Tied`."""
        cell = self.cell_with(nnx.merge(self.graphdef, state).stored)
        return nnx.RNN(cell)(inputs, return_carry=True, **options)

    @functools.cached_property
    def expected(self) -> Any:
        """What `graded` returns by hand, of the case's own weights and inputs."""
        return jax.jit(graded(self.by_hand))(self.state, self.inputs)


@functools.cache
def case(
    sharing: str | Sharing, cell: str, features: int = D, implementation: str = "auto"
) -> Case:
    """Returns the case of two names, for a number of features."""
    sharing = SHARINGS[sharing] if isinstance(sharing, str) else sharing
    make_cell = functools.partial(CELLS[cell], features, H)
    return Case(sharing, make_cell, (features,), implementation=implementation)


def ids(pairs: Sequence[tuple[str, ...]]) -> list[str]:
    """Returns readable test ids."""
    return ["-".join(pair) for pair in pairs]


def named(value: Any) -> str | None:
    """Returns the id of a tuple of names; of anything else, that of pytest."""
    return "-".join(value) if isinstance(value, tuple) else None


def plain(tree: Any) -> Any:
    """Returns NumPy leaves in a list: types of nodes, and of keys, aside."""

    def strip(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        return np.asarray(leaf)

    return [strip(leaf) for leaf in jax.tree.leaves(tree)]


def assert_same(actual: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """The same leaves, shapes and dtypes, equal to 1e-5 of each leaf's largest."""
    actual, expected = plain(actual), plain(expected)
    assert [(a.shape, a.dtype) for a in actual] == [
        (e.shape, e.dtype) for e in expected
    ]
    for a, e in zip(actual, expected, strict=True):
        if np.issubdtype(e.dtype, np.inexact):
            assert_close(a, e, tolerance)
        else:
            np.testing.assert_array_equal(a, e)


def or_refused(run: Callable[[], Any], text: str) -> Any:
    """Returns what `run` does; None if it refuses, in one line that has the text."""
    try:
        return run()
    except ValueError as error:
        message = str(error)
        assert "\n" not in message and re.search(text, message), message
        return None


def _joined(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *trees)
