"""What the map has to tell, in sentences: who wins where, and how it was made."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.drift_map.measure import LOST, STEP_BIAS, WHOLE, Measured
from experiments.drift_map.plan import PLANS, Plan
from experiments.lab.frames import LEVEL, say_lost
from experiments.lab.power import POWER, repeats_needed, say_repeats, say_why_not

FAMILIES = {
    "untied / tied": ("Untied", "Tied"),
    "partly untied /\nbetter of both": ("Partial", WHOLE),
}


class MapResult(NamedTuple):
    """What the rule of Q5 makes of a map: frames with a row a (T, d, N).

    Attributes:
      differences: log ratio of the test losses of untied and tied, a column a seed.
      tests: its estimate, low, high, p, and wins: -1 untied's, confirmed on fresh
        seeds, +1 tied's.
      partial: the tests of partly untied against the better of both.
      ratios: {family: geometric mean ratio of each case}.
      crossings: {family: {(T, d): interval of N*}}.
    """

    differences: pd.DataFrame
    tests: pd.DataFrame
    partial: pd.DataFrame
    ratios: dict
    crossings: dict


def settings_told(chosen: dict, plan: Plan) -> str:
    """Returns width, parameters, rate and start of each arm, {(arm, T): setting}.

    It says which rates lie at an edge of the grid.
    """
    told, edges = [], []
    for (arm, steps), setting in chosen.items():
        start = getattr(setting.sharing, "same_init", None)
        of_one = {
            None: "",
            True: ", one initialisation",
            False: ", an initialisation a step",
        }[start]
        told.append(
            f"{arm}, T = {steps}: H = {setting.hidden_features}, "
            f"{setting.num_parameters():,} parameters, rate {setting.learning_rate:g}"
            f"{of_one}"
        )
        if setting.learning_rate in (plan.rates[0], plan.rates[-1]):
            edges.append(f"{arm} (T = {steps})")
    text = (
        f"Tuned at the middle d and N, by equal budgets, from the rates "
        f"{', '.join(f'{rate:g}' for rate in plan.rates)}: {'; '.join(told)}."
    )
    if edges:
        return f"{text} At an edge of the rates: {', '.join(edges)}."
    return f"{text} No choice lies at an edge of the rates."


def say_case(case: tuple) -> str:
    """Returns (T, d, N) in words."""
    steps, drift, size = case
    return f"T = {steps}, d = {drift:g}, N = {size:,}"


def where(wins: pd.Series, side: int) -> str:
    """Returns at how many cells of each drift a side wins."""
    drifts = wins.index.get_level_values("d")
    return ", ".join(
        f"{(own == side).sum()} of {len(own)} at d = {d:g}"
        for d, own in wins.groupby(drifts)
    )


def map_sentences(plan: Plan, result: MapResult, arms: pd.Series) -> list[str]:
    """Returns what the map showed, sentence by sentence.

    Args:
      plan: of it.
      result: what the rule makes of it.
      arms: the best of each kind, a row a (kind, T, d, N).
    """
    wins, partial = result.tests.wins, result.partial.wins
    told = [
        "On the drifting rule the best untied model wins against the best tied one of "
        f"any width in {where(wins, -1)} (confirmed on fresh seeds), tied in "
        f"{where(wins, 1)}. The best partly untied model (a correction of rank "
        f"{plan.rank} or a bias a step) wins against the better of both in "
        f"{where(partial, -1)}, and loses in {where(partial, 1)}."
    ]
    both = wins.index[(wins < 0) & (partial < 0)]
    if len(both):
        clocks = sum(arms["Partial", *case] == STEP_BIAS for case in both)
        told.append(
            f"Of the {(wins < 0).sum()} cells that untied wins, partly untied beats it "
            f"in {len(both)}, in {clocks} of them by a bias a step alone: a tied model "
            "with a clock."
        )
    if (wins[wins.index.get_level_values("d") == 0] < 0).any():
        told.append("An untied win without drift is a surprise.")
    return told


def joint_sentence(result: MapResult) -> str:
    """Returns where untied, tied and partly untied win, in one sentence."""

    def places(wins: pd.Series, side: int) -> str:
        """Returns the drifts and sizes at which a side wins, in words."""
        told = []
        for drift, own in wins.groupby(level="d"):
            sizes = own[own == side].index.get_level_values("N")
            if len(sizes):
                span = " to ".join(f"{n:,}" for n in sorted({min(sizes), max(sizes)}))
                count = f"{len(sizes)} of {len(own)} cells, N = {span}"
                told.append(f"d = {drift:g} ({count})")
        return " and ".join(told)

    wins, partial = result.tests.wins, result.partial.wins
    found = {
        "untied wins": places(wins, -1),
        "tied": places(wins, 1),
        "partial untying, against the better of both,": places(partial, -1),
    }
    return ", ".join(
        f"{who} where {at}" if at else f"{who} nowhere" for who, at in found.items()
    )


def map_details(plan: Plan, found: Measured) -> list[str]:
    """Returns how the map was made."""
    return [
        "Untied has the width of tied or as many parameters, tied the width or "
        f"{plan.wider} times it; partly untied is LowRank({plan.rank}), or tied with a "
        f"bias per step. The best of each kind is chosen at each cell by the mean "
        f"validation loss over {plan.choosing} of the tuning seeds, the better of "
        "tied and untied too. All training sets of a seed are of one rule; a larger "
        "one holds the smaller ones, and every model sees the same batches. The rate "
        "falls to 0 "
        f"by a cosine over {plan.num_steps:,} steps, and the parameters of the least "
        "validation loss are kept.",
        settings_told(found.chosen, plan),
        _time(plan, found.runs),
        "N* is where the line through the mean log ratios, over log N, first changes "
        "to untied's favour; its interval is of resampled seeds, and infinite where it "
        "does not."
        + say_lost(pd.concat([found.runs, found.fresh])["lost"], LOST, "\n\n"),
    ]


def _time(plan: Plan, runs: pd.DataFrame) -> str:
    """Returns how many runs of each N would go on learning."""
    late = runs["best_step"] > 0.95 * plan.num_steps
    shares = late.groupby(runs["N"]).mean()
    told = ", ".join(f"{share:.0%} at N = {n:,}" for n, share in shares.items())
    return (
        f"At their best in the last twentieth of the {plan.num_steps:,} steps: {told}. "
        "Where that is most of them a ratio is one of what the steps reach, not of "
        "what the examples tell."
    )


def what_would_decide(plan: Plan, apart: pd.DataFrame) -> str:
    """Returns the least number of seeds with which untied would win a cell."""
    ahead = apart[apart.mean(axis=1) < 0]
    if not len(ahead):
        return "What would decide it: untied is ahead in no cell with drift."
    level = LEVEL / len(plan.steps) / len(plan.drifts) / len(plan.sizes)
    needed = {case: repeats_needed(row, level) for case, row in ahead.iterrows()}
    best = min(needed, key=lambda case: needed[case] or np.inf)
    return (
        f"What would decide it: at the effects and spreads seen here, untied would win "
        f"a cell with {POWER:.0%} power with {say_repeats(needed[best])} "
        f"({say_case(best)}), and as many fresh ones. {say_why_not(plan, PLANS)}"
    )
