"""Blocks, and a stack of them by a Python loop over their expanded weights."""

import functools

import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare import (
    RNN,
    Cyclic,
    ElmanCell,
    LowRank,
    Partition,
    Scaled,
    Schedule,
    Segments,
    Stack,
    Tied,
    TimeInput,
    Untied,
    expand,
)
from tests.library.law_cases import generic
from tests.library.ordinary.cases import generic_module

B, L, F, DEPTH = 2, 4, 4, 3  # batch, positions, features


class MLP(nnx.Module):
    """A residual block of two affine maps, with dropout between them."""

    def __init__(self, features=F, hidden=5, dropout=0.0, *, rngs):
        self.norm = nnx.LayerNorm(features, rngs=rngs)
        self.up = nnx.Linear(features, hidden, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)
        self.down = nnx.Linear(hidden, features, rngs=rngs)

    def __call__(self, x, *, rngs=None):
        y = nnx.tanh(self.up(self.norm(x)))
        return x + self.down(self.dropout(y, rngs=rngs))


class Attention(nnx.Module):
    """A residual block of attention over positions.

    Without biases: that of the keys changes nothing, and its gradient is rounding.
    """

    def __init__(self, *, rngs):
        self.norm = nnx.RMSNorm(F, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(
            2, F, use_bias=False, decode=False, rngs=rngs
        )

    def __call__(self, x):
        return x + self.attention(self.norm(x))


class Transformer(nnx.Module):
    """Attention, then the MLP."""

    def __init__(self, *, rngs):
        self.attention = Attention(rngs=rngs)
        self.mlp = MLP(rngs=rngs)

    def __call__(self, x, *, rngs=None):
        return self.mlp(self.attention(x), rngs=rngs)


def convolution(*, rngs):
    return nnx.Sequential(nnx.Conv(F, F, (3,), rngs=rngs), nnx.tanh)


class FlaxRNN(nnx.Module):
    """A recurrent layer of Flax's; one of this package needs no block around it."""

    def __init__(self, *, rngs):
        self.rnn = nnx.RNN(nnx.GRUCell(F, F, rngs=rngs), rngs=False)

    def __call__(self, x):
        return self.rnn(x, initial_carry=jnp.zeros_like(x[:, 0]))


BLOCKS = {
    "MLP": MLP,
    "convolution": convolution,
    "attention": Attention,
    "transformer": Transformer,
    "nnx.RNN": FlaxRNN,
    "RNN": functools.partial(RNN, functools.partial(ElmanCell, F, F), Untied(L)),
    "stack": functools.partial(Stack, MLP, Untied(2), 2),
}
SHARINGS = {
    "Tied": Tied(),
    "Untied": Untied(DEPTH),
    "Segments": Segments(DEPTH, 2),
    "Cyclic": Cyclic(2),
    "Schedule": Schedule((0, 1, 0)),
    "LowRank": LowRank(DEPTH, 2),
    "Scaled": Scaled(DEPTH),
    "TimeInput": TimeInput(2, period=3),
    "Partition": Partition(
        {"norm": Untied(DEPTH), "kernel": LowRank(DEPTH, 1)}, rest=Tied()
    ),
    "Partition-of-blocks": Partition({"attention": Tied()}, rest=Untied(DEPTH)),
}


@functools.cache
def stack_of(block, sharing, **options):
    """Returns a stack of depth 3 with generic weights; nothing is compiled."""
    sharing = SHARINGS[sharing] if isinstance(sharing, str) else sharing
    return generic_module(
        lambda: Stack(BLOCKS[block], sharing, DEPTH, rngs=nnx.Rngs(0), **options)
    )


def inputs(seed=1):
    return jnp.asarray(generic((B, L, F), seed))


def run(stack, stored, x, **options):
    """Returns what the stack makes of x, with these stored weights."""
    graphdef, state = nnx.split(stack)
    stack = nnx.merge(graphdef, jax.tree.map(lambda leaf: leaf, state))
    stack.stored = stored
    return stack(x, **options)


def by_hand(make_block, sharing, stored, x, depth=DEPTH, calls=None):
    """Returns the same by a loop; `calls[t]` are further arguments of pass t."""
    each = expand(sharing, stored, depth)
    graphdef, state = nnx.split(nnx.eval_shape(lambda: make_block(rngs=nnx.Rngs(0))))
    for t in range(depth):
        state = jax.tree.map(lambda leaf: leaf, state)
        nnx.replace_by_pure_dict(state, jax.tree.map(lambda w, t=t: w[t], each))
        block = nnx.merge(graphdef, state)
        if calls is None:
            block.eval()
        x = block(x, **({} if calls is None else calls[t]))
    return x
