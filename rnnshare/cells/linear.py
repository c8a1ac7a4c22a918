r"""Cells whose recurrence is linear in the carry, and so can be run in parallel.

    a, b = coefficients(x W + b_in)     `input`, D to G; no carry in it
    h' = a * h + b                      at each unit by itself
    y = read(h', ...)                   h', or by one more map, `output`

As nothing but `a * h` needs the carry, products and coefficients are made for all steps
at once, and what is left is a linear recurrence: see `unrolling.linear`.

Shape letters: B batch (any number of axes), D input features, H hidden features,
G = gates x H gate features.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnshare.cells.blueprint import Blueprint
from rnnshare.cells.gated import GatedCell, Product, affine, is_plain
from rnnshare.unrolling.linear import with_batch_axes

Output = Callable[[jax.Array], jax.Array]


class LinearCell(GatedCell):
    """What linear cells share: the input map, the recurrence, and the step of the two.

    A subclass names its gates and writes `coefficients`. One whose a is not a number a
    unit writes `multiply`, `transpose` and `one` too; one that outputs something else
    than its carry writes `read`, and makes the map `output` if that needs it.
    """

    one: ClassVar[Any] = 1.0  # the a that leaves the carry as it is
    output: Any = None  # an `nnx.Linear`, if there is one

    def coefficients(self, from_input: jax.Array) -> tuple[Any, Any]:
        """Returns a and b of one step, by the parameters of that step.

        Args:
          from_input: [*B, G], what `input` made of x.

        Returns:
          a, a pytree like the carry whose batch axes may be 1, or left out; b, one like
          the carry. Where a is above 1, its products over time may overflow, which
          implementation='associative' forms and 'fused' does not.
        """
        raise TypeError(
            "LinearCell is abstract. Use MinGRUCell, MinLSTMCell or LRUCell."
        )

    @staticmethod
    def multiply(a: Any, h: Any) -> Any:
        """Returns `a * h`, of a carry h, or of another a."""
        return jax.tree.map(jnp.multiply, a, h)

    @staticmethod
    def transpose(a: Any) -> Any:
        """Returns the a of the transposed map; a number is its own."""
        return a

    def read(self, h: Any, from_input: jax.Array, output: Output | None) -> jax.Array:
        """Returns y [..., H] of the new carry; it reads no parameters.

        Args:
          h: the new carry, leaves [..., H].
          from_input: [..., G], what `input` made of x.
          output: the map `output`, if there is one.
        """
        del from_input, output
        return h

    def __call__(self, carry: Any, inputs: jax.Array) -> tuple[Any, jax.Array]:
        """Runs one step: carry of [*B, H] leaves, inputs [*B, D], output [*B, H]."""
        return self.advance(carry, self.input(inputs), self.output)

    def advance(
        self, carry: Any, from_input: jax.Array, output: Output | None
    ) -> tuple[Any, jax.Array]:
        """Runs one step from what `input` made of x; see `read` for `output`."""
        a, b = self.coefficients(from_input)
        through = self.multiply(with_batch_axes(a, b), carry)
        h = jax.tree.map(jnp.add, through, b)
        return h, self.read(h, from_input, output)


@dataclasses.dataclass(frozen=True)
class LinearStep:
    """The step of a `LinearCell`, by the products of its kernels.

    Attributes:
      cell: the blueprint of a `LinearCell`.
    """

    cell: Blueprint
    input_map: ClassVar[tuple[str, ...]] = ("input",)
    output_map: ClassVar[tuple[str, ...]] = ("output",)

    @staticmethod
    def suits(cell: Any) -> bool:
        """Whether a cell's step is that of `LinearCell`, its maps plain ones."""
        return (
            isinstance(cell, LinearCell)
            and type(cell).__call__ is LinearCell.__call__
            and type(cell).advance is LinearCell.advance
            and is_plain(cell.input)
            and (cell.output is None or is_plain(cell.output))
        )

    def __call__(self, weights: Any, carry: Any, x: jax.Array) -> tuple[Any, jax.Array]:
        """Runs the cell with all its weights."""
        return self.cell.bind(weights)(carry, x)

    def by_products(
        self, product: Product, weights: Any, carry: Any, x: jax.Array
    ) -> tuple[Any, jax.Array]:
        """Runs the cell by `product(path, x)`; it reads no kernel of the weights."""
        output = functools.partial(affine, product, weights, "output")
        return self.cell.bind(weights).advance(
            carry, affine(product, weights, "input", x), output
        )

    def linear_cell(self, weights: Any = None) -> LinearCell:
        """Returns the cell with the weights of a step, or with none."""
        return self.cell.bind(weights)
