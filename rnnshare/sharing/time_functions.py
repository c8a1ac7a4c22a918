"""Functions of time: what sharings that are defined at every step are made of."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from rnnshare.sharing.unseen import Steps

KINDS = ("fourier", "chebyshev", "bspline")
_DEGREE = 3  # of the B-splines


def time_functions(kind: str, count: int, period: float, steps: Steps) -> Any:
    """Returns `count` functions of time at the steps, float[n, count].

    - `fourier`: 1, cos(w t), sin(w t), cos(2 w t), ... with w = 2 pi / period.
    - `chebyshev`: T_k(2 t / period - 1), polynomials on [0, period].
    - `bspline`: cubic B-splines (of lower degree for fewer than 4) with equally spaced
      knots on [0, period]; they sum to 1.

    Fourier functions repeat with the period; the others hold their value at t = period
    from there on. The first function is 1 but for B-splines.

    Args:
      kind: one of `KINDS`.
      count: how many.
      period: in steps.
      steps: int[n]; NumPy gives float64 NumPy, traced steps float32 or, with x64
        enabled, float64.
    """
    xp, steps = as_times(steps)
    if kind == "fourier":
        phase = 2 * np.pi * ((steps % period) / period)
        harmonic = (np.arange(count) + 1) // 2
        angle = xp.asarray(harmonic[None], phase.dtype) * phase[:, None]
        even = (np.arange(count) % 2 == 0) & (harmonic > 0)
        return xp.where(even[None], xp.sin(angle), xp.cos(angle))
    place = xp.clip(steps / period, 0.0, 1.0)
    if kind == "chebyshev":
        angle = xp.arccos(xp.clip(2 * place - 1, -1.0, 1.0))
        return xp.cos(xp.arange(count, dtype=angle.dtype)[None] * angle[:, None])
    return _bsplines(xp, count, place)


def as_times(steps: Steps) -> tuple[Any, Any]:
    """Returns NumPy or JAX's, and with it the steps as floating point numbers."""
    if isinstance(steps, np.ndarray):
        return np, steps.astype(np.float64)
    return jnp, steps.astype(jnp.result_type(float))


def _bsplines(xp: Any, count: int, place: Any) -> Any:
    """Returns the B-splines at places in [0, 1] by the recursion of Cox and de Boor."""
    degree = min(_DEGREE, count - 1)
    inner = np.linspace(0.0, 1.0, count - degree + 1)
    knots = np.concatenate([np.zeros(degree), inner, np.ones(degree)])
    knots = xp.asarray(knots, place.dtype)
    x = place[:, None]
    left, right = knots[None, :-1], knots[None, 1:]
    # The last interval that is not empty holds its right end too.
    last = (left < right) & (right == 1.0) & (x == 1.0)
    values = xp.where(((left <= x) & (x < right)) | last, 1.0, 0.0)
    for d in range(1, degree + 1):
        rise, fall = knots[d:-1] - knots[: -d - 1], knots[d + 1 :] - knots[1:-d]
        up = (x - knots[None, : -d - 1]) / xp.where(rise > 0, rise, 1.0)[None]
        down = (knots[None, d + 1 :] - x) / xp.where(fall > 0, fall, 1.0)[None]
        values = (
            xp.where((rise > 0)[None], up, 0.0) * values[:, :-1]
            + xp.where((fall > 0)[None], down, 0.0) * values[:, 1:]
        )
    return values
