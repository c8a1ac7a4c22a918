"""L1: linear rules reach least squares, and the rule says what the law would be."""

import dataclasses

import jax
import numpy as np
import pandas as pd
import pytest

from experiments.law import claims
from experiments.law.linear import linear_rule, step_size
from experiments.law.measure import SOFT, Measured, _setting
from experiments.law.plan import PLANS, Case
from rnnshare.analysis import law
from rnnshare.training import fit

CASE = Case(num_steps=3, num_weights=2, ratio=2.0, noise_variance=1.0)
PLAN = dataclasses.replace(
    PLANS["quick"], cases=(CASE,), num_outputs=2, num_steps=300, parts=(1.0,)
)


def least_squares(task, count, strength, tied):
    """Returns the weights [T, p, O] that minimise errors and penalty, by one solve."""
    x = np.asarray(task.train.inputs[:count], np.float64)
    y = np.asarray(task.train.targets[:count], np.float64)
    _, steps, p = x.shape
    if tied:
        flat = x.reshape(-1, p), y.reshape(len(x) * steps, -1)
        return np.repeat(np.linalg.lstsq(*flat)[0][None], steps, 0)
    system = np.zeros((steps, p, steps, p))
    for t in range(steps):
        system[t, :, t] = x[:, t].T @ x[:, t]
    centre = np.eye(steps) - 1 / steps
    system += strength * np.einsum("tu,pq->tpuq", centre, np.eye(p))
    cross = np.einsum("ntp,nto->tpo", x, y).reshape(steps * p, -1)
    found = np.linalg.solve(system.reshape(steps * p, -1), cross)
    return found.reshape(steps, p, -1)


def test_trainings_end_at_least_squares_and_their_test_loss_is_the_excess():
    count = CASE.size(1.0)
    for arm, strengths in (("Tied", (0.0,)), ("Untied", (0.0,)), (SOFT, (3.0, 60.0))):
        settings = [_setting(PLAN, CASE, arm, count, s) for s in strengths]
        replicas = [(s.make_task(1), 1, s.learning_rate) for s in settings]
        metrics = fit(settings[0].make_model(), settings[0].recipe, replicas).metrics
        for (task, *_), strength, row in zip(replicas, strengths, metrics, strict=True):
            found = least_squares(task, count, strength, arm == "Tied")
            truth = np.swapaxes(task.answers, 0, 1) / np.sqrt(CASE.num_weights)
            excess = np.mean(np.sum((found - truth) ** 2, 1))
            assert row["test_loss"] == pytest.approx(excess, rel=1e-4)
            key = "train_shared_gradient" if arm == "Tied" else "train_gradient"
            assert row[key] < 1e-5


def test_the_bias_of_a_rule_is_the_cases():
    task = _setting(PLAN, CASE, "Tied", 8).make_task(3)
    weights = np.swapaxes(task.answers, 0, 1) / np.sqrt(CASE.num_weights)
    apart = weights - weights.mean(0)
    assert np.mean(np.sum(apart**2, 1)) == pytest.approx(CASE.bias, rel=1e-5)


def test_a_larger_set_holds_the_smaller_one():
    small, large = (_setting(PLAN, CASE, "Tied", n).make_task(0) for n in (5, 8))
    np.testing.assert_array_equal(small.train.inputs, large.train.inputs)
    np.testing.assert_array_equal(small.train.targets, large.train.targets)
    counts = [int(np.sum(task.train.mask[:, 0])) for task in (small, large)]
    assert counts == [5, 8]
    whole = small.sample(jax.random.key(0), 1)
    np.testing.assert_array_equal(whole.mask, small.train.mask)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_inputs_and_noise_correlate_as_asked(correlation):
    task = linear_rule(
        0, num_steps=4, num_weights=3, num_outputs=2, num_rows=4_000,
        num_examples=4_000, bias=0.0, noise_variance=4.0, correlation=correlation,
    )  # fmt: skip
    x = np.asarray(task.train.inputs, np.float64)
    w = np.swapaxes(task.answers, 0, 1).astype(np.float64) / np.sqrt(3)
    noise = task.train.targets - np.einsum("ntp,tpo->nto", x, w)
    for values, variance in ((x, 1.0), (noise, 4.0)):
        found = np.einsum("ntp,nup->tu", values, values) / values[:, 0].size
        lags = np.abs(np.subtract.outer(range(4), range(4)))
        np.testing.assert_allclose(
            found / variance, float(correlation) ** lags, atol=0.06
        )


