"""What comes of the study of the cell state: the finding of Bc1, and its figure."""

import time
from typing import NamedTuple

import numpy as np

from experiments.cell_state import figure as memory_figures
from experiments.cell_state.gradients import decay
from experiments.cell_state.measure import (
    CUT,
    ELMAN,
    LSTM,
    NO_CARRY,
    PLANS,
    RECALLED,
    SYMBOLS,
    bar_of,
    doublings,
    judge,
    longest_solved,
    measure,
    score_of,
    task_line,
)
from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from rnnshare.analysis.statistics import paired_difference
from rnnshare.plotting import panels as figures

REFUTED = (
    "in neither task the untied LSTM remembers longer than both untied Elman and the "
    "cut LSTM (above), nor its gradient falls more slowly than both of theirs (below)"
)
UNITS = {"adding": "steps T", "copy memory": "blanks to wait (steps)"}
SCORES = {"adding": "test loss", "copy memory": "accuracy of recall"}


def cell_state_finding(preset, folder, rule):
    """Trains; returns the finding of Bc1, and draws its figure."""
    plan, began = PLANS[preset], time.perf_counter()
    measured = _whole(measure(preset, folder))
    seconds = time.perf_counter() - began
    longest = _each(
        measured, lambda task, m: longest_solved(task, plan.lengths[task], m.score)
    )
    decays = _each(_with_carry(measured), lambda _, m: decay(m.trained))
    verdict, tests = judge(longest, decays)
    effect = doublings(longest)
    told = "; ".join(
        f"{task}: {_against(longest[task], rivals, _Longest(plan.lengths[task]))}"
        for task, rivals in tests.items()
    )
    kept = "; ".join(
        f"{task}: {_against(decays[task], rivals, _percent)}"
        for task, rivals in tests.items()
    )
    return Finding(
        id="Bc1",
        claim=CLAIMS["Bc1"],
        verdict=verdict,
        effect=effect.estimate,
        effect_label=(
            "longest length solved, untied LSTM over untied Elman, mean over the tasks "
            "(doublings)"
        ),
        interval=(effect.low, effect.high),
        num_seeds=len(next(iter(longest.values()))[LSTM]),
        rule=rule,
        command=f"python -m experiments.cell_state --preset={preset}",
        figure=_draw(plan, measured, folder),
        seconds=seconds,
        meaning=(
            f"The longest length solved, median over seeds, {told}. The share of the "
            f"gradient that a step back keeps, after training, {kept}."
        ),
        details=_setup(plan, measured, tests),
        table=_table(plan, measured, longest),
    )


def _each(measured, function):
    """Returns {task: {arm: function(task, Measured)}}."""
    return {
        task: {arm: function(task, m) for arm, m in arms.items()}
        for task, arms in measured.items()
    }


def _with_carry(measured):
    """Returns what is measured of the arms that hand on a carry: others have no g."""
    return {
        task: {arm: m for arm, m in arms.items() if arm != NO_CARRY}
        for task, arms in measured.items()
    }


def _whole(measured):
    """Returns what is measured of the seeds whose every judged gradient has a slope."""
    slopes = [
        decay(arms[arm].trained)
        for arms in measured.values()
        for arm in (LSTM, ELMAN, CUT)
        if arm in arms
    ]
    kept = np.isfinite(slopes).all(0)
    return _each(
        measured,
        lambda _, m: m._replace(
            score=m.score[kept], start=m.start[kept], trained=m.trained[kept]
        ),
    )


def _against(arms, rivals, tell):
    """Returns what is told of the LSTM, and of each rival."""
    others = " and ".join(f"{tell(arms[r])} ({r})" for r in rivals)
    return f"{tell(arms[LSTM])} against {others}"


class _Longest(NamedTuple):
    """Tells the longest length solved, the median over seeds."""

    lengths: tuple[int, ...]

    def __call__(self, values):
        median = np.median(values)
        if median < min(self.lengths):
            return "none"
        top = " (the longest tried)" if median == max(self.lengths) else ""
        return f"{median:g}{top}"


