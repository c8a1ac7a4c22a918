"""Should I untie? Advice from one trained tied model, by score tests.

`scores_of` makes what `score_tests` tests of a trained `SequenceModel`;
`advise` turns the tests against several alternatives into a sharing to try.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnshare.analysis.score_tests import ScoreTest, example_gradients, score_test
from rnnshare.analysis.statistics import holm
from rnnshare.cells.blueprint import Blueprint
from rnnshare.sharing.base import Sharing
from rnnshare.sharing.combinations import TEMPLATES, Basis, Combination
from rnnshare.sharing.conversion import convert
from rnnshare.sharing.corrections import LowRank
from rnnshare.sharing.partition import Partition
from rnnshare.sharing.selections import Cyclic
from rnnshare.sharing.templates import Tied
from rnnshare.tasks import Batch, Classification, Task
from rnnshare.training.setting import ModelFor

SMOOTH = "smooth drift"
_LABELS = {"input": "input.kernel", "recurrent": "recurrent.kernel", "bias": "bias"}


class Advice(NamedTuple):
    """What to do with tied weights.

    Attributes:
      text: such as 'leave it tied', 'untie the input map', 'period 24'.
      sharing: to try; `Tied()` to leave it.
      p_value: of the best alternative against tied weights, adjusted for their number.
      predicted_gain: in the loss's unit; see `ScoreTest`.
    """

    text: str
    sharing: Sharing
    p_value: float
    predicted_gain: float


def alternatives(num_steps: int, periods: tuple[int, ...] = ()) -> dict[str, Basis]:
    """Returns what to test against: slow drifts over T steps, and some periods.

    A period p is tested along its constant and its Fourier functions, 5 at most.

    Raises:
      ValueError: on a period below 2 or above T / 2, which T steps do not show.
    """
    for period in periods:
        if not 2 <= period <= num_steps // 2:
            raise ValueError(
                f"A period of {period} steps does not show in {num_steps} steps. Use "
                f"periods from 2 to {num_steps // 2}."
            )
    found = {SMOOTH: Basis(4, "chebyshev", period=max(num_steps - 1, 1))}
    for period in periods:
        found[f"period {period}"] = Basis(min(period, 5), period=period)
    return found


def scores_of(
    make_model: ModelFor,
    params: Any,
    alternative: Combination,
    task: Task,
    batch: Batch,
) -> tuple[Any, Any]:
    """Returns the scores of a trained tied model's layer, and of its other parameters.

    Args:
      make_model: of one layer, tied.
      params: what `fit` returned for it.
      alternative: whose functions of time the contrasts are.
      task: whose loss it is.
      batch: the examples, N of them; those it was trained on, as its tied scores have
        a mean of zero there.

    Returns:
      Leaves [N, K, ...] for the templates, and leaves [N, ...]: the two arguments
      `scores` and `nuisance` of `score_test`.

    Raises:
      ValueError: unless the model has one tied layer.
    """
    if make_model.sharing != Tied() or make_model.num_layers != 1:
        raise ValueError(
            f"scores_of takes a model of one tied layer, but got {make_model.sharing!r}"
            f" and {make_model.num_layers} layers. Train a tied one first."
        )
    blueprint = Blueprint.of(dataclasses.replace(make_model, sharing=alternative))
    ((name, layer),) = params["layers"].items()
    weights = convert(layer["weights"], Tied(), alternative, num_steps=task.num_steps)
    at_tied = params | {"layers": {name: layer | {"weights": weights}}}

    def loss(params: Any, example: Batch) -> jax.Array:
        one = jax.tree.map(lambda leaf: leaf[None], example)
        outputs = blueprint.bind(params)(one.inputs, seq_lengths=one.lengths)
        return task.loss(outputs, one)

    found = example_gradients(loss, at_tied, batch)
    others = {key: value for key, value in found.items() if key != "layers"}
    return found["layers"][name]["weights"][TEMPLATES], others


def dispersion_of(task: Task, batch: Batch, loss: float) -> float:
    """Returns the dispersion that `score_test` measures a gain by.

    The loss of an example is a mean over its answers, whose scores add up to a variance
    that is their number times too small for its curvature.

    Args:
      task: whose loss it is.
      batch: its examples.
      loss: its mean; that of squared errors is their variance, and a cross entropy's,
        of a `Classification`, does not matter.
    """
    answers = 1.0
    if task.readout == "every":
        answers = float(task.num_steps)
        if batch.mask is not None:
            answers = float(np.sum(batch.mask)) / len(batch.inputs)
        elif batch.lengths is not None:
            answers = float(np.mean(batch.lengths))
    return (1.0 if isinstance(task, Classification) else 2.0 * loss) / answers


def run_tests(
    make_model: ModelFor,
    params: Any,
    task: Task,
    tried: Mapping[str, Combination],
    *,
    dispersion: float = 1.0,
    num_flips: int = 999,
    seed: int = 0,
) -> dict[str, dict[str, ScoreTest]]:
    """Returns the score tests of each alternative, by group of parameters.

    On the task's training set; the arguments are those of `scores_of` and `score_test`.
    """
    found = {}
    for name, alternative in tried.items():
        scores, nuisance = scores_of(
            make_model, params, alternative, task, task.held_out("train")
        )
        found[name] = score_test(
            scores,
            nuisance=nuisance,
            num_flips=num_flips,
            seed=seed,
            dispersion=dispersion,
        )
    return found


def advise(
    tests: Mapping[str, Mapping[str, ScoreTest]],
    num_steps: int,
    level: float = 0.05,
    least_gain: float = 0.0,
) -> Advice:
    """Returns what the tests of `run_tests` speak for.

    Leave it tied unless an alternative rejects tied weights, corrected for their number
    by Holm's method, and predicts a gain that is worth it: a network that is not at its
    optimum, or not of the data's form, rejects by little things too. Of those that do,
    the one with the largest statistic is taken, and in it the groups of parameters that
    reject by themselves, corrected again.

    Args:
      tests: {alternative: {group: test}}.
      num_steps: T.
      level: of the tests.
      least_gain: that is worth it, in the loss's unit; .005 of the dispersion, say,
        which is a mean score of a tenth of its deviation between examples.
    """
    names = list(tests)
    adjusted = dict(
        zip(names, holm([tests[n]["all"].p_value for n in names]), strict=True)
    )
    rejecting = [
        name
        for name in names
        if adjusted[name] < level and tests[name]["all"].predicted_gain > least_gain
    ]
    if not rejecting:
        best = min(names, key=adjusted.__getitem__)
        return Advice(
            "leave it tied",
            Tied(),
            float(adjusted[best]),
            tests[best]["all"].predicted_gain,
        )
    best = max(rejecting, key=lambda name: tests[name]["all"].statistic)
    groups = [group for group in tests[best] if group != "all"]
    values = holm([tests[best][group].p_value for group in groups])
    moved = [g for g, p in zip(groups, values, strict=True) if p < level]
    part: Sharing = LowRank(num_steps, 2)
    if best != SMOOTH:
        part = Cyclic(int(best.removeprefix("period ")), same_init=True)
    sharing, where = part, ""
    if len(moved) == 1 and moved[0] in _LABELS:
        sharing = Partition({_LABELS[moved[0]]: part})
        where = {"bias": "the biases"}.get(moved[0], f"the {moved[0]} map")
    text = f"untie {where or 'all maps'}" if best == SMOOTH else best
    if best != SMOOTH and where:
        text += f", of {where}"
    return Advice(
        text, sharing, float(adjusted[best]), tests[best]["all"].predicted_gain
    )
