"""Cells of other libraries as factories of Flax cells, and as plain functions.

Shape letters: B batch (any number of axes), D input features, H hidden features.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare.cells.holding import params_of, stored_of
from rnnshare.training import Call

Carry = Any
Weights = Any


@dataclasses.dataclass(frozen=True)
class Adapter(abc.ABC):
    """A cell of another library, in the two ways in which this one takes cells.

    It is a factory, `RNN(adapter, sharing, rngs=...)`; and its methods are what the
    functions without Flax take:

        stored = sharing.init(key, adapter.init)
        carry = adapter.initialize_carry(inputs.shape[1:])
        carry, outputs = unroll(adapter.step, sharing, stored, inputs, carry)

    A kernel's last axis is its output, as everywhere in this package. Adapters of equal
    cells are equal, so that layers of them share their compiled programs.
    """

    def __post_init__(self) -> None:
        """Puts an equal `Call`, which compares, in the place of each partial."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, functools.partial):
                object.__setattr__(self, field.name, Call(value))

    @property
    @abc.abstractmethod
    def num_inputs(self) -> int | None:
        """D, if it is known."""

    @abc.abstractmethod
    def init(self, key: jax.Array) -> Weights:
        """Returns the weights of one cell, nested dictionaries of arrays."""

    @abc.abstractmethod
    def step(self, weights: Weights, carry: Carry, x: jax.Array) -> tuple[Carry, Any]:
        """Runs one step: x [*B, D]; returns the next carry and the output [*B, H]."""

    @abc.abstractmethod
    def initialize_carry(self, input_shape: tuple[int, ...]) -> Carry:
        """Returns the carry before the first step, of inputs of shape [*B, D]."""

    def __call__(self, *, rngs: nnx.Rngs) -> "AdaptedCell":
        """Returns the cell as a Flax module, its weights drawn from `rngs.params()`."""
        return AdaptedCell(self, rngs=rngs)


class AdaptedCell(nnx.RNNCellBase):
    """What an `Adapter` makes: its cell, with the weights as `nnx.Param`s."""

    def __init__(self, adapter: Adapter, *, rngs: nnx.Rngs):
        """Draws the weights."""
        self.adapter = nnx.static(adapter)
        self.in_features = adapter.num_inputs
        self.weights = params_of(adapter.init(rngs.params()))

    def __call__(self, carry: Carry, inputs: jax.Array) -> tuple[Carry, Any]:
        """Runs one step."""
        return self.adapter.step(stored_of(self.weights), carry, inputs)

    def initialize_carry(
        self, input_shape: tuple[int, ...], rngs: Any = None, carry_init: Any = None
    ) -> Carry:
        """Returns the carry before the first step."""
        del rngs, carry_init
        return self.adapter.initialize_carry(input_shape)

    @property
    def num_feature_axes(self) -> int:
        """One: the features are the last axis."""
        return 1


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
    def num_inputs(self) -> int:  # noqa: D102
        return self.in_features

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

    def initialize_carry(self, input_shape):  # noqa: D102
        return self.make().initialize_carry(jax.random.key(0), input_shape)


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

    @property
    def num_inputs(self) -> int:  # noqa: D102
        return self.in_features

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

    def initialize_carry(self, input_shape):  # noqa: D102
        one = self._pure(lambda core: core.initial_state(None)).apply({})
        return _repeated(one, input_shape[:-1])

    def _pure(self, run: Callable[[Any], Any]) -> Any:
        import haiku as hk

        return hk.without_apply_rng(hk.transform(lambda: run(self.make())))


