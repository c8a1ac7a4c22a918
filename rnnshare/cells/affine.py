"""Recurrent cells on one cut: two affine maps, and a pointwise function of their sum.

    a = x W_input + b_input           `input`, D to G
    u = h W_recurrent (+ b_recurrent) `recurrent`, H to G
    carry, y = activate(carry, a, u)  no parameters, no matrix products

The cut is what makes them fast: `input` needs no carry, so it can be done for all steps
at once, and `activate` is cheap to differentiate by itself. The cells are
`flax.nnx.RNNCellBase`s: they run in `nnx.RNN` as in `rnnshare.RNN`.

Shape letters: B batch (any number of axes), D input features, H hidden features,
G = gates x H gate features.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare.cells.blueprint import Blueprint
from rnnshare.cells.gated import GatedCell, Initializer, Product, affine, is_plain
from rnnshare.sharing.drawing import draw_many, orthogonal


class AffineCell(GatedCell):
    """What the cells share: the two affine maps and the step made of them.

    A subclass names its gates, says whether the recurrent map has a bias of
    its own, and defines `activate`.
    """

    recurrent_bias: ClassVar[bool] = False
    reads_sum_only: ClassVar[bool] = False  # `activate` needs the two maps' sum alone
    is_cudnn_lstm: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any):
        """Resets fused derivative and cuDNN flag if a subclass overrides `activate`."""
        super().__init_subclass__(**options)
        defined = vars(cls)
        if "activate" in defined or "pointwise" in defined:
            if "forward_with_residuals" not in defined:
                for name in ("forward_with_residuals", "jvp_from_residuals"):
                    setattr(cls, name, getattr(AffineCell, name))
            for name in ("reads_sum_only", "is_cudnn_lstm"):
                setattr(cls, name, defined.get(name, False))

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        kernel_init: Initializer | None = None,
        recurrent_init: Initializer | None = None,
        bias_init: Initializer | None = None,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
          in_features: D.
          hidden_features: H.
          kernel_init: of the input kernel [D, G]; LeCun normal by default.
          recurrent_init: of each gate's recurrent kernel [H, H]; orthogonal by default.
          bias_init: of the biases [G]; zeros by default.
          dtype: what to compute in; by default what inputs and parameters promote to.
          param_dtype: what the parameters and a fresh carry are in.
          rngs: where the draws come from.

        Raises:
          ValueError: if there are fewer than 0 input or 1 hidden features.
        """
        options: dict[str, Any] = {
            "bias_init": bias_init or nnx.initializers.zeros_init(),
            "dtype": dtype,
            "param_dtype": param_dtype,
            "rngs": rngs,
        }
        super().__init__(
            in_features, hidden_features, kernel_init=kernel_init, **options
        )
        self.recurrent = nnx.Linear(
            hidden_features,
            self.num_gates * hidden_features,
            use_bias=self.recurrent_bias,
            kernel_init=_gate_by_gate(recurrent_init or orthogonal, self.num_gates),
            **options,
        )

    @staticmethod
    def activate(carry: Any, from_input: jax.Array, from_hidden: jax.Array) -> Any:
        """Returns the next carry and the output.

        Args:
          carry: of [*B, H] leaves.
          from_input: [*B, G], what `input` made of x.
          from_hidden: [*B, G], what `recurrent` made of h.
        """
        raise TypeError("AffineCell is abstract. Use ElmanCell, GRUCell or LSTMCell.")

    @property
    def pointwise(self) -> Callable[..., Any]:
        """`activate` with the options of this cell."""
        return self.activate

    def forward_with_residuals(
        self, carry: Any, from_input: jax.Array, from_hidden: jax.Array
    ) -> tuple[tuple[Any, jax.Array], Any]:
        """Returns what `activate` returns, and residuals for `jvp_from_residuals`.

        A subclass that knows its derivative writes both methods, and keeps the fewest
        arrays: a fused unroll stores the residuals of every step.

        Args:
          carry: see `activate`.
          from_input: see `activate`.
          from_hidden: see `activate`.
        """
        at = (carry, from_input, from_hidden)
        return self.pointwise(*at), at

    def jvp_from_residuals(
        self,
        residuals: Any,
        carry: Any,
        from_input: jax.Array,
        from_hidden: jax.Array,
    ) -> tuple[Any, jax.Array]:
        """Returns the tangents of the next carry and the output; linear in the last 3.

        Args:
          residuals: what `forward_with_residuals` returns beside the results.
          carry: tangents of the carry.
          from_input: [*B, G], tangents of what `input` made of x.
          from_hidden: [*B, G], tangents of what `recurrent` made of h.
        """
        return jax.jvp(self.pointwise, residuals, (carry, from_input, from_hidden))[1]

    @staticmethod
    def hidden(carry: Any) -> jax.Array:
        """Returns h [*B, H], the part of the carry that the recurrent map reads."""
        return carry

    def __call__(self, carry: Any, inputs: jax.Array) -> tuple[Any, jax.Array]:
        """Runs one step: carry of [*B, H] leaves, inputs [*B, D], output [*B, H]."""
        return self.pointwise(
            carry, self.input(inputs), self.recurrent(self.hidden(carry))
        )


