"""What truncation costs (B8), what it reaches (B9), and when it misleads (B9b)."""

import numpy as np
import pandas as pd

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import say_edges, say_lost
from experiments.truncated_bptt import figure, influence
from experiments.truncated_bptt.measure import (
    CHANCE,
    FOLD,
    FROZEN,
    MAIN,
    PART,
    Measured,
    arms_of,
    measure,
    streams,
    take_times,
)
from experiments.truncated_bptt.plan import PLANS, Plan
from rnnshare.analysis.statistics import (
    Interval,
    line_fit,
    log_log_slope,
    mean_interval,
)

FIT, TIMES = 0.99, 3  # R2, and the least growth of memory
TOLERANCE = 0.05  # bits a character
FAR = 2  # in windows: the lags of B9
HALF_WAY = (1 + CHANCE) / 2
NEAR = 0.1  # of chance
AS_GOOD = 0.05  # of accuracy: memory of random weights is told to be as good


def bits_of(found: Measured) -> dict[int, np.ndarray]:
    """Returns {k: test losses [S]}, bits a character."""
    return {k: own.to_numpy() for k, own in found.costs.groupby("k")["bits"]}


def judge_cost(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of B8."""
    bits, memory = bits_of(found), {k: size for k, (size, _) in found.raced.items()}
    whole, part = plan.windows[-1], plan.windows[-1] // PART
    line = line_fit(list(memory), list(memory.values()))
    apart = mean_interval(bits[part] - bits[whole])
    times = memory[whole] / memory[part]
    in_proportion = line.r_squared >= FIT and times >= TIMES
    best = min(bits, key=lambda k: bits[k].mean())
    equal = mean_interval(found.equal_updates["bits"].to_numpy() - bits[whole])
    rates = found.costs.groupby("k")["learning_rate"].first()
    rates[f"{part} at equal updates"] = found.equal_updates["learning_rate"].iloc[0]
    longest = plan.windows[-3:]
    slope = log_log_slope(longest, [memory[k] for k in longest])
    return Verdict(
        decide(
            in_proportion and apart.high <= TOLERANCE,
            not in_proportion or apart.low > TOLERANCE,
        ),
        apart,
        f"test loss with k = {part} less k = {whole} (bits a character)",
        f"An update through {whole} steps needs {times:.1f} times the memory of one "
        f"through {part} ({line.slope.estimate / 1024:.0f} KiB a step, R2 = "
        f"{line.r_squared:.4f}). At an equal number of characters the lowest test loss "
        f"is that of k = {best}, {bits[best].mean():.3f} bits a character against "
        f"{bits[whole].mean():.3f} of the whole sequence. At an equal number of "
        f"updates, which is a quarter of the text, k = {part} less the whole sequence "
        f"is {equal:+.3f} bits a character.",
        plan.num_seeds,
        f"Tied LSTM, H = {plan.hidden_features}, batches of {plan.batch_size} "
        f"sequences of {whole} characters, {plan.num_batches} batches, the carry "
        "handed on. Shorter windows take more optimiser steps for the same "
        "characters, which is part of what people gain by them. Memory is XLA's "
        "count for one update beside its arguments; its log-log slope against k, "
        f"from k = {longest[0]} on, is {slope.estimate:.2f}. Times are medians of "
        f"{plan.rounds} interleaved rounds."
        + say_edges({f"k = {k}": rate for k, rate in rates.items()}, plan.cost_rates)
        + say_lost(found.costs["test_loss"].isna(), "guessing all characters alike"),
    )


def cost_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns what each window costs."""
    rates = found.costs.groupby("k")["learning_rate"].first()
    table: list[tuple] = [
        (
            *("window k (steps)", "optimiser steps", "rate", "memory (MiB)"),
            *("time a character (us)", "test loss (bits a character)"),
        )
    ]
    for window, bits in bits_of(found).items():
        (memory, times), interval = found.raced[window], mean_interval(bits)
        steps = plan.num_batches * plan.windows[-1] // window
        costs = f"{memory / 2**20:.2f}", f"{np.median(times):.2f}"
        told = f"{window}", f"{steps:,}", f"{rates[window]:g}"
        table.append((*told, *costs, f"{interval:.3f}"))
    return tuple(table)


def draw_cost(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of B8."""
    bits, chance = bits_of(found), streams(plan)(0).baselines["chance"]
    costs = {k: (m / 2**20, times, bits[k]) for k, (m, times) in found.raced.items()}
    return figure.draw_costs(costs, chance["bits_per_character"], TOLERANCE)


def beyond(runs: pd.DataFrame, found: Measured) -> np.ndarray:
    """Returns the accuracy of each run at lags of 2 k and more."""
    return runs[found.parts[FAR:]].to_numpy().mean(1)


def learnt(interval: Interval) -> str:
    """Returns 'learnt', 'chance' or 'between', as the rule has it."""
    if interval.low > HALF_WAY:
        return "learnt"
    return "chance" if interval.high < CHANCE + NEAR else "between"


def judge_lags(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of B9."""
    k, by_arm = plan.lag_window, found.lags.groupby("training")
    main = [beyond(r, found) for _, r in by_arm.get_group(MAIN).groupby("cell")]
    came = [learnt(mean_interval(accuracies)) for accuracies in main]
    most = [2 * came.count(state) > len(came) for state in ("learnt", "chance")]
    values = {label: beyond(runs, found).mean() for label, runs in by_arm}
    others = ", ".join(
        f"{values[label]:.2f} {arm.told}"
        for label, arm in arms_of(plan).items()
        if label != MAIN
    )
    return Verdict(
        decide(*most),
        mean_interval(np.mean(main, axis=0)),
        f"test accuracy at lags of {FAR} k to {FOLD} k, carry handed on (chance "
        f"{CHANCE:g})",
        f"Tied weights trained through {k} steps answer questions of {FAR * k} to "
        f"{FOLD * k} steps with accuracy {values[MAIN]:.2f} with the carry handed on. "
        f"The others: {others}; chance is {CHANCE:g}."
        + " So random recurrent weights remember as well: how to read their memory is "
        "what was learnt." * bool(values[FROZEN] > values[MAIN] - AS_GOOD),
        plan.num_seeds,
        f"k = {k}, lags to {FOLD * k}, sequences of {k * plan.num_windows} steps, "
        f"H = {plan.lag_features}, {plan.lag_batches:,} batches of 32, an update a "
        "window; gradients that are not truncated take one update where windows take "
        f"{plan.num_windows}. A question whose symbol stands in an earlier window "
        "sends no gradient back to it. All networks are measured over whole "
        "sequences, and on all lags; one whose carry is reset while it is asked has "
        "nothing to answer from: at chance by construction."
        + say_lost(found.lags["test_loss"].isna(), "guessing"),
    )


def lag_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the accuracies by lag, a row a cell and a way to train."""
    heads = [f"lags {lags}" for lags in found.parts]
    table: list[tuple] = [("cell", "training", *heads, f"lags >= {FAR} k")]
    for case, runs in found.lags.groupby(["cell", "training"], sort=False):
        interval = mean_interval(beyond(runs, found))
        told = f"[{interval.low:.2f}, {interval.high:.2f}] {learnt(interval)}"
        means = runs[found.parts].mean()
        table.append((*case, *(f"{mean:.2f}" for mean in means), told))
    return tuple(table)


def draw_lags(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of B9."""
    cells: dict = {cell: {} for cell in plan.cells}
    for (cell, label), runs in found.lags.groupby(["cell", "training"], sort=False):
        cells[cell][label] = runs[found.parts].to_numpy()
    return figure.draw_lags(cells, found.parts, CHANCE, HALF_WAY)


def judge_influence(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of B9b."""
    wrong, right = found.influence.wrong, found.influence.right
    exact = influence.exact_influence(influence.NUM_WINDOWS)
    same = [k for k, e in enumerate(exact, 1) if e >= 0] == wrong
    return Verdict(
        "supported" if wrong else "refuted",
        Interval(*[float(len(wrong))] * 3),
        f"windows of the wrong sign, of 1..{influence.NUM_WINDOWS} steps",
        _signs(wrong, right, found.influence.losses),
        1,
        f"{influence.NUM_UNITS} units, float64, at p = "
        f"{influence.P:g} after {influence.NUM_STEPS:,} steps. The signs "
        f"{'agree' if same else 'DO NOT agree'} with rational arithmetic in all "
        f"{influence.NUM_WINDOWS} windows. Every window sees the same loss, so that "
        "the sign is that of p's influence on the first unit. Descent: an update a "
        f"window at a rate of {influence.RATE:g}.",
        repeats="",
    )


def _signs(wrong: list[int], right: int, losses: dict[int, np.ndarray]) -> str:
    """Returns what the signs and the losses of descent say, see `Influence`."""
    ends = f"the right one from {right} steps on"
    if right > influence.NUM_WINDOWS:
        ends = f"it is not right for good within {influence.NUM_WINDOWS} steps"
    told = [
        f"The derivative has the wrong sign in windows of {_spans(wrong)} steps, and "
        f"{ends}."
    ]
    for kind, window in (
        ("longest of the wrong sign", max(losses.keys() & {*wrong}, default=None)),
        ("shortest of the right sign", min(losses.keys() - {*wrong}, default=None)),
        ("longest tried", max(losses)),
    ):
        if window is not None:
            first, last = losses[window][0], losses[window][-1]
            way = "goes uphill" if last > first else "goes downhill"
            told.append(
                f"Descent through the {kind}, {window} steps, {way}: the loss starts "
                f"at {first:.3g} and ends at {last:.3g}."
            )
    return " ".join(told)


def influence_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the rows of some windows and of the whole derivative."""
    derivatives, true, losses = found.influence
    last = f"loss after {influence.UPDATES} updates"
    table = [("window k (steps)", "derivative", "sign", last)]
    for k in sorted({*losses, 10, 20, 40, 80, 160}):
        end = f"{losses[k][-1]:.3g}" if k in losses else ""
        sign = "wrong" if k in found.influence.wrong else "right"
        table.append((f"{k}", f"{derivatives[k - 1]:+.4f}", sign, end))
    return (*table, ("all", f"{true:+.4f}", "right", ""))


def _spans(numbers: list[int]) -> str:
    """Returns rising integers as text, runs as '1-5'."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    told = [f"{a}-{b}" if b > a else f"{a}" for a, b in spans]
    return ", ".join(told) or "no"


COST = Claim(
    id="B8",
    rule=(
        "A tied LSTM on the folk tunes; windows k up to the sequence, T. (i) The "
        "memory that one update needs beside its arguments fits a line in k with "
        f"R2 >= {FIT:g}, and is at least {TIMES} times as much at k = T as at "
        f"T / {PART}; (ii) at an equal number of characters, rates tuned for each "
        f"window, the test loss with k = T / {PART} less that with k = T has a 95 % "
        f"interval that ends at {TOLERANCE:g} bits a character or below. Supported if "
        "both hold: people lose little by it. Refuted if (i) fails, or the interval of "
        f"(ii) begins above {TOLERANCE:g}; else inconclusive. Told beside it: the "
        "same difference at an equal number of updates, the shorter window on a "
        "quarter of the text; and rates at an edge of their grid. Amended, because "
        "all four chosen rates lay at an edge of a grid of two, which carried most of "
        "the difference; under the former plan: supported (-0.189 [-0.222, -0.155])."
    ),
    judge=judge_cost,
    draw=draw_cost,
    table=cost_table,
    refuted_if="memory does not grow in proportion to k, or a quarter of the sequence "
    f"loses more than {TOLERANCE:g} bits a character",
)
LAGS = Claim(
    id="B9",
    rule=(
        "Recall after a lag L, trained through windows of k steps with the carry "
        f"handed on, lags mixed from 1 to {FOLD} k, a cell at a time: tied weights "
        f"learn lags L >= {FAR} k if the 95 % interval of their test accuracy begins "
        "above half way from chance to 1; they are at chance if it ends below chance + "
        f"{NEAR:g}. Supported if they learn in most cells, refuted if they are at "
        "chance in most; else inconclusive. Reported apart: with the carry reset at "
        "chance, the carry is the mechanism; trained on lags > k alone at chance, the "
        "claim rests on short lags that share their weights with long ones; with the "
        "recurrent weights frozen, or all but the read-out, what the memory of random "
        "weights does."
    ),
    judge=judge_lags,
    draw=draw_lags,
    table=lag_table,
    refuted_if=f"tied weights with the carry handed on are at chance from {FAR} k on",
)
INFLUENCE = Claim(
    id="B9b",
    rule=(
        f"Influence balancing, windows of 1 to {influence.NUM_WINDOWS} steps: the "
        "derivative of the loss at the window's end, the carry handed on, has the sign "
        "of the true one, or not. Supported if a window has the wrong sign, refuted if "
        "none has."
    ),
    judge=judge_influence,
    draw=lambda plan, found, verdict: figure.draw_signs(*found.influence),
    table=influence_table,
    refuted_if="no window has the wrong sign",
)
EXPERIMENT = Experiment(
    "truncated_bptt", PLANS, measure, (COST, LAGS, INFLUENCE), take_times=take_times
)
