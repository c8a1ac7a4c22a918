"""L11: every error is matched by its text, which says the way out."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import (
    RNN,
    Cyclic,
    LSTMCell,
    Segments,
    SequenceModel,
    Sharing,
    Tied,
    Untied,
    expand,
    unroll,
)

MAKE = functools.partial(LSTMCell, 3, 4)
X = jnp.zeros((2, 5, 3))


def rnn(sharing=Tied()):
    return RNN(MAKE, sharing, rngs=nnx.Rngs(0))


def step(weights, carry, x):
    return carry + x @ weights, x


class Noisy(nnx.SimpleCell):
    def __init__(self, *args, rngs):
        super().__init__(*args, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)


CASES = {
    "unseen": (
        lambda: RNN(MAKE, Untied(num_steps=32), rngs=nnx.Rngs(0))(jnp.zeros((48, 3))),
        ValueError,
        r"Untied\(num_steps=32\) holds weights for 32 steps, but the inputs have 48. "
        r"Use beyond='hold', or build it with num_steps=48.",
    ),
    "unseen with start": (
        lambda: rnn(Untied(32))(jnp.zeros((16, 3)), start=24),
        ValueError,
        r"unroll reads steps 24..39 \(start=24, 16 inputs\), past the end of "
        r"Untied\(num_steps=32\).",
    ),
    "chunk past the end": (
        lambda: rnn(Untied(32))(jnp.zeros((16, 3)), start=24, num_steps=32),
        ValueError,
        "num_steps is 32, but the inputs are steps 24..39. Give the number of steps of",
    ),
    "chunk longer than the sequence": (
        lambda: jax.eval_shape(
            lambda start: rnn()(jnp.zeros((6, 3)), start=start, num_steps=5), 0
        ),
        ValueError,
        "num_steps is 5, but the inputs are steps 0..5. Give the number of steps of",
    ),
    "sequence past the weights": (
        lambda: rnn(Untied(32))(jnp.zeros((16, 3)), num_steps=48),
        ValueError,
        r"Untied\(num_steps=32\) holds weights for 32 steps, but the inputs have 48",
    ),
    "length above": (
        lambda: rnn()(X, seq_lengths=np.array([1, 6])),
        ValueError,
        r"seq_lengths\[1\] is 6, but the inputs have 5 steps.",
    ),
    "length below": (
        lambda: rnn()(X, seq_lengths=np.array([-1, 5])),
        ValueError,
        r"seq_lengths\[0\] is -1, but the inputs have 5 steps.",
    ),
    "length float": (
        lambda: rnn()(X, seq_lengths=np.array([1.0, 5.0])),
        TypeError,
        "seq_lengths must be integers, but are float64",
    ),
    "lengths shape": (
        lambda: rnn()(X, seq_lengths=np.array([3])),
        ValueError,
        r"seq_lengths has shape \(1,\), but the batch is \(2,\)",
    ),
    "features": (
        lambda: rnn()(jnp.zeros((2, 5, 7))),
        ValueError,
        r"LSTMCell takes in_features=3, but the inputs have shape \(2, 5, 7\)",
    ),
    "carry": (
        lambda: rnn()(X, initial_carry=jnp.zeros((2, 4))),
        ValueError,
        "initial_carry has the shapes .* Use its initialize_carry",
    ),
    "no sharing": (
        lambda: RNN(MAKE, "untied", rngs=nnx.Rngs(0)),
        TypeError,
        r"sharing is 'untied'. Use a Sharing, such as Tied\(\)",
    ),
    "no cell": (
        lambda: RNN(lambda rngs: nnx.Linear(3, 4, rngs=rngs), rngs=nnx.Rngs(0)),
        TypeError,
        "make_cell must return an nnx.RNNCellBase, but it returned a Linear",
    ),
    "other state": (
        lambda: RNN(functools.partial(Noisy, 3, 4), rngs=nnx.Rngs(0)),
        ValueError,
        "Noisy holds state other than parameters: dropout.rngs.count",
    ),
    "zero steps": (lambda: Untied(0), ValueError, "Untied: num_steps is 0. Use at l"),
    "half a step": (lambda: Untied(2.5), TypeError, "num_steps is 2.5, but it counts"),
    "true steps": (lambda: Cyclic(True), TypeError, "period is True, but it counts"),
    "segments": (
        lambda: Segments(3, 4),
        ValueError,
        r"more segments than steps. Use num_segments between 1 \(tied\) and 3",
    ),
    "policy": (
        lambda: Untied(3, beyond="held"),
        ValueError,
        "beyond is 'held'. Use one of 'error', 'hold', 'cycle', 'stretch', 'mean'",
    ),
    "expand how far": (
        lambda: expand(Tied(), jnp.zeros(3)),
        ValueError,
        r"defined at every step, so expand needs to know how many",
    ),
    "wrong stack": (
        lambda: expand(Untied(4), jnp.zeros((3, 2))),
        ValueError,
        r"stores leaves of \[4, ...\], but got one of shape \(3, 2\)",
    ),
    "traced start": (
        lambda: jax.jit(lambda s: rnn(Untied(9))(X, start=s))(0),
        ValueError,
        "beyond='error' needs a start that is known at trace time",
    ),
    "negative start": (
        lambda: rnn()(X, start=-1),
        ValueError,
        "start is -1, but steps are counted from 0",
    ),
    "stretch with lengths": (
        lambda: rnn(Untied(4, beyond="stretch"))(X, seq_lengths=np.array([1, 2])),
        ValueError,
        r"the batch's one length, but lengths has shape \(2,\)",
    ),
    "stretch with start": (
        lambda: rnn(Untied(4, beyond="stretch"))(X, start=2),
        ValueError,
        "so start must be 0",
    ),
    "carry type": (
        lambda: unroll(step, Tied(), jnp.eye(3), jnp.zeros((5, 3)), jnp.zeros(3, int)),
        (TypeError, jax.dtypes.TypePromotionError),
        "carry of|promotion",
    ),
    "carry shape": (
        lambda: unroll(
            lambda w, c, x: (x, x), Tied(), 0.0, jnp.zeros((5, 3)), jnp.zeros(2)
        ),
        TypeError,
        r"given a carry of float32\[2\] and returned one of float32\[3\]",
    ),
    "no inputs": (
        lambda: unroll(step, Tied(), 0.0, None, 0.0),
        ValueError,
        "inputs hold no arrays",
    ),
    "ragged inputs": (
        lambda: unroll(step, Tied(), 0.0, (jnp.zeros(3), jnp.zeros(4)), 0.0),
        ValueError,
        r"must share their leading axis, time, but have the shapes \(3,\), \(4,\)",
    ),
    "readout": (
        lambda: SequenceModel(LSTMCell, 3, 4, 2, readout="first", rngs=nnx.Rngs(0)),
        ValueError,
        "readout is 'first'. Use 'last' or 'every'",
    ),
    "dropout": (
        lambda: SequenceModel(LSTMCell, 3, 4, 2, dropout=1.0, rngs=nnx.Rngs(0)),
        ValueError,
        r"dropout is 1.0. Use a fraction in \[0, 1\)",
    ),
    "no layers": (
        lambda: SequenceModel(LSTMCell, 3, 4, 2, [], rngs=nnx.Rngs(0)),
        ValueError,
        "sharing is empty. Give one Sharing for each layer",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_error_says_the_way_out(name):
    run, kind, text = CASES[name]
    with pytest.raises(kind, match=text):
        run()


def test_reprs_hash_and_equality():
    assert repr(Untied(num_steps=32)) == "Untied(num_steps=32)"
    assert repr(Untied(4, True, "hold")) == (
        "Untied(num_steps=4, same_init=True, beyond='hold')"
    )
    assert Segments(4, 2) == Segments(4, 2) != Segments(4, 3)
    assert len({Tied(), Tied(), Cyclic(2), Cyclic(2)}) == 2


@dataclasses.dataclass(frozen=True, repr=False)
class Alternating(Sharing):
    """Somebody's own sharing of a number of steps, who did not think of the others."""

    num_steps: int

    def init(self, key, init_cell):
        return jax.vmap(init_cell)(jax.random.split(key, 2))

    def split(self, stored, steps):
        return stored, jnp.asarray(steps % 2)

    def merge(self, common, per_step_t):
        return jax.tree.map(lambda w: w[per_step_t], common)


def test_a_sharing_that_offers_no_choice_refuses_steps_that_it_has_no_weights_for():
    sharing = Alternating(6)
    stored = sharing.init(jax.random.key(0), lambda key: jax.random.normal(key, (2,)))
    assert expand(sharing, stored).shape == (6, 2)
    with pytest.raises(ValueError, match=r"Alternating\(num_steps=6\) holds weights"):
        expand(sharing, stored, 9)
