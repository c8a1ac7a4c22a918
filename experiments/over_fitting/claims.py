"""What comes of the train-test gaps: the findings of B7 and of Ac2b."""

import dataclasses
import time

import numpy as np

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.over_fitting import figure as gap_figures
from experiments.over_fitting.measure import (
    PLANS,
    REGIMES,
    apart_of,
    judge_closing,
    judge_growth,
    measure,
    over_grid,
    ratios_of,
    tasks_of,
    vanishes,
)
from rnnshare.analysis.statistics import bootstrap_interval
from rnnshare.plotting import panels as figures


def gap_findings(preset, folder, rules):
    """Trains; returns the findings of B7 and of Ac2b."""
    began = time.perf_counter()
    measured, chosen = measure(preset, folder)
    seconds = time.perf_counter() - began
    return (
        over_fitting_finding(preset, folder, rules["B7"], measured, chosen, seconds),
        closing_finding(preset, folder, rules["Ac2b"], measured, chosen, seconds),
    )


def over_fitting_finding(preset, folder, rule, measured, chosen, seconds):
    """Returns the finding of B7, and draws its figure."""
    plan = PLANS[preset]
    apart = {
        regime: {cell: apart_of(arms) for cell, arms in cells.items()}
        for regime, cells in measured.items()
    }
    verdict, tests = judge_growth(apart["unregularised"], ratios_of(plan))
    plain, tuned = (
        bootstrap_interval(np.mean([over_grid(d) for d in apart[r].values()], axis=0))
        for r in REGIMES
    )
    refuted = "refuted if untied is not above tied,\nnor more so at larger T / N"
    titles = {
        "unregularised": f"No regularisation: {refuted}",
        "tuned": "Early stopping and weight decay, tuned: no difference here says\n"
                 "'over-fits unless regularised'",
    }  # fmt: skip
    path = _draw(
        folder,
        "B7",
        [
            _row(plan, titles[r], "train-test gap (nats)", measured[r], "gap")
            for r in REGIMES
        ],
    )
    table = [("cell", "weights", "regime", "rate", "decay", "train loss (nats)",
              "test loss (nats)", "gap (nats)")]  # fmt: skip
    for regime in REGIMES:
        table += _losses(measured, chosen, regime)
    meaning = (
        "Without regularisation untied's train-test gap less tied's is "
        f"{_told(plain)} nats; the difference grows with T / N in "
        f"{sum(growth.low > 0 for _, growth in tests.values())} of {len(tests)} cells "
        f"and falls in {sum(growth.high < 0 for _, growth in tests.values())}. "
        f"With early stopping and weight decay tuned, it is {_told(tuned)} nats"
    )
    if verdict == "supported":
        meaning += (
            ": untied over-fits unless regularised."
            if vanishes(tuned, plain)
            else ", so tuning alone does not take it away."
        )
    return Finding(
        id="B7",
        claim=CLAIMS["B7"],
        verdict=verdict,
        effect=plain.estimate,
        effect_label="untied less tied train-test gap, unregularised (nats)",
        interval=(plain.low, plain.high),
        num_seeds=_count(measured),
        rule=rule,
        command=_command(preset),
        figure=path,
        seconds=seconds,
        meaning=meaning,
        details=(
            _setup(plan, measured)
            + "\n\nRank correlation of the difference with T / N: "
            + "; ".join(f"{cell} {_told(g)}" for cell, (_, g) in tests.items())
            + ". Difference over the grid, in nats: "
            + "; ".join(f"{cell} {_told(gap)}" for cell, (gap, _) in tests.items())
            + f". {_by_size(plan, apart['unregularised'])}"
        ),
        table=tuple(table),
    )


