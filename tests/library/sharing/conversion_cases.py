"""What the tests of conversions have in common."""

import jax
import numpy as np

from rnnshare import expand
from rnnshare.sharing.conversion import convert
from tests.library.law_cases import T, case, generic_like


def stored_in(sharing, cell="LSTM", seed=3):
    """Generic arrays in the shapes of what a sharing stores."""
    return generic_like(case(sharing, cell).shapes, seed)


def describe(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), tree)


def copies(weights, count):
    return jax.tree.map(lambda w: np.repeat(w[None], count, axis=0), weights)


def through(source, target, stored, **options):
    """The weights of the steps after a conversion."""
    num_steps = options.get("num_steps", T)
    return expand(target, convert(stored, source, target, **options), num_steps)
