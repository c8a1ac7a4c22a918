"""What a comparison recommends, and how sure that is."""

import math
from typing import NamedTuple

import numpy as np

from experiments.compare.contest import FEWEST, Outcome
from rnnshare.analysis import Interval, resampled_interval

CANNOT_TELL = "cannot tell"
SHARED = ("tied", "tied, wide")
UNSHARED = "un-shared"
LEAST = float(np.finfo(np.float32).eps)  # a loss below it is told from none by rounding


class Recommendation(NamedTuple):
    """Which sharing to use.

    Attributes:
      arm: its name, or None.
      sharing: its repr, or 'cannot tell'.
      width: H, or None.
      reasons: sentences.
      ratio: of test losses, the best arm that is not shared over the best that is.
    """

    arm: str | None
    sharing: str
    width: int | None
    reasons: tuple[str, ...]
    ratio: Interval | None


def recommend(outcome: Outcome, chance: float, overlap: float) -> Recommendation:
    """Returns what the trained arms speak for.

    What is chosen is chosen by validation losses, and judged by test losses: the
    logarithm of their ratio over paired seeds and splits. First something must be
    learnt: the best arm's test loss is below chance. Then a sharing that is not tied is
    recommended if its loss is below that of the better tied arm; of those that are not
    told from the best one, that of the fewest parameters. Tied weights are recommended
    if no other is better and un-shared ones are worse.

    Args:
      outcome: what was trained.
      chance: the loss of guessing.
      overlap: test examples over training examples, for `resampled_interval`; 0 where
        all seeds have one split.
    """
    names = list(outcome.settings)
    validation = {name: outcome.losses(name, "validation") for name in names}
    test = {name: np.maximum(outcome.losses(name), LEAST) for name in names}
    lost = [name for name in names if not np.isfinite(test[name]).all()]
    names = [name for name in names if name not in lost]
    told = [f"'{name}' diverged on some seed, and is left out." for name in lost]
    others = [name for name in names if name not in SHARED]
    if "tied" not in names or not others or len(test["tied"]) < FEWEST:
        return Recommendation(
            None, CANNOT_TELL, None, (*told, "Too little was trained."), None
        )
    mean = {name: float(validation[name].mean()) for name in names}
    shared = min((n for n in names if n in SHARED), key=mean.__getitem__)
    other = min(others, key=mean.__getitem__)

    def against(a: str, b: str) -> Interval:
        return resampled_interval(np.log(test[a] / test[b]), overlap)

    ratio = _exp(against(other, shared))
    best = min(names, key=mean.__getitem__)
    learnt = resampled_interval(np.log(test[best] / chance), overlap)
    if learnt.high >= 0:
        told.append(
            f"No arm is told from guessing: the best one by validation, '{best}', has "
            f"{_shown(_exp(learnt))} times the test loss of guessing, {chance:.4g}. "
            "More sequences, or a larger --budget_minutes, may tell."
        )
        return Recommendation(None, CANNOT_TELL, None, tuple(told), ratio)
    told.append(
        f"The best arm that is not tied, '{other}', has {_shown(ratio)} times the test "
        f"loss of the best tied one, '{shared}'."
    )
    if ratio.high < 1:
        near = [n for n in others if against(n, other).low <= 0]
        near = [n for n in near if against(n, shared).high < 0]
        arm = min(near, key=lambda n: outcome.settings[n].num_parameters())
        if arm != other:
            told.append(
                f"'{arm}' is not told from it, and has the fewest parameters of those."
            )
        return _chosen(outcome, arm, told, ratio)
    if UNSHARED in names:
        worse = _exp(against(UNSHARED, shared))
        told.append(
            f"Un-shared weights have {_shown(worse)} times the loss of '{shared}'."
        )
        if worse.low > 1:
            alike = shared == "tied" or against("tied", shared).low <= 0
            return _chosen(outcome, "tied" if alike else shared, told, ratio)
    return Recommendation(None, CANNOT_TELL, None, tuple(told), ratio)


def _chosen(
    outcome: Outcome, arm: str, told: list[str], ratio: Interval
) -> Recommendation:
    setting = outcome.settings[arm]
    return Recommendation(
        arm, repr(setting.sharing), setting.hidden_features, tuple(told), ratio
    )


def _exp(interval: Interval) -> Interval:
    return Interval(*(math.exp(end) for end in interval))


def _shown(interval: Interval) -> str:
    return f"{interval.estimate:.3g} [{interval.low:.3g}, {interval.high:.3g}]"
