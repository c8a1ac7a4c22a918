"""A small layer, for tests of what does not depend on its size."""

import functools

from flax import nnx

from rnnshare import RNN, ElmanCell

D, H = 3, 4


def make(sharing, cell=ElmanCell, seed=0, **options):
    make_cell = functools.partial(cell, D, H, **options)
    return RNN(make_cell, sharing, rngs=nnx.Rngs(seed))