@dataclasses.dataclass(frozen=True)
class AffineStep:
    """The step of an `AffineCell`, by the products of its two kernels.

    Attributes:
      cell: the blueprint of an `AffineCell`.
    """

    cell: Blueprint
    input_map: ClassVar[tuple[str, ...]] = ("input",)
    recurrent_map: ClassVar[tuple[str, ...]] = ("recurrent",)

    @staticmethod
    def suits(cell: Any) -> bool:
        """Whether a cell's step is that of `AffineCell`: two plain maps, no more.

        One whose pointwise part reads parameters of its own has the plain step.
        """
        if not isinstance(cell, AffineCell):
            return False
        paths = [path for path, _ in nnx.to_flat_state(nnx.state(cell, nnx.Param))]
        return (
            type(cell).__call__ is AffineCell.__call__
            and all(path[0] in ("input", "recurrent") for path in paths)
            and is_plain(cell.input)
            and is_plain(cell.recurrent)
        )

    def __call__(self, weights: Any, carry: Any, x: jax.Array) -> tuple[Any, jax.Array]:
        """Runs the cell with all its weights."""
        return self.cell.bind(weights)(carry, x)

    def by_products(
        self,
        product: Product,
        weights: Any,
        carry: Any,
        x: jax.Array,
    ) -> tuple[Any, jax.Array]:
        """Runs the cell by `product(path, x)`; of the weights it reads the biases."""
        cell = self.cell.bind()
        return cell.pointwise(
            carry,
            affine(product, weights, "input", x),
            affine(product, weights, "recurrent", cell.hidden(carry)),
        )

    def pointwise_cell(self) -> AffineCell:
        """Returns the cell without weights: what a fused unroll calls reads none."""
        return self.cell.bind()


def _gate_by_gate(init: Initializer, num_gates: int) -> Callable[..., jax.Array]:
    """Returns an initialiser of [H, G] that draws each gate's [H, H] by itself."""

    def init_gates(key, shape, dtype=jnp.float32, **_):
        hidden = shape[0]
        keys = jax.random.split(key, num_gates)
        annotated: list[Any] = []  # what nnx.with_partitioning and its like make

        def draw(key):
            drawn = init(key, (hidden, hidden), dtype)
            if not isinstance(drawn, nnx.VariableMetadata):
                return drawn
            annotated.append(drawn)
            return drawn.raw_value

        gates = jnp.moveaxis(draw_many(draw, keys), 0, 1).reshape(shape)
        if annotated:
            return dataclasses.replace(annotated[0], raw_value=gates)
        return gates

    return init_gates
