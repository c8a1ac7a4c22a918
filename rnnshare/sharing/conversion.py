"""`convert`: from one sharing to another, exactly where the other can say the same.

Shape letters: T steps, K templates, P parameters of one cell.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.sharing.base import Sharing, Stored, Weights, expand
from rnnshare.sharing.combinations import (
    TEMPLATES,
    Basis,
    Combination,
    Hypernetwork,
    Mixture,
)
from rnnshare.sharing.corrections import LowRank, Scaled, TimeInput, is_kernel
from rnnshare.sharing.measures import as_rows, double_of
from rnnshare.sharing.partition import Partition
from rnnshare.sharing.projections import clusters, least_squares, means
from rnnshare.sharing.selections import Selection
from rnnshare.sharing.templates import Tied, Untied
from rnnshare.sharing.unseen import apply_beyond

_SHARP = 20.0  # a logit that leaves other templates 2e-9 of the mixture
_NEITHER = 64  # steps to compare where neither sharing has a number of them


def convert(
    stored: Stored,
    source: Sharing,
    target: Sharing,
    key: jax.Array | None = None,
    *,
    num_steps: int | None = None,
) -> Stored:
    """Returns what `target` stores for the weights that `source` makes of `stored`.

    Exact where the target can say the same: from tied to anything, from anything to
    untied, from segments to finer segments. Then the function is preserved, and
    gradient steps can leave it: equal templates get unequal logits, a low rank a random
    U and V = 0. Else the weights are projected: the mean over the steps that read one
    set, a truncated singular value decomposition, clusters of steps, least squares on
    functions of time. `measures.distance` of both expansions says what that lost.

    Runs on the host in float64 (of complex weights, complex128), and so not under
    `jit`; each leaf is stored in the dtype that the target's `init` gives it.

    Args:
      stored: what `source` stores.
      source: the sharing it comes from.
      target: the sharing to go to.
      key: for the random parts; `jax.random.key(0)` by default.
      num_steps: T, the steps 0..T-1 whose weights are to be kept; by default the number
        that target or source holds, else the least common multiple of their periods,
        else 64.

    Raises:
      ValueError: if the source has no weights for one of these steps.
    """
    key = jax.random.key(0) if key is None else key
    count = num_steps or _span(target, source)
    if target.num_steps is not None and count != target.num_steps:
        raise ValueError(
            f"{target!r} stores {target.num_steps} steps, but {count} are to be kept. "
            f"Use num_steps={target.num_steps}."
        )
    each = expand(source, stored, count)
    found = project(target, jax.tree.map(_as_double, each), key)
    one = jax.tree.map(lambda w: w[0], each)
    like = jax.eval_shape(lambda key: target.init(key, lambda _: one), key)
    return jax.tree.map(
        lambda leaf, w: jnp.asarray(np.asarray(leaf), w.dtype), found, like
    )


@functools.singledispatch
def project(target: Any, weights: Weights, key: jax.Array) -> Stored:
    """Returns what a sharing stores to come nearest to given weights.

    A sharing of your own joins by `project.register`.

    Args:
      target: the sharing; dispatched on.
      weights: float64 (or complex128) leaves [T, ...], the weights of the steps
        0..T-1.
      key: for the random parts.
    """
    raise TypeError(
        f"convert does not know how to store weights in {target!r}. Register it with "
        "rnnshare.sharing.conversion.project.register."
    )


@project.register
def _(target: Tied, weights, key):
    return jax.tree.map(lambda w: w.mean(0), weights)


project.register(Untied, lambda target, weights, key: _of_own_steps(target, weights))


@project.register
def _(target: Selection, weights, key):
    read = target.template_of(_steps_read(target, weights))
    return means(weights, read, target.num_templates)


@project.register
def _(target: Mixture, weights, key):
    weights = _of_own_steps(target, weights)
    rows = _rows(weights)
    count, rank = target.num_templates, len(rows)
    noise = np.asarray(jax.random.normal(key, (rank, count)), np.float64)
    if target.kind == "free":
        u, s, v = np.linalg.svd(rows, full_matrices=False)
        alive = np.zeros(count, bool)
        alive[: len(s)] = s[:count] > 1e-12 * s[0]
        coefficients = np.where(alive, 1.0, noise)
        templates = np.zeros((count, rows.shape[1]))
        for k in np.flatnonzero(alive):
            scale = s[k] / math.sqrt(rank)  # coefficients of size one
            templates[k], coefficients[:, k] = scale * v[k], u[:, k] * math.sqrt(rank)
        return {TEMPLATES: _unrows(templates, weights), target.key: coefficients}
    centres, owner = clusters(rows, count)
    one_hot = _SHARP * (np.arange(count) == owner[:, None])
    # Equal templates mix to the same at any logits; unequal ones let them part.
    logits = noise if len(np.unique(owner)) == 1 else one_hot
    return {TEMPLATES: _unrows(centres, weights), target.key: logits}


@project.register
def _(target: Combination, weights, key):
    weights = _of_own_steps(target, weights)
    count = len(jax.tree.leaves(weights)[0])
    stored: dict[str, Any] = {}
    if isinstance(target, Hypernetwork):
        stored = target.init(key, lambda key: jnp.zeros(()))
    functions = np.asarray(target.coefficients(stored, np.arange(count)), np.float64)
    is_splines = isinstance(target, Basis) and target.kind == "bspline"
    one = np.ones(target.num_templates) if is_splines else np.eye(functions.shape[1])[0]
    return stored | {
        TEMPLATES: jax.tree.map(lambda w: least_squares(functions, w, one), weights)
    }


@project.register
def _(target: TimeInput, weights, key):
    count = len(jax.tree.leaves(weights)[0])
    _, functions = target.split({"encoding": ()}, np.arange(count))
    functions = np.concatenate([np.ones((count, 1)), np.asarray(functions)], axis=1)
    one = np.eye(functions.shape[1])[0]

    def base(w):
        return w.mean(0) if is_kernel(w[0]) else least_squares(functions, w, one)[0]

    def encoding(w):
        return None if is_kernel(w[0]) else least_squares(functions, w, one)[1:]

    return {
        "base": jax.tree.map(base, weights),
        "encoding": jax.tree.map(encoding, weights),
    }


@project.register
def _(target: LowRank, weights, key):
    weights = _of_own_steps(target, weights)
    base, left = _base_and_rest(target, weights, key)
    if target.rank == 0:
        return {"base": base, "correction": jax.tree.map(lambda _: None, left)}
    one = jax.tree.map(lambda w: jax.ShapeDtypeStruct(w.shape[1:], np.float32), left)
    start = target.init_correction(key, one)

    def delta(w, drawn):
        if not isinstance(drawn, dict):
            return w
        u, s, v = np.linalg.svd(w.reshape(len(w), -1, w.shape[-1]), full_matrices=False)
        rank = min(target.rank, s.shape[1])
        alive = (s[:, :rank] > 0)[:, None]
        new_u = np.array(drawn["u"], w.dtype)
        new_v = np.zeros(drawn["v"].shape, w.dtype)
        # Where nothing is to be corrected, U stays as drawn, or V would not move.
        root = np.sqrt(s[:, None, :rank])
        new_u[:, :, :rank] = np.where(alive, u[:, :, :rank] * root, new_u[:, :, :rank])
        new_v[:, :rank] = np.swapaxes(root, 1, 2) * v[:, :rank]
        return {"u": new_u, "v": new_v}

    return {"base": base, "correction": jax.tree.map(delta, left, start)}


@project.register
def _(target: Scaled, weights, key):
    weights = _of_own_steps(target, weights)
    base, left = _base_and_rest(target, weights, key)
    count = len(jax.tree.leaves(weights)[0])
    each = jax.tree.map(_as_double, expand(target.base, base, count))

    def gain(w, b, rest):
        if not is_kernel(w[0]):
            return rest
        axes = tuple(range(1, w.ndim - 1))
        size = np.sum((b * b.conj()).real, axes)
        along = np.sum((w - b) * b.conj(), axes)
        return {"gain": 1.0 + np.divide(along, size, where=size > 0, out=0 * along)}

    return {"base": base, "correction": jax.tree.map(gain, weights, each, left)}


@project.register
def _(target: Partition, weights, key):
    return {
        label: project(target.members[label], part, key)
        for label, part in target.parts_of(weights).items()
    }


def _steps_read(target: Any, weights: Weights) -> np.ndarray:
    """Returns int[T], which of its own steps a sharing reads at each of the weights'.

    A member of another sharing may hold fewer steps than that, or more.
    """
    steps = np.arange(len(jax.tree.leaves(weights)[0]))
    return np.asarray(apply_beyond(target, steps))


def _of_own_steps(target: Any, weights: Weights) -> Weights:
    """Returns weights of the steps that a sharing holds, if it holds a number of them.

    A step that is read at several has their mean, one that is read at none that of all.
    """
    count = len(jax.tree.leaves(weights)[0])
    if target.num_steps in (None, count):
        return weights
    return means(weights, _steps_read(target, weights), target.num_steps)


def _base_and_rest(target: Any, weights: Weights, key: Any) -> tuple[Stored, Weights]:
    """Returns the base that comes nearest, and what it leaves of the weights."""
    count = len(jax.tree.leaves(weights)[0])
    base = project(target.base, weights, key)
    # The base's values as they will be stored, so that the rest makes up for rounding.
    each = expand(target.base, jax.tree.map(jnp.asarray, base), count)
    return base, jax.tree.map(lambda w, b: w - _as_double(b), weights, each)


def _span(target: Sharing, source: Sharing) -> int:
    """Returns the number of steps to keep, where nobody says."""
    for sharing in (target, source):
        if sharing.num_steps is not None:
            return sharing.num_steps
    periods = [getattr(sharing, "period", None) for sharing in (source, target)]
    whole = [math.ceil(period) for period in periods if period is not None]
    return math.lcm(*whole) if whole else _NEITHER


def _as_double(leaf: Any) -> np.ndarray:
    return np.asarray(leaf).astype(double_of(leaf))


def _rows(weights: Weights) -> np.ndarray:
    """Returns [T, P], every step's weights in one row; see `as_rows`."""
    return np.concatenate([as_rows(w) for w in jax.tree.leaves(weights)], axis=1)


def _unrows(rows: np.ndarray, weights: Weights) -> Weights:
    """Returns rows [K, P] as leaves [K, ...] in the structure of weights [T, ...]."""
    leaves = jax.tree.leaves(weights)
    structure: Any = jax.tree.structure(weights)
    ends = np.cumsum([w[0].nbytes // rows.itemsize for w in leaves])[:-1]
    pieces = map(np.ascontiguousarray, np.split(rows, ends, axis=1))
    return structure.unflatten(
        piece.view(w.dtype).reshape(len(rows), *w.shape[1:])
        for piece, w in zip(pieces, leaves, strict=True)
    )
