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
from experiments.cell_state.plan import CUT, ELMAN, IRNN, LSTM, NO_CARRY, PLANS, Plan
from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import say_edges, say_lost
from rnnshare.analysis.statistics import Interval, mean_interval, paired_difference

UNITS = {"adding": "steps T", "copy memory": "blanks to wait (steps)"}
SCORES = {"adding": "test loss", "copy memory": "accuracy of recall"}
RIVALS = (ELMAN, CUT)


def judge_memory(plan: Plan, found: dict) -> Verdict:
    """Returns the verdict of Bc1."""
    measured = whole(found)
    longest = {
        (task, arm): longest_solved(task, plan.lengths[task], m.score)
        for (task, arm), m in measured.items()
    }
    slopes = {case: decay(m.trained) for case, m in measured.items()}
    verdict, tests = judge(longest, slopes)
    told, kept = [], []
    for task, lengths in plan.lengths.items():
        names = [arm for arm in (LSTM, *RIVALS) if arm in plan.arms]
        each = [_median(longest[task, arm], lengths) for arm in names]
        told.append(f"{task}: {_against(names, each)}")
        each = [_percent(slopes[task, arm]) for arm in names]
        kept.append(f"{task}: {_against(names, each)}")
    effect = doublings(longest)
    return Verdict(
        verdict,
        effect,
        "longest length solved, untied LSTM over untied Elman, mean over the tasks "
        "(doublings)",
        f"The longest length solved, median over seeds, {'; '.join(told)}. The share "
        f"of the gradient that a step back keeps, after training, {'; '.join(kept)}."
        f"{identity(plan, longest)}",
        len(next(iter(slopes.values()))),
        _details(plan, found, measured, tests),
        data=(measured, longest),
    )


def whole(found: dict) -> dict:
    """Returns what is measured of the seeds whose every judged gradient has a slope.

    Of all seeds if fewer than two have: then the slopes are not compared.
    """
    judged = [m for (_, arm), m in found.items() if arm in (LSTM, *RIVALS)]
    kept = np.isfinite([decay(m.trained) for m in judged]).all(0)
    if kept.sum() < 2:
        return found
    return {
        case: m._replace(
            score=m.score[kept], start=m.start[kept], trained=m.trained[kept]
        )
        for case, m in found.items()
    }


def judge(longest: dict, slopes: dict) -> tuple[str, dict]:
    """Returns the verdict of Bc1, and {(task, rival): (longer, Interval)}.

    Args:
      longest: {(task, arm): [S]}, the longest length solved.
      slopes: {(task, arm): [S]}, after training, as `decay` returns them.
    """
    tests = {
        (task, arm): (
            bool(np.median(longest[task, LSTM]) > np.median(lengths)),
            slower(slopes[task, LSTM], slopes[task, arm]),
        )
        for (task, arm), lengths in longest.items()
        if arm in RIVALS
    }
    holds: dict[str, list] = {task: [] for task, _ in tests}
    for (task, _), (longer, interval) in tests.items():
        holds[task].append((longer, interval.low > 0))
    both = np.array([np.all(each, axis=0) for each in holds.values()])
    compared = all(np.isfinite(interval.low) for _, interval in tests.values())
    return decide(both.all(), compared and not both.any()), tests


def slower(first: np.ndarray, second: np.ndarray) -> Interval:
    """Returns the difference of slopes; NaN if one is missing."""
    if np.isfinite([first, second]).all():
        return paired_difference(first, second)
    return Interval(np.nan, np.nan, np.nan)


def as_well(longest: dict) -> dict[str, bool]:
    """Returns {task: whether the IRNN's longest, by the median, is at least LSTM's}."""
    return {
        task: bool(np.median(longest[task, IRNN]) >= np.median(longest[task, LSTM]))
        for task, arm in longest
        if arm == IRNN
    }


def identity(plan: Plan, longest: dict) -> str:
    """Tells of the IRNN, an identity path without a cell state; '' where not tried."""
    alike = as_well(longest)
    if not alike:
        return ""
    each = ", ".join(
        f"{_median(longest[task, IRNN], plan.lengths[task])} ({task})" for task in alike
    )
    equal, behind = ([t for t in alike if alike[t] == same] for same in (True, False))
    told = f" The untied IRNN, an identity path without a cell state, solves {each}"
    if not behind:
        return f"{told}: as much as the LSTM, so it is the identity path that counts."
    if not equal:
        return f"{told}: less than the LSTM."
    return (
        f"{told}: on {' and '.join(equal)} as much as the LSTM, so there it is the "
        f"identity path that counts; on {' and '.join(behind)} less."
    )


def longest_solved(task: str, lengths: tuple[int, ...], scores: np.ndarray):
    """Returns [S], the longest solved length; half of the shortest where none is."""
    solved, none = scoring(task).solved(scores), min(lengths) / 2
    return np.max(np.where(solved, np.asarray(lengths, float), none), 1)


def doublings(longest: dict) -> Interval:
    """Returns the Interval of log2 of LSTM's longest over Elman's, mean over tasks."""
    tasks = dict.fromkeys(task for task, _ in longest)
    each = [np.log2(longest[task, LSTM] / longest[task, ELMAN]) for task in tasks]
    return mean_interval(np.mean(each, axis=0))


