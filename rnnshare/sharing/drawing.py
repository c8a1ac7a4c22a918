"""Draws of many weight sets at once, and of orthogonal matrices by products alone."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_PANEL = 32  # reflections that are multiplied out together
_LARGEST_BATCH = 2**23  # scalars drawn together; they need a few times their memory
# What XLA gives to LAPACK on a CPU.
_FACTORISATIONS = {
    *("cholesky", "eig", "eigh", "geqp3", "geqrf", "householder_product", "lu"),
    *("qr", "schur", "svd", "triangular_solve", "tridiagonal"),
}


def draw_many(draw: Callable[[jax.Array], Any], keys: jax.Array) -> Any:
    """Returns `draw(key)` of many keys, stacked on a leading axis.

    In batches, unless a draw factorises a matrix: batched factorisations wait inside
    XLA's CPU thread pool, and hang where programs on several host devices, or layers,
    draw at once. Those are drawn one after the other.

    Args:
      draw: from one key to a pytree of arrays.
      keys: [N] random keys.
    """
    draw = jax.jit(draw)  # so that it is traced once
    jaxpr, shapes = jax.make_jaxpr(draw, return_shape=True)(keys[0])
    if any(e.primitive.name in _FACTORISATIONS for e in equations_of(jaxpr.jaxpr)):
        return jax.lax.map(draw, keys)
    size = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))
    return jax.lax.map(draw, keys, batch_size=max(1, _LARGEST_BATCH // max(1, size)))


def orthogonal(
    key: jax.Array,
    shape: Sequence[int | Any],
    dtype: Any | None = None,
    out_sharding: Any = None,
) -> jax.Array:
    """Returns a random orthogonal matrix, uniform over all of them (Haar), [n, n].

    Of a complex dtype it is unitary, uniform over all of those.

    An initialiser as those of `jax.nn.initializers`. Its `orthogonal` factorises a
    normal matrix; this one multiplies out the n reflections that the factorisation
    would find, `Q = H_1 ... H_n D`, in panels of products, which batch well. The signs
    D, or phases, make the distribution uniform.

    Raises:
      ValueError: if the shape is not square.
      TypeError: if the dtype is neither floating nor complex.

    References: Stewart, 1980, "The efficient generation of random orthogonal matrices";
    Schreiber, Van Loan, 1989, "A storage-efficient WY representation for products of
    Householder transformations".
    """
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(
            f"orthogonal draws square matrices [n, n], but the shape is "
            f"{tuple(shape)}. jax.nn.initializers.orthogonal() draws others."
        )
    del out_sharding
    dtype = jnp.float32 if dtype is None else dtype
    if not jnp.issubdtype(dtype, jnp.inexact):
        raise TypeError(
            f"orthogonal draws floating or complex numbers, but the dtype is "
            f"{jnp.dtype(dtype).name}. Use float32."
        )
    return _orthogonal(key, shape[0], jnp.dtype(dtype))


@functools.partial(jax.jit, static_argnums=(1, 2))  # so that it is traced once
def _orthogonal(key: jax.Array, size: int, dtype: Any) -> jax.Array:
    # At least float32; of complex dtypes complex64, whose parts are float32.
    precise = np.promote_types(dtype, np.float32)
    # Column k reflects x_k, normal in rows k..n, onto the k-th axis.
    x = jnp.tril(jax.random.normal(key, (size, size), precise))
    first = jnp.diagonal(x)
    sign = _sign(first)
    norm = jnp.linalg.norm(x, axis=0).astype(x.dtype)
    v = x + jnp.diag(sign * norm)
    v = v / jnp.linalg.norm(v, axis=0, keepdims=True).astype(x.dtype)
    count = -(-size // _PANEL)
    v = jnp.pad(v, ((0, 0), (0, count * _PANEL - size)))  # a zero reflects nothing
    panels = jnp.moveaxis(v.reshape(size, count, _PANEL), 1, 0)

    def multiply(q: jax.Array, scanned: Any) -> Any:
        v, t = scanned
        return q - v @ (t @ (v.T.conj() @ q)), None

    q, _ = jax.lax.scan(
        multiply, jnp.eye(size, dtype=x.dtype), (panels, _inner(panels)), reverse=True
    )
    return (q * -sign[None]).astype(dtype)


def _sign(x: jax.Array) -> jax.Array:
    """Returns the sign of each number, of a complex one its phase; 1 of 0."""
    if not jnp.iscomplexobj(x):
        return jnp.where(x < 0, -1, 1).astype(x.dtype)
    size = jnp.abs(x)
    phase = x / jnp.where(size > 0, size, jnp.ones_like(size)).astype(x.dtype)
    return jnp.where(size > 0, phase, jnp.ones_like(x))


def _inner(panels: jax.Array) -> jax.Array:
    """Returns t [N, b, b] of `H_1 ... H_b = I - v t v^H`, upper triangular.

    Args:
      panels: v [N, n, b], unit columns of the reflections `H_k = I - 2 v_k v_k^H`.
    """
    gram = jnp.einsum("nik,nil->nkl", panels.conj(), panels)
    width = gram.shape[-1]

    def add_column(k: jax.Array, t: jax.Array) -> jax.Array:
        column = -2 * jnp.einsum("nkl,nl->nk", t, gram[:, :, k])
        at = jnp.arange(width)
        column = jnp.where((at < k)[None], column, 0).at[:, k].set(2)
        return t.at[:, :, k].set(column)

    return jax.lax.fori_loop(0, width, add_column, jnp.zeros_like(gram))


def equations_of(jaxpr: Any) -> Iterator[Any]:
    """Yields all equations of a jaxpr, and those of the jaxprs inside it."""
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")
        ):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from equations_of(inner)