@pytest.mark.parametrize("tied", [True, False])
def test_the_rate_is_stable(tied):
    for case in PLANS["quick"].cases:
        for part in (0.5, 2.0):
            setting = _setting(PLANS["quick"], case, SOFT, case.size(part))
            given = dict(setting.make_task.keywords)
            task, steps = setting.make_task(0), case.num_steps
            x = np.asarray(task.train.inputs[: given["num_examples"]], np.float64)
            gram = np.einsum("ntp,ntq->tpq", x, x) / given["num_examples"]
            gram = gram.mean(0)[None] if tied else gram / steps
            largest = 2 / given["num_outputs"] * np.linalg.eigvalsh(gram).max()
            # Nesterov's momentum m converges below 2 (1 + m) / (1 + 2 m) of 1 / L.
            assert step_size(given, tied) * largest < 1.34


def by_the_law(plan, exponent=1.0, best=1.0):
    """Returns runs as the law has them, the crossover bent, or the strength off."""
    rows = []
    for number, case in enumerate(plan.cases):
        given = {
            "num_weights": case.num_weights,
            "num_steps": case.num_steps,
            "noise_variance": case.noise_variance,
            "bias": case.bias,
            "effective_steps": case.effective_steps,
        }
        bent = case.predicted / case.predicted**exponent
        for part in sorted({*plan.parts, *plan.strength_parts}):
            size = case.size(part)
            n = size - case.num_weights - 1
            tied, untied = law.excess_errors(case.num_weights + 1 + n * bent, **given)
            losses = {("Tied", 0.0): tied, ("Untied", 0.0): untied}
            if not case.correlation and part in plan.strength_parts:
                for factor in plan.strengths:
                    off = 1 + 0.1 * np.log(factor / best) ** 2
                    losses[SOFT, factor] = 0.5 * min(tied, untied) * off
            rows += [
                {"case": number, "arm": arm, "N": size, "factor": factor, "seed": seed}
                | {"test_loss": loss * (1 + 0.01 * seed), "gradient": 0, "lost": False}
                for (arm, factor), loss in losses.items()
                for seed in range(2)
            ]
    return Measured(pd.DataFrame(rows))


@pytest.mark.parametrize(
    ("bend", "verdict"),
    [
        ({}, "supported"),
        ({"exponent": 0.9}, "inconclusive"),
        ({"exponent": 1.5}, "refuted"),
        ({"best": 1.78}, "supported"),
        ({"best": 3.16}, "inconclusive"),
        ({"best": 10.0}, "refuted"),
    ],
)
def test_the_rule_of_the_law(bend, verdict):
    plan = dataclasses.replace(
        PLANS["quick"], parts=(0.1, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 10.0)
    )
    found = claims.judge_law(plan, by_the_law(plan, **bend))
    assert found.verdict == verdict, found.summary
    assert found.effect.low <= found.effect.estimate <= found.effect.high
    if not bend:
        assert found.effect.estimate == pytest.approx(1.0, abs=0.02)
    assert found.repeats == "settings" and found.count == 12


def test_few_settings_decide_nothing():
    plan = dataclasses.replace(PLANS["quick"], cases=PLANS["quick"].cases[:5])
    assert claims.judge_law(plan, by_the_law(plan)).verdict == "inconclusive"


def test_a_crossing_that_is_not_found_is_an_infinite_error():
    sizes, above = [4, 5, 7], np.array([3.0, 2.0, 1.5])
    found = claims.crossing(sizes, above, np.ones(3), CASE)
    assert not found.found and found.error == np.inf
    assert found.measured == 7 - CASE.num_weights - 1
    at = claims.crossing(sizes, [2.0, 1.0, 0.5], np.ones(3), CASE)
    assert at.found and at.measured == pytest.approx(2.0)
