"""The rule of Q4 on made-up gaps: every verdict can be reached."""

import dataclasses

import numpy as np
import pytest

from experiments.temporal_structure import measure as study
from experiments.temporal_structure.measure import Gaps, judge, on_mnist, on_rotation

JITTER = np.array([-0.01, 0.0, 0.01, 0.005, -0.005])[:, None]


def gaps(along, shuffled, plain, each):
    """Returns gaps of five seeds about these means."""
    along = np.asarray(along)
    slopes = 1 + JITTER  # so that the seeds of a growth differ
    return Gaps(
        np.array([0.0, 0.2, 0.4, 0.8]),
        along * slopes + JITTER,
        shuffled + np.tile(JITTER, 4),
        {
            "plain": plain + JITTER[:, 0],
            "shuffled for each": each + JITTER[:, 0],
            "one other order": JITTER[:, 0],
        },
    )


GROWS, FLAT = (0.0, 0.08, 0.18, 0.21), (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [
        (gaps(GROWS, 0.0, 0.5, 0.01), "supported"),
        (gaps(GROWS, -0.2, 0.5, -0.1), "supported"),
        (gaps(FLAT, 0.0, 0.0, 0.0), "refuted"),
        (gaps(GROWS, 0.2, 0.5, 0.4), "refuted"),
        (gaps(GROWS, 0.0, 0.0, 0.0), "inconclusive"),
        (gaps(GROWS, 0.08, 0.5, 0.01), "inconclusive"),
    ],
)
def test_verdicts(gap, verdict):
    assert judge([on_rotation(gap), on_mnist(gap)]) == verdict


def test_a_gap_must_grow_along_the_dial_in_the_seeds_at_large():
    up, down = [0.0, 0.1, 0.2, 0.3], [0.0, -0.001, -0.002, -0.003]
    rows = np.array([up] * 6 + [down] * 4)
    outcome = on_rotation(gaps(GROWS, 0.0, 0.5, 0.0)._replace(rotation=rows))
    assert outcome.growth.low > 0 and not outcome.grows
    assert judge([outcome]) == "inconclusive"


def test_one_cell_that_does_not_agree_leaves_it_open():
    good, bad = gaps(GROWS, 0.0, 0.5, 0.0), gaps(FLAT, 0.0, 0.0, 0.0)
    outcomes = [f(gap) for gap in (good, bad) for f in (on_rotation, on_mnist)]
    assert judge(outcomes) == "inconclusive"


def test_rank_correlations_of_rows():
    rows = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [1, 1, 1, 1], [0, 2, 1, 3]])
    np.testing.assert_allclose(study.rank_correlations(np.arange(4), rows),
                               [1, -1, 0, 0.8])  # fmt: skip


@pytest.fixture
def made_up(monkeypatch):
    """A run whose accuracy tells the task, the model and the seed."""
    rates = []

    def run(settings, replicates, rows):
        del rows
        return [
            {
                "test_accuracy": 0.1 * s.make_task(0).num_steps / 16 + 0.01 * r.seed
                + (0.0 if s.cell is study.BagOfSteps else 0.5)
            }
            for s in settings for r in replicates
        ]  # fmt: skip

    def tune(candidates, replicates, rows):
        del replicates, rows
        rates.append([c.learning_rate for c in candidates])
        return candidates[-1]

    monkeypatch.setattr(study, "run", run)
    monkeypatch.setattr(study, "tune", tune)
    return rates


def test_gaps_are_paired_by_task_and_seed(made_up):
    plan = dataclasses.replace(study.PLANS["quick"], num_seeds=3)
    found = study.measured(plan, None)
    assert list(found) == ["GRU", "bag of steps"]
    np.testing.assert_allclose(found["GRU"][0.2, True], [0.6, 0.61, 0.62])
    np.testing.assert_allclose(found["bag of steps"]["plain"], [0.25, 0.26, 0.27])
    gap = study.gaps(plan, found, "GRU")
    assert gap.rotation.shape == gap.rotation_shuffled.shape == (3, 4)
    np.testing.assert_allclose(gap.rotation, 0.5)
    np.testing.assert_allclose(list(gap.mnist.values()), np.full((3, 3), 0.5))
    # Both models choose from the same rates on each of the eleven data.
    assert made_up == [[3e-3, 1e-2]] * 22


def test_plans_are_of_the_size_they_claim():
    assert [study.PLANS[name].num_seeds for name in ("quick", "full")] == [5, 10]
    for plan in study.PLANS.values():
        assert plan.dial[0] == 0 and list(plan.dial) == sorted(plan.dial)
