"""An Elman cell of saturated-linear units that is wired by hand, not trained.

    h' = clip(x W + b + h U, 0, 1)

`Wiring` names the units and joins them; `WiredCell` is what comes of it: an ordinary
`ElmanCell` with ordinary weights, which `rnnshare.unroll` and `rnnshare.RNN` run.

Reference: Siegelmann and Sontag, 1995, "On the computational power of neural nets".
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnshare.cells.blueprint import Blueprint
from rnnshare.cells.standard import ElmanCell
from rnnshare.models.rnn import step_of
from rnnshare.sharing.templates import Tied
from rnnshare.unrolling.scan import unroll


def saturated_linear(x: jax.Array) -> jax.Array:
    """Returns `min(max(x, 0), 1)`."""
    return jnp.clip(x, 0, 1)


@dataclasses.dataclass(frozen=True, eq=False)
class WiredCell:
    """The weights of a saturated-linear Elman cell, exact in float64, and its names.

    Attributes:
      units: H names.
      inputs: D names.
      input_kernel: [D, H].
      bias: [H].
      recurrent_kernel: [H, H].
    """

    units: tuple[str, ...]
    inputs: tuple[str, ...]
    input_kernel: np.ndarray
    bias: np.ndarray
    recurrent_kernel: np.ndarray

    @property
    def index(self) -> dict[str, int]:
        """Where each unit stands."""
        return {name: i for i, name in enumerate(self.units)}

    def make_cell(self, *, rngs: nnx.Rngs, param_dtype: Any = jnp.float32) -> ElmanCell:
        """Returns the cell with its weights, as `rnnshare.RNN` asks for one."""
        return ElmanCell(
            len(self.inputs),
            len(self.units),
            activation=saturated_linear,
            kernel_init=_constant(self.input_kernel),
            recurrent_init=_constant(self.recurrent_kernel),
            bias_init=_constant(self.bias),
            param_dtype=param_dtype,
            rngs=rngs,
        )

    def stored(self, dtype: Any = np.float32) -> dict[str, dict[str, np.ndarray]]:
        """Returns what `Tied()` stores: the weights, in the order of the cell's own.

        Raises:
          ValueError: if a weight is no number of this dtype.
        """
        weights = {
            "input": {"bias": self.bias, "kernel": self.input_kernel},
            "recurrent": {"kernel": self.recurrent_kernel},
        }
        cast = jax.tree.map(lambda w: w.astype(dtype), weights)
        for one, other in zip(*map(jax.tree.leaves, (weights, cast)), strict=True):
            if not np.array_equal(one, other.astype(np.float64)):
                raise ValueError(
                    f"The wired cell has weights that are not exact in {dtype}. Use a "
                    "smaller base, or float64."
                )
        return cast

    def run(self, inputs: Any, carry: Any, dtype: Any = np.float32) -> Any:
        """Runs the cell by `unroll` under `Tied`; returns the carry and the outputs.

        Args:
          inputs: [T, *B, D].
          carry: [*B, H].
          dtype: what to compute in, float32 or float64.

        Returns:
          The last carry [*B, H] and the outputs [T, *B, H], NumPy arrays.
        """
        with jax.enable_x64(np.dtype(dtype) == np.float64):
            arrays = jax.tree.map(
                lambda x: jnp.asarray(x, dtype), (self.stored(dtype), inputs, carry)
            )
            step = step_of(
                Blueprint.of(functools.partial(self.make_cell, param_dtype=dtype))
            )
            # A GPU may round the factors of a product unless it is told not to.
            with jax.default_matmul_precision("highest"):
                return jax.device_get(_unroll_tied(step, *arrays))


@functools.partial(jax.jit, static_argnums=0)
def _unroll_tied(step, stored, inputs, carry):
    return unroll(step, Tied(), stored, inputs, carry)


def _constant(value: np.ndarray) -> Any:
    """Returns an initialiser that gives this array."""

    def init(key: Any, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
        del key
        return jnp.asarray(value, dtype).reshape(shape)

    return init


class Wiring:
    """Units by name, and the weights between them, while a cell is being wired."""

    def __init__(self, inputs: Iterable[str] = ()):
        """Takes the names of the inputs."""
        self._inputs = {name: i for i, name in enumerate(inputs)}
        self._units: dict[str, int] = {}
        self._bias: list[float] = []
        self._weights: dict[tuple[str, str], float] = {}

    def add(self, name: str, bias: float = 0) -> str:
        """Adds a unit; returns its name.

        Raises:
          ValueError: if a unit or an input has the name.
        """
        if name in self._units or name in self._inputs:
            kind = "a unit" if name in self._units else "an input"
            raise ValueError(
                f"Wiring has {kind} {name!r} already. Give the new unit another name."
            )
        self._units[name] = len(self._units)
        self._bias.append(bias)
        return name

    def join(self, unit: str, weights: Mapping[str, float]) -> None:
        """Adds weights into a unit, `{unit or input: weight}`, to those it has."""
        for source, weight in weights.items():
            at = source, unit
            self._weights[at] = self._weights.get(at, 0) + weight

    def build(self) -> WiredCell:
        """Returns the cell."""
        size = len(self._units)
        recurrent = np.zeros((size, size))
        kernel = np.zeros((len(self._inputs), size))
        for (source, unit), weight in self._weights.items():
            matrix, rows = recurrent, self._units
            if source in self._inputs:
                matrix, rows = kernel, self._inputs
            matrix[rows[source], self._units[unit]] = weight
        return WiredCell(
            tuple(self._units),
            tuple(self._inputs),
            kernel,
            np.array(self._bias, np.float64),
            recurrent,
        )
