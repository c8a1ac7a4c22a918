"""Whether an untied LSTM still has its cell state (Bc1)."""

from fractions import Fraction

import numpy as np

from experiments.cell_state import figure
from experiments.cell_state.gradients import decay
from experiments.cell_state.measure import (
    ACCURACY,
    RECALLED,
    SHARE,
    SYMBOLS,
    measure,
    scoring,
)
from experiments.cell_state.plan import CUT, ELMAN, LSTM, NO_CARRY, PLANS, Plan
from experiments.lab.experiment import Claim, Experiment, Verdict
from rnnshare.analysis.statistics import (
    Interval,
    bootstrap_interval,
    paired_difference,
)

UNITS = {"adding": "steps T", "copy memory": "blanks to wait (steps)"}
SCORES = {"adding": "test loss", "copy memory": "accuracy of recall"}


def judge_memory(plan: Plan, found: dict) -> Verdict:
    """Returns the verdict of Bc1."""
    measured = whole(found)
    longest = _each(
        measured, lambda task, m: longest_solved(task, plan.lengths[task], m.score)
    )
    decays = _each(_with_carry(measured), lambda _, m: decay(m.trained))
    verdict, tests = judge(longest, decays)

    def median(task):
        return lambda lengths: _longest(plan.lengths[task], lengths)

    told = "; ".join(
        f"{task}: {_against(longest[task], rivals, median(task))}"
        for task, rivals in tests.items()
    )
    kept = "; ".join(
        f"{task}: {_against(decays[task], rivals, _percent)}"
        for task, rivals in tests.items()
    )
    effect = doublings(longest)
    return Verdict(
        verdict,
        effect,
        "longest length solved, untied LSTM over untied Elman, mean over the tasks "
        "(doublings)",
        f"The longest length solved, median over seeds, {told}. The share of the "
        f"gradient that a step back keeps, after training, {kept}.",
        len(next(iter(longest.values()))[LSTM]),
        _details(plan, found, measured, tests),
        data=(measured, longest),
    )


def whole(found: dict) -> dict:
    """Returns what is measured of the seeds whose every judged gradient has a slope.

    Of all seeds if fewer than two have: then the slopes are not compared.
    """
    slopes = [
        decay(arms[arm].trained)
        for arms in found.values()
        for arm in (LSTM, ELMAN, CUT)
        if arm in arms
    ]
    kept = np.isfinite(slopes).all(0)
    if kept.sum() < 2:
        return found
    return _each(
        found,
        lambda _, m: m._replace(
            score=m.score[kept], start=m.start[kept], trained=m.trained[kept]
        ),
    )


def judge(longest: dict, decays: dict) -> tuple[str, dict]:
    """Returns the verdict of Bc1, and {task: {rival: (longer, Interval)}}.

    Args:
      longest: {task: {arm: [S]}}, the longest length solved.
      decays: {task: {arm: [S]}}, after training, as `decay` returns them.
    """
    tests = {
        task: {
            rival: (
                bool(np.median(arms[LSTM]) > np.median(arms[rival])),
                slower(decays[task][LSTM], decays[task][rival]),
            )
            for rival in (ELMAN, CUT)
            if rival in arms
        }
        for task, arms in longest.items()
    }
    longer, lasting = (
        [all(holds(test) for test in rivals.values()) for rivals in tests.values()]
        for holds in (lambda test: test[0], lambda test: test[1].low > 0)
    )
    judged = all(
        np.isfinite(interval.estimate)
        for rivals in tests.values()
        for _, interval in rivals.values()
    )
    if all(longer) and all(lasting):
        return "supported", tests
    if judged and not any(longer) and not any(lasting):
        return "refuted", tests
    return "inconclusive", tests


def slower(first: np.ndarray, second: np.ndarray) -> Interval:
    """Returns the difference of slopes, or NaN where seeds have none."""
    if np.isfinite([first, second]).all():
        return paired_difference(first, second)
    return Interval(np.nan, np.nan, np.nan)


def longest_solved(task: str, lengths: tuple[int, ...], scores: np.ndarray):
    """Returns [S], the longest solved length; half of the shortest where none is."""
    solved, none = scoring(task).solved(scores), min(lengths) / 2
    return np.max(np.where(solved, np.asarray(lengths, float), none), 1)


def doublings(longest: dict) -> Interval:
    """Returns the Interval of log2 of LSTM's longest over Elman's, mean over tasks."""
    each = [np.log2(arms[LSTM] / arms[ELMAN]) for arms in longest.values()]
    return bootstrap_interval(np.mean(each, axis=0))


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


def _against(arms, rivals, tell):
    """Returns what is told of the LSTM, and of each rival."""
    others = " and ".join(f"{tell(arms[r])} ({r})" for r in rivals)
    return f"{tell(arms[LSTM])} against {others}"


def _longest(lengths, values):
    """Tells the longest length solved, the median over seeds."""
    median = np.median(values)
    if median < min(lengths):
        return "none"
    top = " (the longest tried)" if median == max(lengths) else ""
    return f"{median:g}{top}"


def _percent(slopes):
    """Returns the share of the gradient norm that one step back leaves."""
    known = slopes[np.isfinite(slopes)]
    return f"{100 * np.exp(np.mean(known)):.0f} %" if len(known) else "an unknown share"