def _percent(slopes):
    """Returns the share of the gradient norm that one step back leaves."""
    return f"{100 * np.exp(np.mean(slopes)):.0f} %"


def _setup(plan, measured, tests):
    left_out = plan.num_seeds - len(next(iter(measured.values()))[LSTM].score)
    diverged = (
        f" {left_out} seeds whose gradients have no slope are left out."
        if left_out
        else ""
    )
    before = "; ".join(
        f"{task}: " + ", ".join(
            f"{arm} {_percent(decay(m.start))}" for arm, m in arms.items()
        )
        for task, arms in _with_carry(measured).items()
    )  # fmt: skip
    apart = "; ".join(
        f"{task}, {rival}: {_told(interval)}, {'longer' if longer else 'not longer'}"
        for task, rivals in tests.items()
        for rival, (longer, interval) in rivals.items()
    )
    apart_before = "; ".join(
        f"{task}, {rival}: "
        + _told(paired_difference(decay(measured[task][LSTM].start),
                                  decay(measured[task][rival].start)))
        for task, rivals in tests.items()
        for rival in rivals
    )  # fmt: skip
    return (
        f"Equal width ({plan.hidden_features}); an untied network is the feed-forward "
        "one of as many layers, with an input at each. Copy memory recalls "
        f"{RECALLED} of {SYMBOLS} symbols. All cells start with orthogonal recurrent "
        "kernels (the IRNN with the identity), each gate's by itself, and zero biases, "
        "but for the forget gate's, 1: so a fresh cell state keeps 73 % a step. The "
        "cut cells draw the same weights and leave some unread. With both paths cut a "
        f"network knows the last input alone. {_tuning(plan)}; at most "
        f"{plan.num_steps:,} steps of 32 sequences. A model that solves no length is "
        f"counted at half of the shortest.{diverged}"
        "\n\nGradients are of a random linear map of the last output, at the carry "
        "(the pair of c and h in an LSTM), over the same "
        f"{plan.num_probed} sequences for all. Slope of the log norm per step back "
        f"after training, LSTM less rival, and the longest solved: {apart}. A rival "
        "that has not learnt the task at this length has the gradient of a network "
        "that failed."
        f"\n\nBefore training a step back keeps: {before}. Slope, LSTM less rival: "
        f"{apart_before}."
    )


def _told(interval):
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _tuning(plan):
    probed = " and ".join(f"{n} ({task})" for task, n in plan.probed.items())
    what, start = "The rate is", "; untied weights start as copies of one draw"
    if len(plan.starts) > 1:
        what, start = "Rate and start of untied weights are", " and two starts"
    return (
        f"{what} chosen for each model at {probed} on {plan.num_tuning} seeds of its "
        f"own, from {len(plan.rates)} rates{start}"
    )


def _table(plan, measured, longest):
    """Returns the rows of the table."""
    rows = [("task", "model", "rate and sharing", "longest solved (median)", "length",
             "score", "solved by")]  # fmt: skip
    for task, arms in measured.items():
        bar, better = bar_of(task), score_of(task)[1]
        for arm, m in arms.items():
            for i, length in enumerate(plan.lengths[task]):
                scores = m.score[:, i]
                done = scores >= bar if better else scores < bar
                rows.append((task, arm, m.chosen, f"{np.median(longest[task][arm]):g}",
                             f"{length}", f"{scores.mean():.3f}",
                             f"{done.sum()} of {len(scores)}"))  # fmt: skip
    return tuple(rows)


def _draw(plan, measured, folder):
    panels = [
        memory_figures.MemoryPanel(
            title=task.capitalize(),
            xlabel=UNITS[task],
            ylabel=SCORES[task],
            lengths=plan.lengths[task],
            scores={arm: m.score for arm, m in arms.items()},
            levels={
                "no memory": task_line(task),
                "solved": bar_of(task),
            },
            gradients={arm: m.trained for arm, m in arms.items()},
        )
        for task, arms in measured.items()
    ]
    path = "figures/Bc1.png"
    figure = memory_figures.draw_memory(
        panels, REFUTED, "gradient norm at the carry,\nafter training"
    )
    figures.save(figure, folder / path)
    return path
