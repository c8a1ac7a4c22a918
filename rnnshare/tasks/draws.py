"""Draws of 32 bits: the same numbers in every process, `jax_enable_x64` or not."""

import functools

import jax
import jax.numpy as jnp

randint = functools.partial(jax.random.randint, dtype=jnp.int32)
uniform = functools.partial(jax.random.uniform, dtype=jnp.float32)
normal = functools.partial(jax.random.normal, dtype=jnp.float32)
one_hot = functools.partial(jax.nn.one_hot, dtype=jnp.float32)


def bernoulli(
    key: jax.Array, p: jax.Array | float = 0.5, shape: tuple[int, ...] | None = None
) -> jax.Array:
    """Returns bool[*shape], true with probability p."""
    return jax.random.bernoulli(key, jnp.asarray(p, jnp.float32), shape)


def signs(coins: jax.Array) -> jax.Array:
    """Returns float32[...], +1 where a coin is true, else -1."""
    return jnp.where(coins, jnp.float32(1), jnp.float32(-1))
