"""Influence balancing: where the truncated derivative points the wrong way (B9b).

`s <- A s + p u` of n units, `A = I / 2 + N / 2` with N the superdiagonal, u = +1 in the
first 10 units and -1 in the other 13; the loss `(s_1 - 1)^2 / 2` at the end. Unit 1
feels the near units soon and the far ones late: in short windows p seems to push it up,
in all it pushes it down.

Reference: Tallec, Ollivier, 2017, "Unbiased online recurrent optimization".
"""

from fractions import Fraction
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lab.machine import jit_once
from experiments.lab.trials import Lab
from rnnshare import Tied, Untied, unroll

NUM_POSITIVE, NUM_NEGATIVE = 10, 13
NUM_UNITS = NUM_POSITIVE + NUM_NEGATIVE
MATRIX = (np.eye(NUM_UNITS) + np.eye(NUM_UNITS, k=1)) / 2
SIGNS = np.repeat([1.0, -1.0], [NUM_POSITIVE, NUM_NEGATIVE])
NUM_WINDOWS = 200
NUM_STEPS = 1_000  # from s = 0; what came before is 2^-1000 of it
P = 1.0  # where the derivative is taken
# Descent with a truncated gradient: updates, and their rate.
UPDATES, RATE = 400, 3e-3


class Influence(NamedTuple):
    """The derivatives of the loss in p, float64.

    Attributes:
      derivatives: [K], through windows of 1..K steps.
      true: through all steps.
      losses: {k: [updates]}, of descent through windows of k steps.
    """

    derivatives: np.ndarray
    true: float
    losses: dict[int, np.ndarray]

    @property
    def wrong(self) -> list[int]:
        """The windows whose derivative has the wrong sign."""
        differs = np.sign(self.derivatives) != np.sign(self.true)
        return (np.flatnonzero(differs) + 1).tolist()

    @property
    def right(self) -> int:
        """From here on all windows have the right sign, if it is a window."""
        return max(self.wrong, default=0) + 1


def measure_influence(lab: Lab) -> Influence:
    """Differentiates, and descends through the windows around the change of sign."""

    def make():
        derivatives, true = differentiate()
        right = Influence(derivatives, true, {}).right
        tried = sorted({1, max(right - 1, 1), min(right, NUM_WINDOWS), NUM_WINDOWS})
        return {
            "derivatives": derivatives.tolist(),
            "true": true,
            "tried": tried,
            "losses": [descend(window).tolist() for window in tried],
        }

    sizes = {"units": [NUM_POSITIVE, NUM_NEGATIVE], "num_steps": NUM_STEPS, "p": P}
    descent = {"windows": NUM_WINDOWS, "updates": UPDATES, "rate": RATE}
    row = lab.kept({"system": "influence balancing", **sizes, **descent}, make)
    losses = np.array(row["losses"], np.float64)
    losses[np.isnan(losses)] = np.inf  # what overflowed is kept as null
    found = dict(zip(row["tried"], losses, strict=True))
    return Influence(np.array(row["derivatives"], np.float64), row["true"], found)


def step(p, s, x):
    """One step of the system, a step function of `unroll`: `s <- A s + p u`."""
    del x
    s = MATRIX @ s + p * SIGNS
    return s, s[0]


def loss_of(s):
    """The loss of a state: what it asks of the first unit."""
    return (s[0] - 1) ** 2 / 2


def differentiate():
    """Returns the derivative of the last loss in p for windows 1..200, and the true.

    One backward pass of the *untied* system: the tied derivative is the sum of those of
    all steps, and that of a window of k steps the sum of the last k. Float64.
    """
    with jax.enable_x64(True):

        def loss(p):
            inputs, s = jnp.zeros((NUM_STEPS, 0)), jnp.zeros(NUM_UNITS)
            return loss_of(unroll(step, Untied(NUM_STEPS), p, inputs, s)[0])

        each = np.asarray(jit_once(jax.grad(loss))(jnp.full(NUM_STEPS, P)))
    return np.cumsum(each[::-1])[:NUM_WINDOWS], each.sum()


def exact_influence(num_steps):
    """Returns the influence of p on s_1 through the last k = 1..num_steps steps.

    `sum_{j<k} (A^j u)_1`, in rationals.
    """
    row = [Fraction(int(sign)) for sign in SIGNS]
    total, found = Fraction(0), []
    for _ in range(num_steps):
        total += row[0]
        found.append(total)
        row = [(a + b) / 2 for a, b in zip(row, [*row[1:], Fraction(0)], strict=True)]
    return found


def descend(window):
    """Returns the losses of descent in p, an update a window, the carry handed on.

    It begins where the derivatives are taken, after `NUM_STEPS` steps at `P`.
    """
    with jax.enable_x64(True):

        def loss(p, s):
            s, _ = unroll(step, Tied(), p, jnp.zeros((window, 0)), s)
            return loss_of(s), s

        def update(carry, _):
            p, s = carry
            (value, s), slope = jax.value_and_grad(loss, has_aux=True)(p, s)
            return (p - RATE * slope, jax.lax.stop_gradient(s)), value

        def run(p):
            rest = jnp.zeros(NUM_UNITS)
            s, _ = unroll(step, Tied(), p, jnp.zeros((NUM_STEPS, 0)), rest)
            return jax.lax.scan(update, (p, s), length=UPDATES)[1]

        return np.asarray(jax.jit(run)(jnp.float64(P)))
