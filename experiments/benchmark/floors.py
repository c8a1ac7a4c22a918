"""The matrix products of a tied train step alone: what no such step is faster than.

A function takes (cell, shape): 'lstm', 'gru' or 'elman', and (B, T, D, H).
"""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lab.racing import Contender, compiled

Shape = tuple[int, int, int, int]
NUM_GATES = {"lstm": 4, "gru": 3, "elman": 1}


def floor(cell: str, shape: Shape) -> Contender:
    """Returns the products of a tied train step alone, each as one large one.

    Of the recurrent map the forward product, that with the transposed kernel and the
    kernel's gradient; of the input map the forward product and the kernel's gradient.
    """
    batch, steps, features, hidden = shape
    gates = NUM_GATES[cell] * hidden

    def products(x, h, dz, input_kernel, recurrent_kernel):
        return (
            x @ input_kernel,
            h @ recurrent_kernel,
            dz @ recurrent_kernel.T,
            h.T @ dz,
            x.T @ dz,
        )

    rows = steps * batch
    return compiled(
        products,
        _draw(rows, features),
        _draw(rows, hidden),
        _draw(rows, gates),
        _draw(features, gates),
        _draw(hidden, gates),
    )


def floor_in_steps(cell: str, shape: Shape) -> Contender:
    """Returns the same products, those that must wait for one another step by step.

    Its loops do nothing but the recurrent map of the state, forward, and of the
    gradient, backward, and store what they make: all that the pointwise part of a cell,
    or other products than XLA's, could save lies between this and a train step.
    """
    batch, steps, features, hidden = shape
    gates = NUM_GATES[cell] * hidden

    def products(x, dz, input_kernel, recurrent_kernel):
        transposed = recurrent_kernel.T
        a = (x @ input_kernel).reshape(steps, batch, gates)

        def forward(h, a):
            z = a + h @ recurrent_kernel
            return z[:, :hidden], z

        def backward(dh, dz):
            dz = dz + jnp.tile(dh, (1, NUM_GATES[cell]))
            return dz @ transposed, dz

        _, z = jax.lax.scan(forward, jnp.zeros((batch, hidden)), a)
        _, dz = jax.lax.scan(
            backward, jnp.zeros((batch, hidden)), dz.reshape(steps, batch, gates)
        )
        z, dz = z.reshape(-1, gates), dz.reshape(-1, gates)
        return z[:, :hidden].T @ dz, x.T @ dz

    rows = steps * batch
    return compiled(
        products,
        _draw(rows, features),
        _draw(rows, gates),
        _draw(features, gates),
        _draw(hidden, gates),
    )


def _draw(*shape: int) -> jax.Array:
    """Returns normal numbers that products neither blow up nor make vanish."""
    draw = np.random.default_rng(0).normal(size=shape) / shape[0] ** 0.5
    return jnp.asarray(draw, jnp.float32)


def floor_flops(cell: str, shape: Shape) -> float:
    """Returns the floating point operations of the floor."""
    batch, steps, features, hidden = shape
    per_row = 2 * NUM_GATES[cell] * hidden * (3 * hidden + 2 * features)
    return float(batch * steps * per_row)
