"""Linear rules trained to the end: tied, untied, and softly tied by degrees."""

from typing import Any, NamedTuple

import pandas as pd

from experiments.lab.frames import count_lost, frame
from experiments.lab.trials import Lab, replicates
from experiments.law.linear import (
    LinearSetting,
    LinearSteps,
    annealed,
    linear_rule,
    step_size,
)
from experiments.law.plan import Case, Plan
from rnnshare import Tied, Untied
from rnnshare.training import Call, Recipe

LOST = "the loss of answering 0"  # what a run that diverged counts as
SOFT = "Soft"
_MODEL: Any = LinearSteps  # in the place of a cell


class Measured(NamedTuple):
    """The trainings.

    Attributes:
      runs: a row a training: case, its number in the plan; arm, 'Tied', 'Untied' or
        'Soft'; N; factor, of the predicted strength; seed; test_loss, the excess error;
        gradient, the norm of that of the training loss; lost.
    """

    runs: pd.DataFrame


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept."""
    settings: dict = {}
    for number, case in enumerate(plan.cases):
        sizes = dict.fromkeys(case.size(part) for part in plan.parts)
        soft = dict.fromkeys(case.size(part) for part in plan.strength_parts)
        if case.correlation:  # the strength is predicted of independent noise
            soft = {}
        for size in [*(sizes | soft)]:
            for arm in ("Tied", "Untied"):
                settings[number, arm, size, 0.0] = _setting(plan, case, arm, size)
        for size in soft:
            for factor in plan.strengths:
                strength = factor * case.strength
                settings[number, SOFT, size, factor] = _setting(
                    plan, case, SOFT, size, strength
                )
    rows = lab.train(
        list(settings.values()), replicates(plan.num_seeds, plan.first_seed)
    )
    names = "case", "arm", "N", "factor"
    labels = [dict(zip(names, key, strict=True)) for key in settings]
    runs = frame(labels, rows, plan.num_seeds)
    runs["gradient"] = runs["train_gradient"].where(
        runs["arm"] != "Tied", runs["train_shared_gradient"]
    )
    # The rules have weights of variance 1 in common, and are apart by the bias.
    zero = runs["case"].map(
        {i: case.num_weights + case.bias for i, case in enumerate(plan.cases)}
    )
    return Measured(count_lost(runs, {"test_loss": zero, "gradient": float("inf")}))


def _setting(
    plan: Plan, case: Case, arm: str, size: int, strength: float = 0.0
) -> LinearSetting:
    given: dict[str, Any] = {
        "num_steps": case.num_steps,
        "num_weights": case.num_weights,
        "num_outputs": plan.num_outputs,
        "num_rows": plan.num_rows(case),
        "num_examples": size,
        "bias": case.bias,
        "noise_variance": case.noise_variance,
        "correlation": case.correlation,
        "strength": strength,
    }
    tied = arm == "Tied"
    return LinearSetting(
        Call(linear_rule, **given),
        cell=_MODEL,
        sharing=Tied() if tied else Untied(case.num_steps),
        hidden_features=case.num_weights,
        learning_rate=step_size(given, tied),
        recipe=Recipe(
            num_steps=plan.num_steps,
            batch_size=given["num_rows"],  # whole: what is there of it
            validate_every=plan.num_steps,
            patience=None,
            clip_norm=None,
            optimizer=Call(annealed, num_steps=plan.num_steps),
            keep="last",
        ),
    )
