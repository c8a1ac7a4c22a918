"""Whether a function acts on every element by itself, read off its jaxpr."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnnshare.sharing.drawing import equations_of

# Operations whose element i reads element i of each operand alone, and those that call
# a jaxpr, whose equations are looked at in turn.
_ELEMENTWISE = frozenset(
    """
    abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp
    convert_element_type copy copy_p cos cosh digamma div eq erf erf_inv erfc exp exp2
    expm1 floor ge gt imag integer_pow is_finite le lgamma log log1p logistic lt max min
    mul ne neg nextafter not one_minus_square or pow real reduce_precision rem round
    rsqrt select_n sign sin sinh sqrt square stop_gradient sub tan tanh xor
    checkpoint closed_call core_call custom_jvp_call custom_lin custom_vjp_call
    custom_vjp_call_jaxpr jit pjit remat
    """.split()  # noqa: SIM905
)


def is_elementwise(function: Callable[[jax.Array], jax.Array], like: jax.Array) -> bool:
    """Whether a function of an array, and its derivative, mix no elements.

    False where that cannot be told: a softmax reduces, and so is none; a function that
    scales each feature by a number of its own broadcasts, and is not recognised.

    Args:
      function: from an array to one of its shape.
      like: of the shape and dtype that it will get.
    """

    def with_derivative(x: jax.Array, dx: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.jvp(function, (x,), (dx,))

    shape = jax.ShapeDtypeStruct(like.shape, like.dtype)
    jaxpr, (out, _) = jax.make_jaxpr(with_derivative, return_shape=True)(shape, shape)
    return out.shape == like.shape and all(
        equation.primitive.name in _ELEMENTWISE
        or (
            equation.primitive.name == "broadcast_in_dim"
            and jnp.ndim(getattr(equation.invars[0], "aval", equation.invars[0])) == 0
        )
        for equation in equations_of(jaxpr.jaxpr)
    )