def _against(names: list[str], values: list[str]) -> str:
    """Returns what is told of the first, and of each of the others."""
    pairs = zip(values[1:], names[1:], strict=True)
    return f"{values[0]} against {' and '.join(f'{v} ({n})' for v, n in pairs)}"


def _median(longest: np.ndarray, lengths: tuple[int, ...]) -> str:
    """Tells the longest length solved, the median over seeds."""
    median = np.median(longest)
    if median < min(lengths):
        return "none"
    top = " (the longest tried)" if median == max(lengths) else ""
    return f"{median:g}{top}"


def _percent(slopes: np.ndarray) -> str:
    """Returns the share of the gradient norm that one step back leaves."""
    known = slopes[np.isfinite(slopes)]
    return f"{100 * np.exp(np.mean(known)):.0f} %" if len(known) else "an unknown share"


def _details(plan: Plan, found: dict, measured: dict, tests: dict) -> str:
    # Without a carry there is no gradient at it.
    starts = {c: decay(m.start) for c, m in measured.items() if c[1] != NO_CARRY}
    before = "; ".join(
        f"{task}: "
        + ", ".join(
            f"{arm} {_percent(s)}" for (of, arm), s in starts.items() if of == task
        )
        for task in plan.lengths
    )
    apart = "; ".join(
        f"{task}, {rival}: {_told(interval)}, {'longer' if longer else 'not longer'}"
        for (task, rival), (longer, interval) in tests.items()
    )
    apart_before = "; ".join(
        f"{task}, {rival}: {_told(slower(starts[task, LSTM], starts[task, rival]))}"
        for task, rival in tests
    )
    return (
        f"Equal width ({plan.hidden_features}); an untied network is the feed-forward "
        "one of as many layers, with an input at each. Copy memory recalls "
        f"{RECALLED} of {SYMBOLS} symbols. All cells start with orthogonal recurrent "
        "kernels (the IRNN with the identity), each gate's by itself, and zero biases, "
        "but for the forget gate's, 1: so a fresh cell state keeps 73 % a step. The "
        "cut cells start with the same weights and leave some unread. With both paths "
        f"cut a network knows the last input alone. {_tuning(plan)}; at most "
        f"{plan.num_steps:,} steps of 32 sequences. A model that solves no length is "
        f"counted at half of the shortest.{_diverged(found, measured)}"
        f"{_edges(plan, found)}"
        "\n\nGradients are of a random linear map of the last output, at the carry "
        "(the pair of c and h in an LSTM), over the same "
        f"{plan.num_probed} sequences for all. Slope of the log norm per step back "
        f"after training, LSTM less rival, and the longest solved: {apart}. A rival "
        "that has not learnt the task at this length has the gradient of a network "
        "that failed."
        f"\n\nBefore training a step back keeps: {before}. Slope, LSTM less rival: "
        f"{apart_before}."
    )


def _edges(plan: Plan, found: dict) -> str:
    """Returns a sentence on the models whose rate is at an edge; '' if there are none.

    The control without a carry, which learns nothing at any rate, is left out.
    """
    return say_edges(
        {
            f"{arm} ({task})": float(m.chosen.split(",")[0])
            for (task, arm), m in found.items()
            if arm != NO_CARRY
        },
        plan.rates,
    )


def _diverged(found: dict, measured: dict) -> str:
    """Returns sentences on the runs that diverged, and on seeds that are left out."""
    lost = np.concatenate([m.lost.ravel() for m in found.values()])
    planned, kept = (len(next(iter(m.values())).score) for m in (found, measured))
    told = say_lost(lost, "remembering nothing")
    if measured is found:
        told += " Fewer than two seeds have slopes, which are therefore not compared."
    elif kept < planned:
        told += f" {planned - kept} of {planned} seeds are left out, since their "
        told += "gradients have no slope."
    return told


def _told(interval: Interval) -> str:
    return f"{interval:.3f}" if np.isfinite(interval.estimate) else "not compared"


def _tuning(plan: Plan) -> str:
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
    for (task, arm), m in measured.items():
        median = f"{np.median(longest[task, arm]):g}"
        for length, scores in zip(plan.lengths[task], m.score.T, strict=True):
            done = f"{scoring(task).solved(scores).sum()} of {len(scores)}"
            told = f"{length}", f"{scores.mean():.3f}", done
            rows.append((task, arm, m.chosen, median, *told))
    return tuple(rows)


def draw_memory(plan: Plan, found: dict, verdict: Verdict):
    """Returns the figure of Bc1."""
    measured, _ = verdict.data
    panels = [
        figure.MemoryPanel(
            title=task.capitalize(),
            xlabel=UNITS[task],
            ylabel=SCORES[task],
            lengths=lengths,
            scores={arm: measured[task, arm].score for arm in plan.arms},
            levels={"no memory": scoring(task).no_memory, "solved": scoring(task).bar},
            gradients={arm: measured[task, arm].trained for arm in plan.arms},
        )
        for task, lengths in plan.lengths.items()
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
        "refuted if neither does in either; else inconclusive. Beside them, deciding "
        "nothing, stands the untied IRNN: where the longest length that it solves, the "
        "median over the seeds, is at least the LSTM's, the summary says that the "
        "identity path is what counts. Amended, because the IRNN was told nowhere; the "
        "verdict's rule is as it was: supported (1.20 [0.86, 1.54] doublings)."
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
