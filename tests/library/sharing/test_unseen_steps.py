"""What a sharing reads at steps that it holds no weights for."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare import (
    Basis,
    Cyclic,
    Drift,
    Hypernetwork,
    LowRank,
    Mixture,
    Partition,
    Scaled,
    Schedule,
    Segments,
    TimeInput,
    Untied,
    expand,
)
from rnnshare.sharing.unseen import resolve_steps
from tests.library.law_cases import (
    assert_close,
    assert_equal_to_rounding,
    case,
    generic_like,
)
from tests.library.sharing.sharing_cases import at, learned

FINITE = {
    "Untied": Untied(4),
    "Segments": Segments(5, 3),
    "Schedule": Schedule((0, 2, 1, 2)),
    "Mixture": Mixture(5, 3),
    "Mixture-free": Mixture(4, 2, kind="free"),
    "LowRank": LowRank(4, 1),
    "LowRank-of-Cyclic": LowRank(4, 1, base=Cyclic(3)),
    "LowRank-no-rank-of-Cyclic": LowRank(4, 0, base=Cyclic(3)),
    "Scaled": Scaled(4),
    "Scaled-of-Cyclic": Scaled(4, base=Cyclic(3)),
    "Hypernetwork": learned(2, 4),
}
POLICY_PAIRS = [(name, p) for name, s in FINITE.items() for p in s.policies]
policies = pytest.mark.parametrize(
    ("name", "policy"), POLICY_PAIRS, ids=["-".join(p) for p in POLICY_PAIRS]
)


def by_definition(sharing, stored, policy, count):
    """The weights of `count` steps from those of the T seen ones."""
    limit = sharing.num_steps
    seen = jax.tree.map(np.asarray, expand(sharing, stored, limit))
    steps = np.arange(count)
    if policy == "stretch":
        return at(seen, steps * limit // count)
    if policy == "cycle":
        return at(seen, steps % limit)
    if policy == "hold":
        return at(seen, np.minimum(steps, limit - 1))
    if policy == "mean":
        tail = jax.tree.map(lambda w: np.stack([w.mean(0)] * (count - limit)), seen)
    else:
        base = expand(sharing.base, stored["base"], count)
        tail = jax.tree.map(lambda w: np.asarray(w[limit:]), base)
    return jax.tree.map(lambda w, u: np.concatenate([w, u]), seen, tail)


@policies
def test_unseen_steps_read_what_the_policy_says(name, policy):
    sharing = FINITE[name]
    chosen = dataclasses.replace(sharing, beyond=policy)
    limit = sharing.num_steps
    stored = generic_like(case(sharing, "LSTM").shapes, seed=12)
    if policy == "error":
        message = f"holds weights for {limit} steps, but the inputs have {limit + 1}"
        with pytest.raises(ValueError, match=message):
            expand(chosen, stored, limit + 1)
        return
    count = 2 * limit if policy == "stretch" else 4 * limit + 1
    found = expand(chosen, stored, count)
    assert_close(found, by_definition(sharing, stored, policy, count), 1e-6)
    kernel = found["recurrent"]["kernel"]
    if policy == "stretch":
        # Of one array, but not of one place in its loops: a sum of K products each.
        assert_equal_to_rounding(kernel[::2], kernel[1::2], 8)
    assert float(jnp.ptp(kernel, axis=0).max()) > 0.1 or "no-rank" in name


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("Untied", "hold"),
        ("Untied", "cycle"),
        ("Untied", "mean"),
        ("Segments", "mean"),
        ("Schedule", "mean"),
        ("Schedule", "cycle"),
        ("Mixture", "mean"),
        ("LowRank-of-Cyclic", "base"),
        ("Scaled-of-Cyclic", "base"),
        ("Hypernetwork", "hold"),
    ],
)
def test_traced_steps_read_the_same(name, policy):
    """In chunks, from a start that is traced."""
    sharing = dataclasses.replace(FINITE[name], beyond=policy)
    stored = generic_like(case(sharing, "LSTM").shapes, seed=12)
    c = case(sharing, "LSTM")

    @jax.jit
    def chunk(start):
        steps = resolve_steps(sharing, 3, start=start)
        common, per_step = sharing.split(stored, steps)
        return jax.vmap(lambda _, t: sharing.merge(common, t))(steps, per_step)

    whole = expand(c.sharing, stored, 21)
    for start in (0, 3, 18):
        assert_close(chunk(start), at(whole, slice(start, start + 3)), 1e-6)


def test_parts_follow_their_own_policies():
    parts = {"recurrent": Untied(4, beyond="hold"), "kernel": LowRank(5, 1, Cyclic(3))}
    parts["kernel"] = dataclasses.replace(parts["kernel"], beyond="base")
    sharing = Partition(parts, rest=Mixture(3, 2, beyond="mean"))
    stored = generic_like(case(sharing, "LSTM").shapes, seed=13)
    found = expand(sharing, stored, 17)
    assert sharing.num_steps == 3
    for label, leaf in [
        ("recurrent", ("recurrent", "kernel")),
        ("kernel", ("input", "kernel")),
        ("rest", ("input", "bias")),
    ]:
        member = sharing.members[label]
        plain = dataclasses.replace(member, beyond="error")
        each = by_definition(plain, stored[label], member.beyond, 17)
        assert_close(found[leaf[0]][leaf[1]], each[leaf[0]][leaf[1]], 1e-6)
    strict = Partition(parts | {"kernel": Untied(4)})
    stored = generic_like(case(strict, "LSTM").shapes, 1)
    with pytest.raises(ValueError, match=r"Untied\(num_steps=4\) holds weights for 4"):
        expand(strict, stored, 5)


@pytest.mark.parametrize(
    "sharing",
    [Basis(3, period=5), TimeInput(3, period=5), Hypernetwork(2, period=5), Cyclic(5)],
    ids=repr,
)
def test_fourier_functions_repeat(sharing):
    weights = expand(sharing, generic_like(case(sharing, "LSTM").shapes, 14), 21)
    steps = np.arange(21)
    assert_close(weights, at(weights, steps % 5), 1e-6)
    assert float(jnp.ptp(weights["input"]["bias"], axis=0).max()) > 0.1


@pytest.mark.parametrize("kind", ["chebyshev", "bspline"])
@pytest.mark.parametrize("make", [Basis, TimeInput])
def test_polynomials_hold_from_the_period_on(make, kind):
    sharing = make(5, kind, period=5)
    weights = expand(sharing, generic_like(case(sharing, "LSTM").shapes, 14), 21)
    bias = weights["input"]["bias"]
    for t in (6, 7, 20):
        assert_equal_to_rounding(bias[t], bias[5], 1 + 5)  # a base and 5 products
    assert float(jnp.abs(bias[5] - bias[4]).max()) > 0.01


def test_drift_goes_on():
    sharing = Drift(unit=3)
    stored = generic_like(case(sharing, "LSTM").shapes, 14)
    kernel = expand(sharing, stored, 25)["recurrent"]["kernel"]
    first, rate = stored["templates"]["recurrent"]["kernel"]
    for t in (0, 6, 7, 24):
        assert_close(kernel[t], first + np.float32(t / 3) * rate, 1e-6)
