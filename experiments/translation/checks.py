"""What the existence table computes of its proofs."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lab.machine import jit_once
from experiments.universality.measure import CASES, draw_networks
from rnnshare import ElmanCell, Tied, Untied, expand, unroll
from rnnshare.cells.blueprint import Blueprint
from rnnshare.machines.clocked import cell_like
from rnnshare.models.rnn import step_of

_GAIN = 40.0  # of units that are to be saturated


def tied_copies_error(case=CASES[0], count=5):
    """Returns the largest difference of tied networks and their untied copies."""
    blueprint = Blueprint.of(case.make_cell)
    stored, inputs = draw_networks(case, count)
    first = jax.tree.map(lambda w: w[:, 0], stored)

    def apart(stored, inputs):
        carry = blueprint.bind().initialize_carry(inputs.shape[1:])
        steps = case.num_steps
        copies = expand(Tied(), stored, steps)
        pair = [
            unroll(step_of(blueprint), sharing, weights, inputs, carry)[1]
            for sharing, weights in ((Tied(), stored), (Untied(steps), copies))
        ]
        return jnp.max(jnp.abs(pair[0] - pair[1]))

    return float(jnp.max(jit_once(jax.vmap(apart))(first, inputs)))


def parity_network():
    """Returns the weights of two tied units that hold the parity of the bits so far.

    Of a bit x and the parity p so far the units are `x or p` and `x and p`, as -1 or
    +1, and the new parity is half of their difference.
    """
    ones = jnp.ones((1, 2))
    own = _GAIN * jnp.array([[0.5, 0.5], [-0.5, -0.5]])
    bias = -_GAIN * jnp.array([0.5, 1.5])
    return {
        "input": {"kernel": _GAIN * ones, "bias": bias},
        "recurrent": {"kernel": own},
    }


def parity_errors(num_steps, seed=0, weights=None):
    """Returns at how many steps the parity network (or another) errs, by `unroll`."""
    weights = parity_network() if weights is None else weights
    bits = np.random.default_rng(seed).integers(0, 2, num_steps)
    step = step_of(cell_like(ElmanCell, 1, 2, jnp.float32(0)))
    inputs = jnp.asarray(bits[:, None], jnp.float32)
    _, outputs = unroll(step, Tied(), weights, inputs, jnp.zeros(2))
    parity = (np.asarray(outputs)[:, 0] - np.asarray(outputs)[:, 1]) / 2
    return int(np.sum((parity > 0.5) != (np.cumsum(bits) % 2 == 1)))


def cycles(num_networks, hidden_features, seed=0):
    """Returns for each tied network the steps until a carry repeats, in float16.

    On a constant input a carry decides the next, and there are at most 2^(16 H), so one
    comes again, and all after it. Kernels have the variance 9 / H, biases 1.

    Returns:
      [num_networks], how many different carries each network has.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(num_networks):
        u = 3 * rng.normal(size=(hidden_features,) * 2) / np.sqrt(hidden_features)
        b = rng.normal(size=hidden_features)
        h, seen = np.zeros(hidden_features, np.float16), set()
        while h.tobytes() not in seen:
            seen.add(h.tobytes())
            h = np.tanh(h.astype(np.float32) @ u + b).astype(np.float16)
        found.append(len(seen))
    return np.array(found)
