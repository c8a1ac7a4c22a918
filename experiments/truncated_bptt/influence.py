"""The evidence of B9b: where the truncated derivative points the wrong way.

Influence balancing: `s <- A s + p u` of n units, `A = I / 2 + N / 2` with N the
superdiagonal, u = +1 in the first 10 units and -1 in the other 13; the loss
`(s_1 - 1)^2 / 2` at the end. Unit 1 feels the near units soon and the far ones late: in
short windows p seems to push it up, in all it pushes it down.

Reference: Tallec, Ollivier, 2017, "Unbiased online recurrent optimization".
"""

import time
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.truncated_bptt import figure as truncation_figures
from rnnshare import Tied, Untied, unroll
from rnnshare.plotting import panels as figures

NUM_POSITIVE, NUM_NEGATIVE = 10, 13
NUM_WINDOWS = 200
NUM_STEPS = 1_000  # from s = 0; what came before is 2^-1000 of it
P = 1.0  # where the derivative is taken
# Descent with a truncated gradient: updates, and their rate.
UPDATES, RATE = 400, 3e-3


def system():
    """Returns (A, u), float64 NumPy."""
    n = NUM_POSITIVE + NUM_NEGATIVE
    u = np.r_[np.ones(NUM_POSITIVE), -np.ones(NUM_NEGATIVE)]
    return (np.eye(n) + np.eye(n, k=1)) / 2, u


def step(p, s, x):
    """One step of the system, a step function of `unroll`: `s <- A s + p u`."""
    del x
    matrix, u = system()
    s = matrix @ s + p * u
    return s, s[0]


def loss_of(s):
    """The loss of a state: what it asks of the first unit."""
    return (s[0] - 1) ** 2 / 2


def derivatives():
    """Returns the derivative of the last loss in p for windows 1..200, and the true.

    One backward pass of the *untied* system: the tied derivative is the sum of those of
    all steps, and that of a window of k steps the sum of the last k. Float64.
    """
    with jax.enable_x64(True):

        def loss(p):
            inputs, s = jnp.zeros((NUM_STEPS, 0)), jnp.zeros(system()[1].shape)
            return loss_of(unroll(step, Untied(NUM_STEPS), p, inputs, s)[0])

        each = np.asarray(jax.jit(jax.grad(loss))(jnp.full(NUM_STEPS, P)))
    return np.cumsum(each[::-1])[:NUM_WINDOWS], each.sum()


def exact_influence(num_steps):
    """Returns the influence of p on s_1 through the last k = 1..num_steps steps.

    `sum_{j<k} (A^j u)_1`, in rationals.
    """
    row = [Fraction(int(sign)) for sign in system()[1]]
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
            rest = jnp.zeros(system()[1].shape)
            s, _ = unroll(step, Tied(), p, jnp.zeros((NUM_STEPS, 0)), rest)
            return jax.lax.scan(update, (p, s), length=UPDATES)[1]

        return np.asarray(jax.jit(run)(jnp.float64(P)))


def influence_finding(preset, folder, rule):
    """Returns the finding of B9b; draws its figure. The same in every preset."""
    began = time.perf_counter()
    found, true = derivatives()
    exact = exact_influence(NUM_WINDOWS)
    wrong = [k for k, d in enumerate(found, 1) if np.sign(d) != np.sign(true)]
    right = max(wrong, default=0) + 1  # from here on all are, if it is a window
    same = [k for k, e in enumerate(exact, 1) if e >= 0] == wrong
    trials = sorted({1, max(right - 1, 1), min(right, NUM_WINDOWS), NUM_WINDOWS})
    losses = {window: descend(window) for window in trials}
    path = "figures/B9b.png"
    figure = truncation_figures.draw_signs(found, true, losses)
    figures.save(figure, folder / path)
    return Finding(
        id="B9b",
        claim=CLAIMS["B9b"],
        verdict="supported" if wrong else "refuted",
        effect=float(len(wrong)),
        effect_label=f"windows of the wrong sign, of 1..{NUM_WINDOWS} steps",
        interval=(float(len(wrong)),) * 2,
        num_seeds=1,
        rule=rule,
        command=f"python -m experiments.truncated_bptt --preset={preset}",
        figure=path,
        seconds=time.perf_counter() - began,
        meaning=_meaning(wrong, right, losses),
        details=(
            f"{NUM_POSITIVE + NUM_NEGATIVE} units, float64, at p = {P:g} after "
            f"{NUM_STEPS:,} steps. The signs "
            + ("agree" if same else "DO NOT agree")
            + f" with rational arithmetic in all {NUM_WINDOWS} windows. Every window "
            "sees the same loss, so that the sign is that of p's influence on the "
            f"first unit. Descent: an update a window at a rate of {RATE:g}."
        ),
        table=_table(found, true, wrong, losses),
        exact=True,
    )


def _meaning(wrong, right, losses):
    """Returns what the signs and the losses of descent say.

    Args:
      wrong: windows of the wrong sign.
      right: the first window from which on all are right; none is if it is too long.
      losses: {window: losses of descent}.
    """
    ends = f"the right one from {right} steps on"
    if right > NUM_WINDOWS:
        ends = f"it is not right for good within {NUM_WINDOWS} steps"
    told = [
        f"The derivative has the wrong sign in windows of {_spans(wrong)} steps, and "
        f"{ends}."
    ]
    for kind, window in (
        ("longest of the wrong sign", max(losses.keys() & {*wrong}, default=None)),
        ("shortest of the right sign", min(losses.keys() - {*wrong}, default=None)),
        ("longest tried", max(losses)),
    ):
        if window is not None:
            first, last = losses[window][0], losses[window][-1]
            way = "goes uphill" if last > first else "goes downhill"
            told.append(
                f"Descent through the {kind}, {window} steps, {way}: the loss starts "
                f"at {first:.3g} and ends at {last:.3g}."
            )
    return " ".join(told)


def _table(found, true, wrong, losses):
    """Returns the rows of some windows and of the whole derivative."""
    table = [("window k (steps)", "derivative", "sign",
              f"loss after {UPDATES} updates")]  # fmt: skip
    for k in sorted({*losses, 10, 20, 40, 80, 160}):
        end = f"{losses[k][-1]:.3g}" if k in losses else ""
        table.append((f"{k}", f"{found[k - 1]:+.4f}",
                      "wrong" if k in wrong else "right", end))  # fmt: skip
    table.append(("all", f"{true:+.4f}", "right", ""))
    return tuple(table)


def _spans(numbers):
    """Returns rising integers as text, runs as '1-5'."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    told = [f"{a}-{b}" if b > a else f"{a}" for a, b in spans]
    return ", ".join(told) or "no"
