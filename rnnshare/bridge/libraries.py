"""Cells of linen, Haiku and Equinox, which are imported when one is built.

Shape letters: B batch (any number of axes), D input features, H hidden features.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnshare.bridge.adapters import Adapter, Carry, Weights, zeros


@dataclasses.dataclass(frozen=True)
class Linen(Adapter):
    """A cell of `flax.linen`.

    Attributes:
      make: returns the cell, as `functools.partial(linen.LSTMCell, 64)` does.
      in_features: D.

    Raises:
      ValueError: when its weights are drawn, if the cell holds other variables than
        parameters, such as batch statistics.
    """

    make: Callable[[], Any]
    in_features: int

    @property
    def dtype(self) -> Any:  # noqa: D102
        return getattr(self.make(), "dtype", None)

    def init(self, key: jax.Array) -> Weights:  # noqa: D102
        cell, x = self.make(), jnp.zeros(self.in_features)
        variables = cell.init(key, self.initialize_carry(x.shape), x)
        others = sorted(set(variables) - {"params"})
        if others:
            raise ValueError(
                f"{type(cell).__name__} holds {', '.join(others)} beside its params. A "
                "cell under a sharing holds parameters only; normalise by what needs "
                "no running statistics, such as linen.LayerNorm."
            )
        return variables.get("params", {})

    def step(self, weights, carry, x):  # noqa: D102
        return self.make().apply({"params": weights}, carry, x)

    def initialize_carry(self, input_shape, key=None):  # noqa: D102
        key = jax.random.key(0) if key is None else key
        return self.make().initialize_carry(key, input_shape)


@dataclasses.dataclass(frozen=True)
class Haiku(Adapter):
    """A core of Haiku, an `hk.RNNCore`.

    Attributes:
      make: returns the core, as `functools.partial(hk.LSTM, 64)` does.
      in_features: D.

    Raises:
      ValueError: of Haiku, when it runs, if the core holds state or draws numbers.
    """

    make: Callable[[], Any]
    in_features: int

    def init(self, key: jax.Array) -> Weights:  # noqa: D102
        x = jnp.zeros(self.in_features)
        carry = self.initialize_carry(x.shape)
        found = self._pure(lambda core: core(x, carry)).init(key)
        return jax.tree.map(lambda leaf: leaf, dict(found))  # plain dictionaries

    def step(self, weights, carry, x):  # noqa: D102
        def one(carry: Carry, x: jax.Array) -> tuple[Carry, Any]:
            y, carry = self._pure(lambda core: core(x, carry)).apply(weights)
            return carry, y

        return _batched(one, x)(carry, x)

    def initialize_carry(self, input_shape, key=None):  # noqa: D102
        one = self._pure(lambda core: core.initial_state(None)).apply({})
        return _repeated(one, input_shape[:-1])

    def _pure(self, run: Callable[[Any], Any]) -> Any:
        import haiku as hk

        return hk.without_apply_rng(hk.transform(lambda: run(self.make())))


@dataclasses.dataclass(frozen=True)
class Equinox(Adapter):
    """A cell of Equinox: a module called with one input and the hidden state.

    Its kernels are held as [in, out], the transpose of Equinox's own, so that what a
    sharing does to outputs (`Scaled`, `LowRank`) it does to outputs here.

    Attributes:
      make: returns the cell, as `functools.partial(equinox.nn.LSTMCell, 12, 64)` does
        of `key=...`.
      carry_sizes: the features of the carry, H, or (H, H) of a pair whose first is the
        output; by default as the cell's own class and its `hidden_size` say.
      out_first: whether the cell's kernels are [out, in], as all of Equinox's own are.

    Raises:
      ValueError: if the carry's sizes are neither given nor known, or the cell holds
        arrays that cannot be trained.
    """

    make: Callable[..., Any]
    carry_sizes: int | tuple[int, ...] | None = None
    out_first: bool = True

    @property
    def num_inputs(self) -> int | None:  # noqa: D102
        return getattr(self._shape(), "input_size", None)

    def init(self, key: jax.Array) -> Weights:  # noqa: D102
        import equinox

        cell = equinox.filter(self.make(key=key), equinox.is_array)
        leaves = jax.tree_util.tree_leaves_with_path(cell)
        others = [_name(path) for path, leaf in leaves if not _is_inexact(leaf)]
        if others:
            raise ValueError(
                f"{type(cell).__name__} holds arrays that are no parameters: "
                f"{', '.join(others)}. Compute them in its call, or make them "
                "static fields of numbers."
            )
        return {_name(path): self._turned(leaf) for path, leaf in leaves}

    def step(self, weights, carry, x):  # noqa: D102
        import equinox

        arrays, static = equinox.partition(self._shape(), _is_inexact)
        arrays = jax.tree_util.tree_map_with_path(
            lambda path, _: self._turned(weights[_name(path)]), arrays
        )
        cell = equinox.combine(arrays, static)

        def one(carry: Carry, x: jax.Array) -> tuple[Carry, Any]:
            carry = cell(x, carry)
            return carry, jax.tree.leaves(carry)[0]

        return _batched(one, x)(carry, x)

    def initialize_carry(self, input_shape, key=None):  # noqa: D102
        sizes = self.carry_sizes
        if sizes is None:
            import equinox

            cell = self._shape()
            sizes = getattr(cell, "hidden_size", None)
            if sizes is None:
                raise ValueError(
                    f"{type(cell).__name__} has no hidden_size. Say what it carries: "
                    "Equinox(make, carry_sizes=64), or (64, 64) of a pair."
                )
            if isinstance(cell, equinox.nn.LSTMCell):
                sizes = (sizes, sizes)
        return zeros(sizes, input_shape)

    def _turned(self, leaf: jax.Array) -> jax.Array:
        """Returns a kernel with its two axes exchanged; any other leaf as it is."""
        return leaf.T if self.out_first and leaf.ndim == 2 else leaf

    def _shape(self) -> Any:
        """Returns the cell with shapes in place of its arrays."""
        import equinox

        return equinox.filter_eval_shape(self.make, key=jax.random.key(0))


def _repeated(carry: Carry, batch: tuple[int, ...]) -> Carry:
    return jax.tree.map(lambda h: jnp.broadcast_to(h, (*batch, *h.shape)), carry)


def _batched(one: Callable[..., Any], x: jax.Array) -> Callable[..., Any]:
    """Returns a step of one sequence as one of x's batch axes."""
    for _ in range(x.ndim - 1):
        one = jax.vmap(one)
    return one


def _is_inexact(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.inexact)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
