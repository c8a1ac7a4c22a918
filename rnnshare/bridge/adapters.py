"""Any cell as a factory of Flax cells, and as plain functions.

Shape letters: B batch (any number of axes), D input features, H hidden features.
"""

import abc
import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
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
    def num_inputs(self) -> int | None:
        """D, if it is known."""
        return getattr(self, "in_features", None)

    @property
    def dtype(self) -> Any:
        """What the cell computes in; None: in the dtype of its inputs."""
        return None

    @abc.abstractmethod
    def init(self, key: jax.Array) -> Weights:
        """Returns the weights of one cell, nested dictionaries of arrays."""

    @abc.abstractmethod
    def step(self, weights: Weights, carry: Carry, x: jax.Array) -> tuple[Carry, Any]:
        """Runs one step: x [*B, D]; returns the next carry and the output [*B, H]."""

    @abc.abstractmethod
    def initialize_carry(
        self, input_shape: tuple[int, ...], key: jax.Array | None = None
    ) -> Carry:
        """Returns the carry before the first step, of inputs of shape [*B, D].

        Args:
          input_shape: [*B, D].
          key: for one that is drawn.
        """

    def __call__(self, *, rngs: nnx.Rngs) -> "AdaptedCell":
        """Returns the cell as a Flax module, its weights drawn from `rngs.params()`."""
        return AdaptedCell(self, rngs=rngs)


class AdaptedCell(nnx.RNNCellBase):
    """What an `Adapter` makes: its cell, with the weights as `nnx.Param`s."""

    def __init__(self, adapter: Adapter, *, rngs: nnx.Rngs):
        """Draws the weights."""
        self.adapter = nnx.static(adapter)
        self.in_features = adapter.num_inputs
        self.dtype = adapter.dtype
        self.weights = params_of(adapter.init(rngs.params()))

    def __call__(self, carry: Carry, inputs: jax.Array) -> tuple[Carry, Any]:
        """Runs one step."""
        return self.adapter.step(stored_of(self.weights), carry, inputs)

    def initialize_carry(
        self, input_shape: tuple[int, ...], rngs: Any = None, carry_init: Any = None
    ) -> Carry:
        """Returns the carry before the first step.

        Raises:
          ValueError: on a `carry_init`, which the cell itself has where it has one.
        """
        if carry_init is not None:
            raise ValueError(
                "An adapted cell begins as its own library has it. Give the cell a "
                "carry_init, or pass initial_carry=..."
            )
        key = None
        if rngs is not None:
            key = rngs.carry() if isinstance(rngs, nnx.Rngs) else rngs()
        return self.adapter.initialize_carry(input_shape, key)

    @property
    def num_feature_axes(self) -> int:
        """One: the features are the last axis."""
        return 1


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

    def init(self, key: jax.Array) -> Weights:  # noqa: D102
        return self.draw(key)

    def step(self, weights, carry, x):  # noqa: D102
        return self.run(weights, carry, x)

    def initialize_carry(self, input_shape, key=None):  # noqa: D102
        return zeros(self.carry_sizes, input_shape)


def zeros(sizes: Any, input_shape: tuple[int, ...]) -> Carry:
    """Returns a carry of zeros for inputs [*B, D]: [*B, H], or a tuple of such."""
    if np.ndim(sizes) == 0:
        return jnp.zeros((*input_shape[:-1], operator.index(sizes)))
    return tuple(jnp.zeros((*input_shape[:-1], size)) for size in sizes)
