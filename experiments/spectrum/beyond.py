"""The study behind B3: weights as a function of time, beyond the steps trained on."""

import time

import numpy as np

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.lab.trials import column, replicates, run
from experiments.spectrum.measure import PERIOD, PLANS, base_setting, drift_task, tuned
from rnnshare import Basis, Cyclic, Drift, Hypernetwork, Tied, Untied
from rnnshare.analysis.statistics import holm, paired_difference, paired_p_value
from rnnshare.plotting import panels as figures
from rnnshare.plotting.style import mark_level
from rnnshare.training.rows import JsonLines

NUM_STEPS = 30
BASELINES = ("Tied", "Untied, hold")


def arms(starts):
    """Returns {arm: the sharings to choose from}."""
    untied = [Untied(NUM_STEPS, same_init=same, beyond="hold") for same in starts]
    return {
        "Tied": [Tied()],
        "Untied, hold": untied,
        "Cyclic": [Cyclic(PERIOD, same_init=same) for same in starts],
        "Basis": [Basis(PERIOD, period=float(PERIOD))],
        "Drift": [Drift(unit=float(NUM_STEPS))],
        "Hypernetwork": [Hypernetwork(4, period=float(PERIOD))],
    }


def beyond_finding(preset, folder, rule):
    """Runs the arms on the three paths, and returns the finding of B3."""
    plan, began = PLANS[preset], time.perf_counter()
    rows = JsonLines(folder / "beyond.jsonl")
    table = [("path", "weights", "validation loss (t < T)", "test loss (T to 4 T)",
              "less the better of tied and hold [95 %]")]  # fmt: skip
    panels, oracle, wins, margins, p_values = {}, {}, {}, {}, {}
    for path, amount in plan.amounts.items():
        make_task = drift_task(amount, path, test_steps=4 * NUM_STEPS)
        base = base_setting(plan, make_task)
        test, validation = {}, {}
        for arm, choices in arms(plan.starts).items():
            setting = tuned(plan, base, choices, rows)
            found = run([setting], replicates(plan.num_seeds), rows)
            test[arm], validation[arm] = column(found), column(found, "validation_loss")
        best = min((a for a in test if a not in BASELINES),
                   key=lambda arm: validation[arm].mean())  # fmt: skip
        against = {b: paired_difference(test[best], test[b]) for b in BASELINES}
        p_values[path] = [paired_p_value(test[best], test[b]) for b in BASELINES]
        margins[path] = max(against.values(), key=lambda interval: interval.estimate)
        wins[path] = best, all(d.high < 0 for d in against.values())
        title = path.replace("_", " ")
        panels[title] = test
        splits = range(plan.num_seeds)
        oracle[title] = float(np.mean([float(make_task(i).oracle) for i in splits]))
        for arm in test:
            shown = ""
            if arm == best:
                m = margins[path]
                shown = f"{m.estimate:+.3f} [{m.low:+.3f}, {m.high:+.3f}]"
            table.append(
                (title, arm, f"{validation[arm].mean():.3f}", f"{test[arm].mean():.3f}",
                 shown)
            )  # fmt: skip
    claimed = ("periodic", "linear")
    adjusted = holm([p for path in claimed for p in p_values[path]]).reshape(2, 2)
    won = [
        wins[path][1] and bool((p < 0.05).all())
        for path, p in zip(claimed, adjusted, strict=True)
    ]
    verdict = "supported" if all(won) else "inconclusive" if any(won) else "refuted"
    figure_path = "figures/B3.png"
    figure = figures.draw_paired(
        panels, "test loss beyond T (of the\ntraining target's variance)",
    )  # fmt: skip
    for panel, level in zip(figure.axes, oracle.values(), strict=True):
        panel.set_yscale("log")
        mark_level(panel, level, "time-invariant linear")
    figures.save(figure, folder / figure_path)
    worst = max(claimed, key=lambda path: margins[path].estimate)
    margin, walk = margins[worst], margins["random_walk"]
    outcome = "; ".join(
        f"{path}: {wins[path][0]} {'wins' if ok else 'does not win'}"
        for path, ok in zip(claimed, won, strict=True)
    )
    return Finding(
        id="B3",
        claim=CLAIMS["B3"],
        verdict=verdict,
        effect=margin.estimate,
        effect_label=(
            f"test loss beyond T less that of the better of tied and untied-hold, on "
            f"the {worst} path"
        ),
        interval=(margin.low, margin.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.spectrum --preset={preset}",
        figure=figure_path,
        seconds=time.perf_counter() - began,
        meaning=(
            f"Beyond the trained steps, {outcome}. On the random walk the difference "
            f"is {walk.estimate:+.3f} [{walk.low:+.3f}, {walk.high:+.3f}]."
        ),
        details=(
            "Functions of time have the true period; what they were chosen by is the "
            f"loss within T = {NUM_STEPS}. The best time-invariant linear model of the "
            "scored steps, chosen in hindsight, has a loss of "
            + ", ".join(f"{value:.2f} ({name})" for name, value in oracle.items())
            + "; a per-step linear one that knew the path, 0."
        ),
        table=tuple(table),
    )