def _details(plan, found, measured, tests):
    before = "; ".join(
        f"{task}: "
        + ", ".join(f"{arm} {_percent(decay(m.start))}" for arm, m in arms.items())
        for task, arms in _with_carry(measured).items()
    )
    apart = "; ".join(
        f"{task}, {rival}: {_told(interval)}, {'longer' if longer else 'not longer'}"
        for task, rivals in tests.items()
        for rival, (longer, interval) in rivals.items()
    )
    starts = _each(_with_carry(measured), lambda _, m: decay(m.start))
    apart_before = "; ".join(
        f"{task}, {rival}: {_told(slower(starts[task][LSTM], starts[task][rival]))}"
        for task, rivals in tests.items()
        for rival in rivals
    )
    return (
        f"Equal width ({plan.hidden_features}); an untied network is the feed-forward "
        "one of as many layers, with an input at each. Copy memory recalls "
        f"{RECALLED} of {SYMBOLS} symbols. All cells start with orthogonal recurrent "
        "kernels (the IRNN with the identity), each gate's by itself, and zero biases, "
        "but for the forget gate's, 1: so a fresh cell state keeps 73 % a step. The "
        "cut cells draw the same weights and leave some unread. With both paths cut a "
        f"network knows the last input alone. {_tuning(plan)}; at most "
        f"{plan.num_steps:,} steps of 32 sequences. A model that solves no length is "
        f"counted at half of the shortest.{_diverged(found, measured)}"
        "\n\nGradients are of a random linear map of the last output, at the carry "
        "(the pair of c and h in an LSTM), over the same "
        f"{plan.num_probed} sequences for all. Slope of the log norm per step back "
        f"after training, LSTM less rival, and the longest solved: {apart}. A rival "
        "that has not learnt the task at this length has the gradient of a network "
        "that failed."
        f"\n\nBefore training a step back keeps: {before}. Slope, LSTM less rival: "
        f"{apart_before}."
    )


def _diverged(found, measured):
    """Returns sentences on the runs that diverged, and on seeds that are left out."""
    every = [m for arms in found.values() for m in arms.values()]
    lost, runs = sum(m.num_diverged for m in every), sum(m.score.size for m in every)
    kept = len(next(iter(measured.values()))[LSTM].score)
    left_out = len(every[0].score) - kept
    told = ""
    if lost:
        told += f" {lost} of {runs} runs diverged and count as remembering nothing."
    if left_out:
        told += f" {left_out} seeds whose gradients have no slope are left out."
    if whole(measured) is measured:
        told += " Fewer than two seeds have slopes, which are therefore not compared."
    return told


def _told(interval):
    if not np.isfinite(interval.estimate):
        return "not compared"
    return "{:.3f} [{:.3f}, {:.3f}]".format(*interval)


def _tuning(plan):
    probed = " and ".join(f"{n} ({task})" for task, n in plan.probed.items())
    what = "The rate is"
    start = "; untied weights start as copies of one initialisation"
    if len(plan.starts) > 1:
        what, start = "Rate and start of untied weights are", " and two starts"
    return (
        f"{what} chosen for each model at {probed} on {plan.num_tuning} seeds of its "
        f"own, from {len(plan.rates)} rates{start}"
    )


def memory_table(plan: Plan, found: dict, verdict: Verdict) -> tuple:
    """Returns the scores, a row a task, model and length."""
    measured, longest = verdict.data
    head = ("task", "model", "rate and sharing", "longest solved (median)", "length")
    rows = [(*head, "score", "solved by")]
    for task, arms in measured.items():
        for arm, m in arms.items():
            median = f"{np.median(longest[task][arm]):g}"
            for length, scores in zip(plan.lengths[task], m.score.T, strict=True):
                done = f"{scoring(task).solved(scores).sum()} of {len(scores)}"
                told = f"{length}", f"{scores.mean():.3f}", done
                rows.append((task, arm, m.chosen, median, *told))
    return tuple(rows)


def draw_memory(plan: Plan, found: dict, verdict: Verdict):
    """Returns the figure of Bc1."""
    panels = [
        figure.MemoryPanel(
            title=task.capitalize(),
            xlabel=UNITS[task],
            ylabel=SCORES[task],
            lengths=plan.lengths[task],
            scores={arm: m.score for arm, m in arms.items()},
            levels={"no memory": scoring(task).no_memory, "solved": scoring(task).bar},
            gradients={arm: m.trained for arm, m in arms.items()},
        )
        for task, arms in verdict.data[0].items()
    ]
    return figure.draw_memory(panels, "gradient norm at the carry,\nafter training")


MEMORY = Claim(
    id="Bc1",
    rule=(
        "Adding and copy memory, every weight untied, each model trained at every "
        "length by itself. Adding is solved at a test loss below "
        f"{Fraction(SHARE) / 6}, a quarter of that without memory (half is what "
        "remembering one number gives); copy memory at an accuracy of at least "
        f"{ACCURACY:g} on the recalled symbols. A task at a time, the LSTM against two "
        "rivals, the Elman network and the LSTM whose cell path is cut: (i) the "
        "longest length solved, the median over the seeds, is above both rivals'; (ii) "
        "after training at one middle length, the slope per step back of the log "
        "gradient norm of the last output at the carry, less the rival's, has a 95 % "
        "interval above 0 for both. Supported if (i) and (ii) hold in both tasks; "
        "refuted if neither does in either; else inconclusive."
    ),
    judge=judge_memory,
    draw=draw_memory,
    table=memory_table,
    refuted_if=(
        "in neither task the untied LSTM remembers longer than both untied Elman and "
        "the cut LSTM (above), nor its gradient falls more slowly than both of theirs "
        "(below)"
    ),
)
EXPERIMENT = Experiment("cell_state", PLANS, measure, (MEMORY,))
