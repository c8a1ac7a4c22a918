"""`convert`: the steps that are kept, the key, sharings of your own, and errors."""

import dataclasses
import functools

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
    Segments,
    Sharing,
    Tied,
    Untied,
    expand,
)
from rnnshare.sharing.conversion import convert, project
from tests.library.law_cases import (
    T,
    assert_close,
    assert_equal,
    assert_equal_to_rounding,
    case,
)
from tests.library.sharing.conversion_cases import copies, describe, stored_in


@pytest.mark.parametrize(
    ("source", "target", "count"),
    [
        (Cyclic(5), Untied(T), T),  # the target's
        (Untied(T), Cyclic(4), T),  # else the source's
        (Basis(2, period=4.5), Cyclic(3), 15),  # else a common period of both
        (Tied(), Cyclic(3), 3),
        (Drift(), Tied(), 64),
    ],
    ids=repr,
)
def test_steps_to_keep_by_default(source, target, count):
    stored = stored_in(source)
    found = convert(stored, source, target)
    assert_equal(found, convert(stored, source, target, num_steps=count))


def test_the_number_of_steps_decides_what_is_kept():
    """The mean of a drift, to half the last step."""
    stored = stored_in(Drift())
    first, rate = stored["templates"]["input"]["kernel"]
    for options, count in [({}, 64), ({"num_steps": 9}, 9), ({"num_steps": 1}, 1)]:
        found = convert(stored, Drift(), Tied(), **options)["input"]["kernel"]
        assert_close(found, first + np.float32((count - 1) / 2) * rate, 1e-6)


@pytest.mark.parametrize(
    ("target", "random"),
    [
        (Mixture(T, 3), {"['logits']"}),
        (Mixture(T, 3, kind="free"), {"['coefficients']"}),
        (LowRank(T, 2), {"['u']"}),
        (Hypernetwork(2, "learned", num_steps=T), {"['kernel']", "['embedding']"}),
        (Scaled(T), set()),
        (Basis(3), set()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_key_draws_the_random_parts_only(target, random):
    weights = stored_in("Tied")
    one, same, other = (
        convert(weights, Tied(), target, *key)
        for key in ([], [jax.random.key(0)], [jax.random.key(1)])
    )
    assert_equal(one, same)
    differ = {
        jax.tree_util.keystr(path)
        for path, a in jax.tree_util.tree_leaves_with_path(
            jax.tree.map(np.array_equal, one, other)
        )
        if not a
    }
    assert bool(differ) == bool(random)
    assert all(any(path.endswith(end) for end in random) for path in differ)
    assert all(any(path.endswith(end) for path in differ) for end in random)
    tolerance = 1e-6
    assert_close(expand(target, other, T), copies(weights, T), tolerance)


def test_it_is_what_load_takes():
    """Leaves of bfloat16 stay so, beside the float32 logits of a mixture."""
    weights = jax.tree.map(lambda w: jnp.asarray(w, jnp.bfloat16), stored_in("Tied"))
    for target in (Segments(T, 2), Mixture(T, 2), LowRank(T, 1), Basis(2)):
        init = functools.partial(target.init, init_cell=lambda _: weights)
        like = jax.eval_shape(init, jax.random.key(0))
        assert describe(convert(weights, Tied(), target)) == describe(like)


@dataclasses.dataclass(frozen=True, repr=False)
class Alternating(Sharing):
    """Two sets, by turns, in a pair."""

    num_steps = None

    def init(self, key, init_cell):
        return [init_cell(k) for k in jax.random.split(key)]

    def split(self, stored, steps):
        return stored, jnp.asarray(steps % 2 == 0)

    def merge(self, common, per_step_t):
        return jax.tree.map(lambda a, b: jnp.where(per_step_t, a, b), *common)


@dataclasses.dataclass(frozen=True, repr=False)
class Unknown(Alternating):
    """The same, without a projection; a subclass, whose parent has none either."""


def test_a_sharing_of_your_own_registers():
    weights = stored_in(Cyclic(2))
    message = r"does not know how to store weights in {}\(\)\. Register it"
    with pytest.raises(TypeError, match=message.format("Unknown")):
        convert(weights, Cyclic(2), Unknown())

    @project.register
    def _(target: Alternating, weights, key):
        return [jax.tree.map(lambda w, i=i: w[i::2].mean(0), weights) for i in range(2)]

    for target in (Alternating(), Partition({"kernel": Alternating()}, Cyclic(2))):
        found = convert(weights, Cyclic(2), target, num_steps=T)
        both = expand(target, found, T), expand(Cyclic(2), weights, T)
        assert_equal_to_rounding(*both, 3)  # means of three equal sets
        back = convert(found, target, Cyclic(2))
        assert_equal_to_rounding(back, weights, 3)


TOO_FEW = {
    "source": (Untied(4), Untied(T), {}, r"holds weights for 4 steps.*have 6"),
    "asked": (Tied(), Untied(T), {"num_steps": 4}, r"stores 6 steps, but 4.*num_steps"),
    "given": (Segments(4, 2), Cyclic(2), {"num_steps": 5}, r"holds weights for 4"),
}


@pytest.mark.parametrize("name", TOO_FEW)
def test_too_few_steps_are_an_error(name):
    source, target, options, error = TOO_FEW[name]
    with pytest.raises(ValueError, match=error):
        convert(stored_in(source), source, target, **options)


@pytest.mark.parametrize(
    "target",
    [Mixture(T, 2), Mixture(T, 2, kind="free"), LowRank(T, 1), Scaled(T),
     Segments(T, 3), Hypernetwork(2, "learned", num_steps=T)],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("num_steps", [4, 9])
def test_other_numbers_of_steps_are_refused_or_stored_in_shape(target, num_steps):
    """What comes back is what the target stores, or it says why not."""
    try:
        stored = convert(stored_in("Tied"), Tied(), target, num_steps=num_steps)
    except ValueError as error:
        assert f"num_steps={T}" in str(error)
    else:
        assert describe(stored) == describe(case(target, "LSTM").shapes)
