"""The study behind `cell_comparison.py`: effects of other studies, cell by cell."""

import time

import numpy as np

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.length_generalisation import (
    cases as length_cases,
)
from experiments.length_generalisation import (
    measure as length_study,
)
from experiments.over_fitting import measure as over_fitting_study
from experiments.position_generalisation import measure as position_study
from rnnshare.analysis.statistics import bootstrap_interval
from rnnshare.plotting import panels as figures
from rnnshare.plotting.style import GRID
from rnnshare.training.rows import JsonLines

FACTOR = 2.0  # by which the effects of two cells may differ


def effects(preset, folder):
    """Returns {name of an effect: {cell: effects of the seeds, [S]}}."""
    plan = length_study.PLANS[preset]
    cases = length_cases.cases_of(plan, length_study.run_all(plan, folder))
    positions = position_study.PLANS[preset]
    by_cell = position_study.local_rule(
        positions, JsonLines(folder / "positions.jsonl")
    )
    return {
        "unseen lengths (A3)": length_cases.falls_by_cell(cases),
        "unseen positions (A4)": {
            cell: arms["Tied"][1] - arms["Untied"][1] for cell, arms in by_cell.items()
        },
        "train-test gap (B7)": over_fitting_study.by_cell(preset, folder),
    }


def agree(by_cell):
    """Returns whether all cells have the effect, within the factor."""
    means = [np.mean(values) for values in by_cell.values()]
    above = all(bootstrap_interval(values).low > 0 for values in by_cell.values())
    return len(means) > 1 and above and max(means) <= FACTOR * min(means)


def judge(found):
    """Returns the verdict of A6, of {effect: {cell: [S]}}."""
    count = sum(agree(by_cell) for by_cell in found.values())
    if count == len(found):
        return "supported"
    return "refuted" if count <= 1 else "inconclusive"


def relative(found):
    """Returns the LSTM's effect over the other cells' mean, averaged over the effects.

    Its interval is the bootstrap's over seeds that all effects have in common.
    """
    used = [by_cell for by_cell in found.values() if "LSTM" in by_cell]
    others = [[v for c, v in by_cell.items() if c != "LSTM"] for by_cell in used]
    pairs = [(u["LSTM"], np.mean(o, 0)) for u, o in zip(used, others, strict=True) if o]
    if not pairs:  # one cell alone is like itself
        return bootstrap_interval(np.ones(2))

    def ratio(seeds):
        chosen = np.asarray(seeds).astype(int)
        return np.mean([a[chosen].mean() / b[chosen].mean() for a, b in pairs])

    # A study leaves out the seeds of which a run diverged.
    count = min(len(values) for values, _ in pairs)
    return bootstrap_interval(np.arange(count), statistic=ratio)


def finding(preset, folder, rule):
    """Runs what the folder lacks, and returns the finding of A6."""
    began = time.perf_counter()
    found = effects(preset, folder)
    path = "figures/A6.png"
    draw(found, folder / path)
    interval = relative(found)
    table = [("effect", "cell", "mean", "95 % interval", "the cells agree")]
    for name, by_cell in found.items():
        for cell, values in by_cell.items():
            mean, low, high = bootstrap_interval(values)
            table.append((name, cell, f"{mean:+.3f}", f"[{low:+.3f}, {high:+.3f}]",
                          "yes" if agree(by_cell) else "no"))  # fmt: skip
    alike = [name for name, by_cell in found.items() if agree(by_cell)]
    apart = [name for name in found if name not in alike]
    cells = list(dict.fromkeys(cell for by_cell in found.values() for cell in by_cell))
    return Finding(
        id="A6",
        claim=CLAIMS["A6"],
        verdict=judge(found),
        effect=interval.estimate,
        effect_label="the LSTM's effect over the other cells', mean of three effects",
        interval=(interval.low, interval.high),
        num_seeds=min(len(v) for by_cell in found.values() for v in by_cell.values()),
        rule=rule,
        command=f"python -m experiments.cell_comparison --preset={preset}",
        figure=path,
        seconds=time.perf_counter() - began,
        meaning=(
            f"{', '.join(cells)}: one sign and within a factor of {FACTOR:g} in "
            f"{', '.join(alike) or 'no effect'}"
            + (f"; not so in {', '.join(apart)}." if apart else ".")
        ),
        details=(
            "A cell under which untied weights learnt none of the languages has no "
            "effect of unseen lengths, and is left out there."
        ),
        table=tuple(table),
    )


def draw(found, path):
    """Draws each effect relative to its mean over the cells."""
    rows = []
    for name, by_cell in found.items():
        if not by_cell:  # nobody learnt what the effect is measured on
            continue
        scale = abs(np.mean([values.mean() for values in by_cell.values()])) or 1.0
        for cell, values in by_cell.items():
            interval = bootstrap_interval(values / scale)
            rows.append(figures.IntervalRow(f"{name}: {cell}", interval))
    figure = figures.draw_intervals(
        rows,
        "effect relative to its mean over the cells\n"
        "(shaded: two cells within a factor of two)",
        sides=("no effect, or its opposite: refutes", "same sign"),
    )
    band = 2 / (1 + FACTOR), 2 * FACTOR / (1 + FACTOR)
    figure.axes[0].axvspan(*band, color=GRID, alpha=0.6, lw=0, zorder=0)
    figures.save(figure, path)