@dataclasses.dataclass(frozen=True)
class Equinox(Adapter):
    """A cell of Equinox: a module called with one input and the hidden state.

    Its kernels are held as [in, out], the transpose of Equinox's own, so that what a
    sharing does to outputs (`Scaled`, `LowRank`) it does to outputs here. What is drawn
    are its inexact arrays; the rest of the module is fixed.

    Attributes:
      make: returns the cell, as `functools.partial(equinox.nn.LSTMCell, 12, 64)` does
        of `key=...`.
      carry_sizes: the features of the carry, H, or (H, H) of a pair whose first is the
        output; by default as the cell's own class and its `hidden_size` say.

    Raises:
      ValueError: if the carry's sizes are neither given nor known.
    """

    make: Callable[..., Any]
    carry_sizes: int | tuple[int, ...] | None = None

    @property
    def num_inputs(self) -> int | None:  # noqa: D102
        return getattr(self._shape(), "input_size", None)

    def init(self, key: jax.Array) -> Weights:  # noqa: D102
        import equinox

        arrays = equinox.filter(self.make(key=key), equinox.is_inexact_array)
        leaves = jax.tree_util.tree_leaves_with_path(arrays)
        return {_name(path): _turned(leaf) for path, leaf in leaves}

    def step(self, weights, carry, x):  # noqa: D102
        import equinox

        arrays, static = equinox.partition(self._shape(), _is_inexact)
        arrays = jax.tree_util.tree_map_with_path(
            lambda path, _: _turned(weights[_name(path)]), arrays
        )
        cell = equinox.combine(arrays, static)

        def one(carry: Carry, x: jax.Array) -> tuple[Carry, Any]:
            carry = cell(x, carry)
            return carry, jax.tree.leaves(carry)[0]

        return _batched(one, x)(carry, x)

    def initialize_carry(self, input_shape):  # noqa: D102
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
        return _zeros(sizes, input_shape)

    def _shape(self) -> Any:
        """Returns the cell with shapes in place of its arrays."""
        import equinox

        return equinox.filter_eval_shape(self.make, key=jax.random.key(0))


@dataclasses.dataclass(frozen=True)
class Function(Adapter):
    """A plain function as a cell.

    Attributes:
      run: `run(weights, carry, x)` returns the next carry and the output [*B, H].
      draw: `draw(key)` returns the weights, nested dictionaries of arrays.
      carry_sizes: the features of the carry, which begins at zero: H, or a tuple of
        sizes of one that is a tuple.
      in_features: D, which inputs are checked by; by default they are not.
    """

    run: Callable[[Weights, Carry, jax.Array], tuple[Carry, Any]]
    draw: Callable[[jax.Array], Weights]
    carry_sizes: int | tuple[int, ...]
    in_features: int | None = None

    @property
    def num_inputs(self) -> int | None:  # noqa: D102
        return self.in_features

    def init(self, key: jax.Array) -> Weights:  # noqa: D102
        return self.draw(key)

    def step(self, weights, carry, x):  # noqa: D102
        return self.run(weights, carry, x)

    def initialize_carry(self, input_shape):  # noqa: D102
        return _zeros(self.carry_sizes, input_shape)


def _zeros(sizes: int | tuple[int, ...], input_shape: tuple[int, ...]) -> Carry:
    if isinstance(sizes, int):
        return jnp.zeros((*input_shape[:-1], sizes))
    return tuple(jnp.zeros((*input_shape[:-1], size)) for size in sizes)


def _repeated(carry: Carry, batch: tuple[int, ...]) -> Carry:
    return jax.tree.map(
        lambda h: jnp.broadcast_to(jnp.reshape(h, (1,) * len(batch) + h.shape),
                                   (*batch, *h.shape)),
        carry,
    )  # fmt: skip


def _batched(one: Callable[..., Any], x: jax.Array) -> Callable[..., Any]:
    """Returns a step of one sequence as one of x's batch axes."""
    for _ in range(x.ndim - 1):
        one = jax.vmap(one)
    return one


def _is_inexact(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.inexact)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _turned(leaf: jax.Array) -> jax.Array:
    """Returns a kernel with its two axes exchanged; any other leaf as it is."""
    return leaf.T if leaf.ndim == 2 else leaf
