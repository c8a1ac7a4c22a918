"""Equal size: strings that an untied network puts out, and no tied one as large (C2).

On a constant input a tied network is the orbit of one map from its carry on, and a bit
of its output is whether a read-out of the carry is past a threshold. What follows is by
proof or by exhaustive search; nothing is trained.

*One tanh unit*: `h' = f(h) = tanh(a + w h)`. For w >= 0 f grows, so h_1, h_2, ... is
monotone and the bits change at most once. For w < 0 f(f(.)) grows, so those of the odd
steps change at most once, and those of the even steps too.

*H threshold units, any H* (or 2^H carries of any kind, as H numbers of b bits are for
2^(b H)): before a first 1 all carries differ, as else the zeros would go on for ever.
So 2^H zeros and then a one are put out by no tied network; an untied unit puts out any
string, by its biases.

Shape letters: T steps, H units.
"""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare import ElmanCell, Untied, unroll
from rnnshare.machines.clocked import cell_like
from rnnshare.models.rnn import step_of

SEARCHED = (1, 2)  # threshold units, whose networks are all gone through


class Separation(NamedTuple):
    """How many strings of 1 to T bits are put out on a constant input.

    Attributes:
      untied: [T], by untied networks of one tanh unit, each run.
      tanh: [T], by tied ones at most, by the proof.
      threshold: [T] each, by tied networks of `SEARCHED` threshold units, all gone
        through.
    """

    untied: list[int]
    tanh: list[int]
    threshold: list[list[int]]


def separate(most_steps: int) -> Separation:
    """Counts the strings of 1 to T bits; one program runs all untied networks."""
    longest = strings(most_steps)
    put_out = untied_outputs(longest)
    lengths = range(1, most_steps + 1)
    right = [(put_out[:, :n] == longest[:, :n]).all(1) for n in lengths]
    return Separation(
        [
            len(np.unique(longest[ok, :n], axis=0))
            for n, ok in zip(lengths, right, strict=True)
        ],
        [sum(map(one_unit_allows, strings(n).tolist())) for n in lengths],
        [[len(threshold_strings(u, n)) for n in lengths] for u in SEARCHED],
    )


def strings(num_steps: int) -> np.ndarray:
    """Returns all strings of T bits, int[2^T, T]."""
    return np.array([*itertools.product((0, 1), repeat=num_steps)])


def one_unit_allows(bits) -> bool:
    """Returns whether the proof allows bits of a tied tanh unit on a constant input.

    What this refuses cannot be; the proof does not say that all it allows can.
    """

    def changes(some):
        return sum(a != b for a, b in itertools.pairwise(some))

    halves = bits[::2], bits[1::2]
    return changes(bits) <= 1 or all(changes(half) <= 1 for half in halves)


def untied_outputs(wanted) -> np.ndarray:
    """Returns what untied tanh units of biases +1 and -1 put out, int[S, T].

    Args:
      wanted: bits [S, T], each string by a network of its own.
    """
    bias = 2.0 * np.asarray(wanted, np.float32)[..., None] - 1
    count = bias.shape[1]
    step = step_of(cell_like(ElmanCell, 1, 1, jnp.float32(0)))
    zeros, ones = jnp.zeros((count, 1, 1)), jnp.ones((count, 1))

    def put_out(bias):
        stored = {
            "input": {"kernel": zeros, "bias": bias},
            "recurrent": {"kernel": zeros},
        }
        return unroll(step, Untied(count), stored, ones, jnp.zeros(1))[1]

    return (np.asarray(jax.jit(jax.vmap(put_out))(bias))[..., 0] > 0).astype(int)


def strings_of_one_unit(num_networks, num_steps, seed=0):
    """Returns the set of strings of that many random tied units on a constant input."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-1, 1, (3, num_networks))
    drive, weight, h = scale * rng.normal(size=(3, num_networks))
    values = []
    for _ in range(num_steps):
        h = np.tanh(drive + weight * h)
        values.append(h)
    orbit = np.stack(values, axis=1)
    # Every threshold between two values of an orbit gives a string, and its inverse.
    found = set()
    for cut in range(num_steps):
        bits = orbit > np.sort(orbit, axis=1)[:, cut : cut + 1]
        found |= set(map(tuple, np.unique(bits, axis=0).astype(int).tolist()))
    return found | {tuple(1 - b for b in bits) for bits in found}


@functools.cache
def threshold_functions(num_inputs: int) -> np.ndarray:
    """Returns the tables of all threshold functions of 1 or 2 bits, int[F, 2^H].

    Weights from -1 to 1 and biases between their sums are enough: there are 4 and 14.
    """
    carries = strings(num_inputs)
    weights = np.array([*itertools.product((-1, 0, 1), repeat=num_inputs)])
    biases = np.arange(-num_inputs, num_inputs + 2) - 0.5
    sums = (weights @ carries.T)[:, None] > biases[:, None]
    return np.unique(sums.reshape(-1, len(carries)).astype(int), axis=0)


def threshold_strings(num_units: int, num_steps: int) -> set[tuple[int, ...]]:
    """Returns the strings of all tied networks of 1 or 2 threshold units.

    All maps of the carry, first carries and read-outs (a threshold of the carry) are
    gone through.
    """
    functions = threshold_functions(num_units)
    place = 2 ** np.arange(num_units)[::-1]  # of a unit, in the number of a carry
    maps = [
        place @ np.array(units)
        for units in itertools.product(functions, repeat=num_units)
    ]
    orbits = set()
    for move in np.unique(maps, axis=0):
        for carry in range(len(move)):
            orbit = [carry]
            for _ in range(num_steps - 1):
                orbit.append(move[orbit[-1]])
            orbits.add(tuple(map(int, orbit)))
    found = functions[:, np.array(sorted(orbits))]  # [F, orbits, T]
    return set(map(tuple, np.unique(found.reshape(-1, num_steps), axis=0).tolist()))
