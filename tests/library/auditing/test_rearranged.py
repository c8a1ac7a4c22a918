"""Law: a step reads what a NaN in the parameter reaches; or nobody claims to know.

The twin of the audit is the same program in NumPy, run once for each number of the
parameter with a NaN in its place.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnshare.auditing import audit_function

SHAPE = (2, 3, 2)


def reshape(xp, z):
    return z.reshape(-1, z.shape[-1])


def cut(xp, z):
    return z.reshape(z.shape[0], -1)


def part(xp, z):
    return xp.concatenate(xp.split(z, z.shape[0], axis=0)[::-1], axis=0)


def mask(xp, z):
    even = np.arange(z.shape[0]).reshape(-1, *[1] * (z.ndim - 1)) % 2 == 0
    return xp.where(even, z, xp.ones_like(z))


MOVES = {
    "transpose": lambda xp, z: z.T,
    "swap": lambda xp, z: xp.swapaxes(z, 0, -1),
    "flip": lambda xp, z: xp.flip(z, 0),
    "roll": lambda xp, z: xp.roll(z, 1, axis=0),
    "twice": lambda xp, z: xp.concatenate([z, xp.flip(z, 0)], axis=0),
    "stack": lambda xp, z: xp.stack([z, z, xp.flip(z, 0)]),
    "take": lambda xp, z: xp.take(z, np.array([0, -1, 0]), axis=0, mode="wrap"),
    "inner": lambda xp, z: xp.take(z, np.array([0, 0]), axis=-1, mode="wrap"),
    "repeat": lambda xp, z: xp.repeat(z, 2, axis=0),
    "tile": lambda xp, z: xp.tile(z, (2, *[1] * (z.ndim - 1))),
    "pad": lambda xp, z: xp.pad(z, [(1, 0), *[(0, 1)] * (z.ndim - 1)]),
    "slice": lambda xp, z: z[::2],
    "reshape": reshape, "cut": cut, "part": part, "mask": mask,
}  # fmt: skip
SUMS = {
    "scale": lambda xp, z: z * np.float32(2),
    "add": lambda xp, z: z + xp.flip(z, 0),
    "rows": lambda xp, z: z / (1 + xp.sum(z, axis=0, keepdims=True)),
    "columns": lambda xp, z: z - xp.max(z, axis=-1, keepdims=True),
    "product": lambda xp, z: z @ xp.swapaxes(z, -1, -2),
    "cumsum": lambda xp, z: xp.cumsum(z, axis=0),
    "diagonal": lambda xp, z: xp.einsum("...ij,...ij->...i", z, z),
}


def through(names, xp, z):
    for name in names:
        if z.size < 200 and z.ndim >= 2:
            z = ({**MOVES, **SUMS})[name](xp, z)
    return z


def reached(names):
    """Returns which steps read which numbers: bool[T, numbers]."""
    rows = []
    for number in range(np.prod(SHAPE)):
        w = np.random.default_rng(0).uniform(1, 2, SHAPE).astype(np.float32)
        w.ravel()[number] = np.nan
        with np.errstate(all="ignore"):
            z = through(names, np, w)
        rows.append(np.isnan(z).any(axis=tuple(range(1, z.ndim))))
    return np.array(rows).T


def found(names):
    def run(w, x):
        z = through(names, jnp, w)
        return jax.lax.scan(lambda h, z: (h + jnp.sum(z * h), None), x, z)[0]

    return audit_function(run, jnp.ones(SHAPE), jnp.float32(1))


def check(names, may_be_unknown):
    read = reached(names)
    same = (read[:, None] == read[None]).all(-1) & read.any(-1)[:, None]
    audit = found(names)
    reads = [one for one in audit["params"].reads if one.loop == 0]
    if reads and reads[0].how == "unknown":
        assert may_be_unknown, audit
        return
    if not read.any():
        assert not reads
        return
    np.testing.assert_array_equal(audit.tying("params", 0), same, err_msg=str(audit))
    parts = [part is not None for part in reads[0].parts]
    np.testing.assert_array_equal(parts, read.any(-1))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=5))
def test_rearrangements_are_known(names):
    check(names, may_be_unknown=False)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(sorted({**MOVES, **SUMS})), max_size=5))
def test_what_is_computed_is_right_or_unknown(names):
    check(names, may_be_unknown=True)


@pytest.mark.parametrize("name", sorted(SUMS.keys() - {"cumsum"}))
def test_sums_and_products_are_known(name):
    check([name], may_be_unknown=False)


def test_a_running_sum_is_not_said_to_be_the_same_at_every_step():
    read = found(["cumsum"])["params"].reads[0]
    assert read.how == "unknown"
