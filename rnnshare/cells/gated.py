"""What cells of gates share: sizes, dtypes, the input map, a carry of H features.

Shape letters: B batch (any number of axes), D input features, H hidden features,
G = gates x H gate features.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn.dtypes import promote_dtype

from rnnshare.cells.holding import shows_what_it_holds

Initializer = jax.nn.initializers.Initializer
Product = Callable[[tuple[str, ...], jax.Array], jax.Array]


class GatedCell(nnx.RNNCellBase):
    """A cell that reads its input by one affine map, `input`, from D to G."""

    gates: ClassVar[tuple[str, ...]]  # their names, in the order of G

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        kernel_init: Initializer | None = None,
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
          bias_init: of its bias [G]; zeros by default.
          dtype: what to compute in; by default what inputs and parameters promote to.
          param_dtype: what the parameters and a fresh carry are in.
          rngs: where the draws come from.

        Raises:
          ValueError: if there are fewer than 0 input or 1 hidden features.
        """
        for name, size, least in (
            ("in_features", in_features, 0),
            ("hidden_features", hidden_features, 1),
        ):
            if size < least:
                raise ValueError(
                    f"{type(self).__name__}: {name} is {size}. Use at least {least}."
                )
        self.in_features = in_features
        self.hidden_features = hidden_features
        self.dtype = dtype
        self.param_dtype = param_dtype
        self.input = nnx.Linear(
            in_features,
            self.num_gates * hidden_features,
            kernel_init=kernel_init or input_init(in_features),
            bias_init=bias_init or nnx.initializers.zeros_init(),
            dtype=dtype,
            param_dtype=param_dtype,
            rngs=rngs,
        )

    @property
    def num_gates(self) -> int:
        """G / H."""
        return len(self.gates)

    def initialize_carry(
        self,
        input_shape: tuple[int, ...],
        rngs: Any = None,
        carry_init: Initializer | None = None,
    ) -> Any:
        """Returns the carry before the first step: h [*B, H], zero by default."""
        shape = (*input_shape[:-1], self.hidden_features)
        if carry_init is None:
            return jnp.zeros(shape, self.param_dtype)
        key = rngs.carry() if isinstance(rngs, nnx.Rngs) else rngs()
        return carry_init(key, shape, self.param_dtype)

    @property
    def num_feature_axes(self) -> int:
        """One: the features are the last axis."""
        return 1


def input_init(in_features: int) -> Initializer:
    """Returns LeCun's normal initialiser; of no features it has nothing to scale."""
    if in_features == 0:
        return nnx.initializers.zeros_init()
    return nnx.initializers.lecun_normal()


def is_plain(layer: Any) -> bool:
    """Whether a layer is an affine map, computed as any other product is."""
    return (
        type(layer) is nnx.Linear
        and layer.dot_general is jax.lax.dot_general
        and layer.precision is layer.preferred_element_type is None
        and layer.promote_dtype is promote_dtype
        and shows_what_it_holds(layer.kernel)
        and (layer.bias is None or shows_what_it_holds(layer.bias))
    )


def affine(product: Product, weights: Any, name: str, x: jax.Array) -> jax.Array:
    """Returns a cell's affine map of x [*B, in], its kernel read by `product`."""
    y = product((name, "kernel"), x)
    bias = weights[name].get("bias")
    if bias is None:
        return y
    return y + bias.reshape((1,) * (y.ndim - 1) + bias.shape)
