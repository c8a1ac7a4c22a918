"""The table that `spectrum.py --explain` prints: what each sharing stores and reads."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare import (
    Basis,
    Cyclic,
    Drift,
    GRUCell,
    Hypernetwork,
    LowRank,
    Mixture,
    Partition,
    Scaled,
    Segments,
    Tied,
    TimeInput,
    Untied,
    expand,
)
from rnnshare.models.sizing import count_parameters

NUM_STEPS = 8
SHARINGS = (
    Tied(),
    Untied(NUM_STEPS),
    Segments(NUM_STEPS, 4),
    Cyclic(3),
    Mixture(NUM_STEPS, 4),
    LowRank(NUM_STEPS, 2, base=Cyclic(3)),
    Scaled(NUM_STEPS),
    Basis(3, period=5.0),
    Basis(3, "chebyshev", period=7.0),
    Basis(5, "bspline", period=7.0),
    Drift(),
    Hypernetwork(2, period=5.0),
    Hypernetwork(2, "learned", num_steps=NUM_STEPS),
    TimeInput(2, period=5.0),
    Partition({"recurrent": Untied(NUM_STEPS, beyond="hold")}),
)


def table():
    """Returns what every sharing reads at steps T, T + 1 and 4 T, by every policy.

    Each entry is found out by running the sharing, not looked up: which of the steps
    0..T-1 has the same weights, else what else they are.
    """
    cell = functools.partial(GRUCell, 3)
    lines = [
        f"T = {NUM_STEPS}; parameters of a GRU with D = 3, H = 8. What a step beyond T "
        "reads: the trained step with the same weights, or 'new'.",
        f"{'sharing':62} {'parameters':>10}  {'beyond':8} {'t = T':>8} {'T + 1':>8} "
        f"{'4 T':>8}",
    ]
    for sharing in SHARINGS:
        size = f"{count_parameters(cell, sharing, 8):,}"
        name = repr(sharing)
        for policy in sharing.policies or ("",):
            reads = [_reads(sharing, policy, t) for t in _UNSEEN]
            lines.append(
                f"{name:62} {size:>10}  {policy or '-':8} "
                + " ".join(f"{read:>8}" for read in reads)
            )
            name = size = ""
    return "\n".join(lines)


_UNSEEN = (NUM_STEPS, NUM_STEPS + 1, 4 * NUM_STEPS)


def _reads(sharing, policy, step):
    """Returns a word for what a step reads."""
    if policy:
        sharing = dataclasses.replace(sharing, beyond=policy)
    stored = _generic(sharing)
    try:
        each = _rows(expand(sharing, stored, step + 1))
    except ValueError:
        return "error"
    seen = each[:NUM_STEPS]
    if policy == "stretch":
        trained = dataclasses.replace(sharing, beyond="hold")
        seen = _rows(expand(trained, stored, NUM_STEPS))
    same = np.flatnonzero(np.abs(seen - each[step]).max(1) < 1e-5)
    if len(same) == NUM_STEPS:
        return "same"
    if len(same):
        return f"step {same[-1]}"
    return policy if policy in ("mean", "base") else "new"


def _rows(weights):
    """Returns [T, P], every step's weights in one row."""
    leaves = jax.tree.leaves(weights)
    return np.concatenate([np.reshape(w, (len(w), -1)) for w in leaves], axis=1)


def _generic(sharing):
    """Returns a stored pytree of noise, of a cell of one kernel and one bias."""

    def init_cell(key):
        return {
            "kernel": jax.random.normal(key, (3, 4)),
            "bias": jnp.zeros(4),
            "recurrent": {"kernel": jnp.ones((4, 4))},
        }

    shapes = jax.eval_shape(
        functools.partial(sharing.init, init_cell=init_cell), jax.random.key(0)
    )
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype), shapes
    )
