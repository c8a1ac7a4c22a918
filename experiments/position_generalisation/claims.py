"""What the position studies say of A4 and A5: the rules, and the figures."""

import time

import numpy as np

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.position_generalisation.measure import (
    PLANS,
    local_rule,
    signal_patches,
    word_order,
)
from rnnshare.analysis.statistics import bootstrap_interval, log_log_slope
from rnnshare.plotting import curves as curve_figures
from rnnshare.plotting import panels as figures
from rnnshare.plotting.style import say_what_refutes
from rnnshare.training.rows import JsonLines


def rule_and_patches(preset, folder, rule):
    """Runs the local rule and the signal patches; returns the finding of A4."""
    plan, began = PLANS[preset], time.perf_counter()
    rows = JsonLines(folder / "positions.jsonl")
    by_cell = local_rule(plan, rows)
    needed = signal_patches(plan, rows)
    steps = np.array(plan.patch_steps)
    used = np.isfinite(needed["Tied"]).all(0) & np.isfinite(needed["Untied"]).all(0)
    moves = {
        cell: np.median(arms["Tied"][0] - arms["Tied"][1]) < 0.05
        and np.median(arms["Untied"][1]) <= 0.6
        for cell, arms in by_cell.items()
    }
    if used.sum() >= 3:
        slopes = {
            arm: np.array(
                [log_log_slope(steps[used], row[used]).estimate for row in values]
            )
            for arm, values in needed.items()
        }
        gap = bootstrap_interval(slopes["Untied"] - slopes["Tied"])
        label = "untied less tied slope of log examples needed on log T"
    else:  # no slope: what is left is the local rule
        slopes, label = {}, "tied less untied accuracy at steps never shown"
        gap = bootstrap_interval(
            np.mean([a["Tied"][1] - a["Untied"][1] for a in by_cell.values()], axis=0)
        )
    if slopes and all(moves.values()) and gap.estimate >= 0.5 and gap.low > 0:
        verdict = "supported"
    elif slopes and not any(moves.values()) and gap.high < 0.5:
        verdict = "refuted"
    else:
        verdict = "inconclusive"
    path = "figures/A4.png"
    draw_rule_and_patches(plan, by_cell, needed, folder / path)
    table = [("cell", "weights", "accuracy at shown steps", "at unseen steps")]
    for cell, arms in by_cell.items():
        for arm, (shown, unseen) in arms.items():
            table.append((cell, arm, f"{np.median(shown):.3f}",
                          f"{np.median(unseen):.3f}"))  # fmt: skip
    for arm, values in needed.items():
        medians = ", ".join(
            f"T = {t}: {m:,.0f}"
            for t, m in zip(steps, np.median(values, 0), strict=True)
        )
        table.append(("LSTM", arm, "examples needed", medians))
    told = "; ".join(f"{arm} {v.mean():.2f}" for arm, v in slopes.items())
    return Finding(
        id="A4",
        claim=CLAIMS["A4"],
        verdict=verdict,
        effect=gap.estimate,
        effect_label=label,
        interval=(gap.low, gap.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.position_generalisation --preset={preset}",
        figure=path,
        seconds=time.perf_counter() - began,
        meaning=(
            f"A rule shown at half of {plan.rule_steps} steps is known at the others "
            f"by tied weights and not by untied ones in {sum(moves.values())} of "
            f"{len(moves)} cells. The examples needed to find a signal in one of T "
            f"steps grow as T to the power of: {told or 'not measured'}."
        ),
        details=(
            f"The slope is over T = {', '.join(map(str, steps[used]))}, where every "
            f"seed of both came to {plan.accuracy:.0%} with at most "
            f"{plan.most_examples:,} examples; LSTM, equal width "
            f"({plan.hidden_features}), rate and start tuned by validation."
        ),
        table=tuple(table),
    )


def draw_rule_and_patches(plan, by_cell, needed, path):
    """Draws accuracy at shown and unseen steps, and the examples needed over T."""
    panels = {
        f"{cell}\n{where}": {arm: scores[i] for arm, scores in arms.items()}
        for i, where in enumerate(("shown", "unseen"))
        for cell, arms in by_cell.items()
    }
    figure = curve_figures.draw_rule_and_needed(
        panels,
        {arm: (plan.patch_steps, values) for arm, values in needed.items()},
        "steps T, one of which carries the signal",
        f"training examples\nfor {plan.accuracy:.0%}",
    )
    say_what_refutes(
        figure,
        "untied does as well as tied at unseen steps (top), and its line is no steeper "
        "than tied's (bottom)",
    )
    figures.save(figure, path)


def word_order_finding(preset, folder, rule):
    """Runs the grammar; returns the finding of A5."""
    plan, began = PLANS[preset], time.perf_counter()
    rows = JsonLines(folder / "word_order.jsonl")
    table = [("facts", "model", "weights", "as trained", "held-out pairs")]
    panels, gaps = {}, {}
    for num_facts in (1, 2):
        for cell, arms in word_order(plan, rows, num_facts).items():
            for arm, (seen, held_out) in arms.items():
                table.append((str(num_facts), cell, arm.replace("Bag", ""),
                              f"{np.median(seen):.3f}",
                              f"{np.median(held_out):.3f}"))  # fmt: skip
            facts = "one fact" if num_facts == 1 else "two facts"
            panels[f"{cell}\n{facts}"] = {
                arm.replace("Bag", "no order"): scores[1]
                for arm, scores in arms.items()
            }
            if "Untied" in arms and num_facts == 1:
                learnt = min(np.median(arms[a][0]) for a in ("Tied", "Untied")) >= 0.95
                gaps[cell] = learnt, arms["Tied"][1] - arms["Untied"][1]
    counted = {cell: gap for cell, (learnt, gap) in gaps.items() if learnt}
    mean = bootstrap_interval(np.mean([gap for _, gap in gaps.values()], axis=0))
    if not counted:
        verdict = "inconclusive"
    elif all(
        bootstrap_interval(g).low > 0 and g.mean() >= 0.2 for g in counted.values()
    ):
        verdict = "supported"
    elif all(g.mean() < 0.05 for g in counted.values()):
        verdict = "refuted"
    else:
        verdict = "inconclusive"
    path = "figures/A5.png"
    figure = figures.draw_paired(
        panels,
        "accuracy on held-out pairs",
        chance=dict.fromkeys(panels, 0.5),
        oracle=dict.fromkeys(panels, 1.0),
    )
    say_what_refutes(figure, "with one fact untied does as well as tied")
    figures.save(figure, folder / path)
    return Finding(
        id="A5",
        claim=CLAIMS["A5"],
        verdict=verdict,
        effect=mean.estimate,
        effect_label="tied less untied accuracy on held-out pairs of word and order",
        interval=(mean.low, mean.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.position_generalisation --preset={preset}",
        figure=path,
        seconds=time.perf_counter() - began,
        meaning=(
            "A word for weather met in one order only is understood in the other with "
            f"{100 * mean.estimate:.0f} points more by tied weights (mean over "
            f"{len(gaps)} cells; {len(counted)} of them learnt what they were trained "
            "on)."
        ),
        details=(
            "One fact can be told by counting words, in any order; two facts cannot: "
            "there a word has to be bound to its neighbours."
        ),
        table=tuple(table),
    )
