"""Whether three effects are alike for all cells (A6)."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from experiments.cell_comparison.measure import PLANS, Measured, Plan, measure
from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from rnnshare.analysis.statistics import Interval, bootstrap_interval, mean_interval
from rnnshare.plotting import IntervalRow, draw_intervals
from rnnshare.plotting.style import GRID

FACTOR = 2.0  # by which the effects of two cells may differ


def judge(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of A6: in how many effects the cells agree."""
    linear, found = found, without(plan.linear, found)
    alike = [name for name, by_cell in found.items() if agree(by_cell)]
    alone = [name for name, by_cell in found.items() if len(by_cell) < 2]
    apart = [name for name in found if name not in (*alike, *alone)]
    cells = dict.fromkeys(itertools.chain(*found.values()))
    counts = [len(values) for by_cell in found.values() for values in by_cell.values()]
    return Verdict(
        decide(not apart and not alone, len(alike) + len(alone) <= 1),
        relative(found),
        "the LSTM's effect over the other cells', mean of three effects",
        f"{', '.join(cells)}: one sign and within a factor of {FACTOR:g} in "
        f"{', '.join(alike) or 'no effect'}"
        + (f"; not so in {', '.join(apart)}" if apart else "")
        + (f"; fewer than two have {', '.join(alone)}" if alone else "")
        + ".",
        min(counts, default=0),
        "\n\n".join([*details(plan, found), *beside(plan, linear)]),
    )


def without(names: Sequence[str], found: Measured) -> Measured:
    """Returns the effects of the cells but these."""
    return {
        effect: {cell: own for cell, own in by_cell.items() if cell not in names}
        for effect, by_cell in found.items()
    }


def agree(by_cell: Mapping[str, np.ndarray]) -> bool:
    """Returns whether all cells have the effect, within the factor."""
    means = [np.mean(values) for values in by_cell.values()]
    above = all(mean_interval(values).low > 0 for values in by_cell.values())
    return len(means) > 1 and above and max(means) <= FACTOR * min(means)


def ratios_of(found: Measured) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns {effect: the LSTM's and the other cells' mean, [S] each}.

    An effect that the LSTM lacks, or that the others lack in some seed, has no ratio.
    """
    pairs = {}
    for name, by_cell in found.items():
        others = [values for cell, values in by_cell.items() if cell != "LSTM"]
        if "LSTM" in by_cell and others and np.mean(others, 0).min() > 0:
            pairs[name] = by_cell["LSTM"], np.mean(others, 0)
    return pairs


def relative(found: Measured) -> Interval:
    """Returns the LSTM's effect over the other cells' mean, averaged over the effects.

    Its interval is the bootstrap's over seeds that all effects have in common.
    """
    pairs = ratios_of(found).values()
    if not pairs:  # one cell alone is like itself
        return mean_interval(np.ones(2))

    def ratio(seeds):
        chosen = np.asarray(seeds).astype(int)
        return np.mean([a[chosen].mean() / b[chosen].mean() for a, b in pairs])

    # A study leaves out the seeds of which a run diverged.
    count = min(len(values) for values, _ in pairs)
    return bootstrap_interval(np.arange(count), statistic=ratio)


def details(plan: Plan, found: Measured) -> list[str]:
    """Returns what is left out of the comparison."""
    told = [
        "A cell under which untied weights learnt none of the languages has no effect "
        "of unseen lengths, and is left out there."
    ]
    planned = [each.num_seeds for each in plan.studies]
    for seeds, (name, by_cell) in zip(planned, found.items(), strict=True):
        count = min(map(len, by_cell.values()), default=0)
        if count < seeds:
            told.append(f"The effect '{name}' rests on {count} of {seeds} seeds.")
    missing = [name for name in found if name not in ratios_of(found)]
    if missing:
        told.append(
            f"The ratio leaves {', '.join(missing)} out: one side has no effect."
        )
    return told


def beside(plan: Plan, found: Measured) -> list[str]:
    """Returns what the linear cells say, which stand beside the verdict."""
    told = []
    for name, by_cell in found.items():
        others = without(plan.linear, {name: by_cell})[name]
        for cell in plan.linear:
            if cell not in by_cell:
                told.append(f"{cell} has no effect of {name}")
            else:
                alike = agree({**others, cell: by_cell[cell]})
                told.append(
                    f"{cell} is {'' if alike else 'not '}like the others in {name}, "
                    f"{mean_interval(by_cell[cell]):+.3f}"
                )
    if not told:
        return []
    return [f"Linear recurrences, which are no part of the rule: {'; '.join(told)}."]


def table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns each effect with its interval, a row a cell."""
    rows = [("effect", "cell", "mean [95 % interval]", "the cells agree")]
    for name, by_cell in found.items():
        for cell, values in by_cell.items():
            others = without(plan.linear, {name: by_cell})[name]
            alike = "yes" if agree({**others, cell: values}) else "no"
            rows.append((name, cell, f"{mean_interval(values):+.3f}", alike))
    return tuple(rows)


def draw(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of each effect relative to its mean over the cells."""
    rows = []
    for name, by_cell in found.items():
        others = without(plan.linear, {name: by_cell})[name]
        means = [values.mean() for values in others.values()]
        for cell, values in by_cell.items():
            interval = mean_interval(values / (abs(np.mean(means or 1.0)) or 1.0))
            rows.append(IntervalRow(f"{name}: {cell}", interval))
    figure = draw_intervals(
        rows,
        "effect relative to its mean over the cells\n"
        "(shaded: two cells within a factor of two)",
        sides=("no effect, or its opposite: refutes", "same sign"),
    )
    band = 2 / (1 + FACTOR), 2 * FACTOR / (1 + FACTOR)
    figure.axes[0].axvspan(*band, color=GRID, alpha=0.6, lw=0, zorder=0)
    return figure


ALIKE = Claim(
    id="A6",
    rule=(
        "Three effects, each for every cell by itself: the accuracy that literal "
        "untied loses just beyond the trained lengths, less what tied loses (A3, over "
        "the cases that untied learnt); the accuracy of tied less that of untied at "
        "steps never shown (A4); the train-test gap in loss of untied less that of "
        "tied, unregularised (B7). The cells agree in an effect if each one's 95 % "
        "interval is above 0 and the largest is at most twice the smallest. Supported "
        "if they agree in all three; refuted if in at most one; else inconclusive. An "
        "effect that fewer than two cells have counts for neither (amended; the "
        "verdict was the same). "
        "Linear recurrences (full preset) stand beside: they decide nothing."
    ),
    judge=judge,
    draw=draw,
    table=table,
)
EXPERIMENT = Experiment("cell_comparison", PLANS, measure, (ALIKE,))