def closing_finding(preset, folder, rule, measured, chosen, seconds):
    """Returns the finding of Ac2b, and draws its figure."""
    plan, tuned = PLANS[preset], measured["tuned"]
    cells = {
        cell: (over_grid(apart_of(arms)), over_grid(apart_of(arms, "test")))
        for cell, arms in tuned.items()
    }
    verdict, tests = judge_closing(cells)
    gap, loss = (
        bootstrap_interval(np.mean([pair[i] for pair in cells.values()], axis=0))
        for i in (0, 1)
    )
    rows = [
        _row(plan, "Tuned: refuted if untied's gap is not above tied's",
             "train-test gap (nats)", tuned, "gap"),
        _row(plan, "Tuned: not supported if tied's test loss is not the lower",
             "test loss (nats)", tuned, "test")._replace(lines=_lines(plan)),
    ]  # fmt: skip
    untied = np.mean([over_grid(arms["Untied"].gap) for arms in tuned.values()], 0)
    share = ""
    if untied.min() > 0:
        closed = np.mean([pair[0] for pair in cells.values()], axis=0) / untied
        share = f", {100 * closed.mean():.0f} % of untied's gap"
    meaning = (
        "With early stopping and weight decay tuned alike, sharing changes the "
        f"train-test gap by {_told(gap, -1)} nats{share}, and the test loss by "
        f"{_told(loss, -1)} nats (means over {len(cells)} cells and the grid)."
    )
    return Finding(
        id="Ac2b",
        claim=CLAIMS["Ac2b"],
        verdict=verdict,
        effect=gap.estimate,
        effect_label="untied less tied train-test gap, both tuned (nats)",
        interval=(gap.low, gap.high),
        num_seeds=_count(measured),
        rule=rule,
        command=_command(preset),
        figure=_draw(folder, "Ac2b", rows),
        seconds=seconds,
        meaning=meaning,
        details=(
            _setup(plan, measured)
            + "\n\nUntied less tied, gap and test loss in nats: "
            + "; ".join(f"{c} {_told(g)} and {_told(t)}" for c, (g, t) in tests.items())
            + "."
        ),
        table=(
            ("cell", "weights", "regime", "rate", "decay", "train loss (nats)",
             "test loss (nats)", "gap (nats)"),
            *_losses(measured, chosen, "tuned"),
        ),
    )  # fmt: skip


def _by_size(plan, apart):
    """Returns the differences at each T and N, means over cells, noise and seeds."""
    means = np.mean([values.mean(axis=(0, 3)) for values in apart.values()], axis=0)
    told = "; ".join(
        f"T = {t}, N = {n}: {means[i, j]:.3f}"
        for i, t in enumerate(plan.steps)
        for j, n in enumerate(plan.sizes)
    )
    return f"By size, the mean over cells and label noise: {told}."


def _by_ratio(plan, values):
    """Returns (T / N [X], the means over what has the same, [S, X])."""
    ratios = ratios_of(plan)
    places = np.unique(ratios)
    means = values.mean(-1)  # over the label noise
    return places, np.stack([means[:, ratios == x].mean(1) for x in places], axis=1)


def _row(plan, title, ylabel, cells, what):
    return gap_figures.GapRow(
        title,
        ylabel,
        {
            cell: {arm: _by_ratio(plan, getattr(v, what)) for arm, v in arms.items()}
            for cell, arms in cells.items()
        },
    )


def _lines(plan):
    """Returns the losses of chance and of the posterior over T / N."""
    found = np.array([[make(0).lines[name]["loss"] for make in
                       tasks_of(dataclasses.replace(plan, sizes=(2,)), plan.steps)]
                      for name in ("chance", "oracle")])  # fmt: skip
    shape = 2, len(plan.steps), 1, len(plan.noises)
    grid = np.repeat(found.reshape(shape), len(plan.sizes), axis=2)
    places, (chance, oracle) = _by_ratio(plan, grid)
    return {"chance": (places, chance), "best possible": (places, oracle)}


def _draw(folder, claim, rows):
    path = f"figures/{claim}.png"
    figure = gap_figures.draw_gaps(rows, "steps an example, T / N")
    figures.save(figure, folder / path)
    return path


def _losses(measured, chosen, regime):
    """Returns the rows of the table of a regime."""
    table = []
    for cell, arms in measured[regime].items():
        for arm, losses in arms.items():
            rate, decay = chosen[cell][arm][regime]
            values = (losses.train, losses.test, losses.gap)
            table.append((cell, arm, regime, f"{rate:g}", f"{decay:g}",
                          *(f"{v.mean():.3f}" for v in values)))  # fmt: skip
    return table


def _told(interval, sign=1):
    estimate, *ends = (sign * value for value in interval)
    low, high = sorted(ends)
    return f"{estimate:.3f} [{low:.3f}, {high:.3f}]"


def _count(measured):
    return len(next(iter(measured["tuned"].values()))["Tied"].test)


def _command(preset):
    return f"python -m experiments.over_fitting --preset={preset}"


def _setup(plan, measured):
    left_out = plan.num_seeds - _count(measured)
    diverged = (
        f" {left_out} seeds with a diverged run are left out." if left_out else ""
    )
    names = [", ".join(f"{x:g}" for x in part)
             for part in (plan.steps, plan.sizes, plan.noises)]  # fmt: skip
    return (
        f"Signal patches, T = {names[0]}, N = {names[1]}, label noise {names[2]}; "
        f"equal width ({plan.hidden_features}), untied weights start as copies of one "
        "draw. "
        "Labels are flipped in the test set as in the training set, so a model that "
        "has learnt nothing of the training set itself has no gap. Rate and decay are "
        f"chosen for each cell and sharing at T = {plan.tuned_at} by the mean "
        f"validation loss over N and noise, from {len(plan.rates)} rates and "
        f"{len(plan.decays)} decays for both sharings; the rate of the unregularised "
        f"runs is the best without decay.{diverged}"
    )
