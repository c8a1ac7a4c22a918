"""What a trained tied model says of un-tying, before the others are trained.

Its score test asks for weights that change smoothly with time, and for weights of each
step's own. The second sees a signal at two steps alone, which the first does not.
"""

import time
from collections.abc import Callable
from typing import Any

import jax

from experiments.compare.contest import Arm, setting_of
from experiments.lab.machine import layout
from rnnshare import Basis
from rnnshare.analysis import dispersion_of, score_test, scores_of
from rnnshare.training import fit

SHARE = 0.1  # of the budget that it may take
LEAST = 240.0  # seconds of a budget that has time for it
MOST_EXAMPLES = 500
_RATE, _UPDATES = 1e-2, 400
_GROWS = 3.0  # how much longer than by the number of functions the second test may take


def ask(
    make_task: Callable[[int], Any],
    arm: Arm,
    *,
    seconds: float,
    batch_size: int = 32,
) -> dict[str, Any]:
    """Returns what the score tests of one tied model say.

    Args:
      make_task: `make_task(split)`.
      arm: the tied one.
      seconds: that the budget has; what would take too much of it is left out.
      batch_size: of the training.

    Returns:
      {'smooth' and 'step by step': {statistic, p_value, predicted_gain}} with the
      tied model's `loss`, or `why` there is none. The gain is in the loss's unit.
    """
    if seconds < LEAST:
        return {"why": f"{LEAST / 60:.0f} minutes and more have time for it"}
    began = time.perf_counter()
    task = make_task(0)
    batch_size = min(batch_size, len(task.held_out("train").inputs))
    setting = setting_of(make_task, arm, _RATE, _UPDATES, batch_size)
    make_model = setting.make_model()
    fitted = fit(make_model, setting.recipe, [(task, 0, _RATE)], **layout())
    (params,), (found,) = fitted.params, fitted.metrics
    if found["diverged"] is not None:
        return {"why": "the tied model diverged"}
    loss = found["train_loss"]
    batch = jax.tree.map(lambda leaf: leaf[:MOST_EXAMPLES], task.held_out("train"))
    steps = task.num_steps
    tried = {
        "smooth": Basis(4, "chebyshev", period=max(steps - 1, 1)),
        "step by step": Basis(steps, period=float(steps)),
    }
    dispersion = dispersion_of(task, batch, loss)
    told: dict[str, Any] = {"loss": loss}
    took, functions = 0.0, 1
    for name, alternative in tried.items():
        expected = _GROWS * took * alternative.num_templates / functions
        if time.perf_counter() - began + expected > SHARE * seconds:
            told[name] = {"why": "there was no time for it"}
            continue
        before = time.perf_counter()
        scores, nuisance = scores_of(make_model, params, alternative, task, batch)
        test = score_test(scores, nuisance=nuisance, dispersion=dispersion)["all"]
        told[name] = test._asdict()
        took, functions = time.perf_counter() - before, alternative.num_templates
    return told


def in_words(told: dict[str, Any]) -> str:
    """Returns what was told, in a sentence or two."""
    if "why" in told:
        return f"The score test of a tied model was not made: {told['why']}."
    parts = []
    for name in ("smooth", "step by step"):
        test = told[name]
        if "why" in test:
            parts.append(f"{name}, {test['why']}")
        else:
            gain = test["predicted_gain"]
            parts.append(f"{name}, p {test['p_value']:.3f}, gain {gain:.3g}")
    return (
        f"The score test of a tied model of loss {told['loss']:.3g}, for weights that "
        f"change with time: {'; '.join(parts)}. "
        "A gain is by how much the loss would fall, by one step along what is tested."
    )
