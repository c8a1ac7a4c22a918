"""Stacks of blocks: causal, of the sizes that are told, and refused what they lack."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.depth import measure as study
from experiments.depth.models import BLOCKS, StackFor, StackSetting, sizes
from experiments.depth.plan import FOLK, MNIST, PLANS, WIDE
from rnnshare import Cyclic, Segments, Tied, Untied

QUICK = PLANS["quick"]


@pytest.mark.parametrize("block", BLOCKS)
def test_stacks_are_causal_and_read_all_that_came_before(block):
    make = StackFor(BLOCKS[block], 4, Cyclic(2), 3, 6, 2, 3, "every", None)
    model = make(rngs=nnx.Rngs(0))
    run = jax.jit(lambda x: jax.jacobian(lambda x: model(x[None])[0])(x))
    x = jax.random.normal(jax.random.key(1), (6, 2))
    reads = np.abs(np.asarray(run(x))).sum((1, 3)) > 0  # [answered at, read]
    np.testing.assert_array_equal(reads, np.tri(6, dtype=bool))


def test_sequences_of_lengths_of_their_own_are_refused():
    make = StackFor(BLOCKS["Mixer"], 4, Tied(), 2, 6, 2, 3, "last", None)
    model = make(rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"seq_lengths are given\. Use a task whose"):
        model(jnp.zeros((1, 6, 2)), seq_lengths=jnp.array([3]))


@pytest.mark.parametrize(
    ("model", "data", "sharing", "count"),
    [
        ("Transformer", FOLK, Tied(), 1),
        ("Transformer", MNIST, Untied(4), 4),
        ("Mixer", FOLK, Cyclic(2), 2),
        ("Mixer", MNIST, Tied(), 1),
        (study.TIME, FOLK, Segments(32, 4), 4),
        (study.TIME, MNIST, Tied(), 1),
    ],
)
def test_sizes_are_those_of_the_models(model, data, sharing, count):
    tied = study.base(QUICK, model, data, 4)
    setting = dataclasses.replace(tied, sharing=sharing, hidden_features=6)
    assert sum(sizes(setting, count).values()) == setting.num_parameters()


def test_the_wide_tied_models_have_the_parameters_of_the_untied():
    for plan in (QUICK, PLANS["full"]):
        arms = study.arms(plan)
        for *case, arm in arms:
            if arm != WIDE:
                continue
            (wide, *_), (untied, *_) = arms[*case, WIDE], arms[*case, "Untied"]
            own, target = (sum(sizes(s, n).values()) for s, n in
                           ((wide, 1), (untied, untied.sharing.num_steps)))  # fmt: skip
            assert own == pytest.approx(target, rel=0.05), case
            assert wide.sharing == Tied()
            assert wide.hidden_features > untied.hidden_features


def test_a_row_tells_stacks_of_other_depths_apart():
    one = study.base(QUICK, "Mixer", MNIST, 4)
    other = dataclasses.replace(one, depth=8)
    pair = study.frames.replicates(1)[0]
    assert isinstance(one, StackSetting) and one.columns()["depth"] == 4
    assert one.key(pair) != other.key(pair)
