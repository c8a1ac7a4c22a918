"""What the length study says of Q2, Q2b, A3 and A3b: the rules, and the figures."""

import dataclasses

import numpy as np

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.length_generalisation.cases import GOOD, cases_of, chance_of
from experiments.length_generalisation.measure import POLICIES
from rnnshare.analysis.statistics import bootstrap_interval
from rnnshare.plotting import curves as curve_figures
from rnnshare.plotting import panels as figures
from rnnshare.plotting.style import INK, say_what_refutes

POOR, LOST = 0.75, 0.05
STARTS = {"untied": "a draw a step", "untied_same": "one draw"}


def draw(plan, curves, folder):
    """Draws accuracy by length; returns the paths within the folder.

    A panel a language and cell: one figure of the languages, and one of the controls.
    """
    panels: dict[str, dict[str, dict]] = {"lengths": {}, "controls": {}}
    chance = {}
    for arm, read in curves.items():
        if arm.lengths != "all":
            continue
        title = f"{arm.language.replace('_', ' ')}\n{arm.cell}"
        which = "controls" if arm.language in plan.controls else "lengths"
        panel = panels[which].setdefault(title, {})
        measured = np.isfinite(next(iter(read.values()))[0]).sum()
        chance[title] = chance_of(plan, arm)
        if arm.sharing == "tied":
            panel["Tied"] = read["tied"][:, :measured]
        elif arm.sharing == "untied":
            panel["Untied, literal"] = read["literal"]
        else:
            for name in ("hold", "mean"):
                panel[f"Untied, one draw, {name}"] = read[name]
    refuted = {
        "lengths": "literal untied keeps its accuracy past the trained lengths (A3), "
        "or tied falls there as well (Q2)",
        "controls": f"tied falls below {POOR} past the trained lengths: then sharing "
        "alone does not make it generalise",
    }
    paths = {}
    for name, shown in panels.items():
        if shown:
            levels = {title: chance[title] for title in shown}
            figure = curve_figures.draw_lengths(shown, plan.train_max_length, levels)
            say_what_refutes(figure, refuted[name])
            paths[name] = f"figures/{name}.png"
            figures.save(figure, folder / paths[name])
    return paths


def draw_fixed(plan, curves, folder):
    """Draws what accuracy at N it costs that lengths vary; returns the path."""
    rows, at = [], plan.train_max_length - 1
    for arm, read in curves.items():
        if arm.lengths == "fixed":
            every = curves[dataclasses.replace(arm, lengths="all")]
            name = "tied" if arm.sharing == "tied" else "literal"
            kind = "Tied" if arm.sharing == "tied" else "Untied"
            start = "" if arm.sharing == "tied" else f", {STARTS[arm.sharing]}"
            cost = bootstrap_interval(read[name][:, at] - every[name][:, at])
            label = f"{arm.language.replace('_', ' ')}, {arm.cell}: {kind}{start}"
            rows.append(figures.IntervalRow(label, cost, kind))
    figure = figures.draw_intervals(
        rows,
        f"accuracy at length N = {plan.train_max_length}:\n"
        "trained at N alone less trained at lengths 1 to N",
        sides=("varied lengths help", "varied lengths cost"),
    )
    figure.axes[0].axvline(LOST, color=INK, lw=1.2, ls=":")
    text = f"untied (orange) lies left of the dotted line, {LOST}"
    say_what_refutes(figure, text)
    figures.save(figure, folder / "figures/Q2b.png")
    return "figures/Q2b.png"


def table(plan, curves):
    """Returns rows of medians over the seeds, with the best seed of the unseen ones."""
    n, end = plan.train_max_length, plan.eval_max_length
    top = min(end, 100)
    rows = [("language", "cell", "weights", "read as", f"1 to {n}",
             f"{n + 1} to {n + 3}", f"{n + 1} to {top} (best seed)",
             f"{n + 1} to {end}", "chance")]  # fmt: skip
    for arm, read in curves.items():
        chance = chance_of(plan, arm)
        for name, scores in read.items():
            if arm.lengths != "all":
                continue
            beyond = scores[:, n:top].mean(1)
            rows.append((
                arm.language.replace("_", " "), arm.cell,
                "tied" if arm.sharing == "tied" else f"untied, {STARTS[arm.sharing]}",
                name,
                f"{np.median(scores[:, :n].mean(1)):.3f}",
                f"{np.median(scores[:, n : n + 3].mean(1)):.3f}",
                f"{_or_dash(np.median(beyond))} ({_or_dash(beyond.max())})",
                _or_dash(np.median(scores[:, n:].mean(1))),
                f"{chance[n:top].mean():.3f}",
            ))  # fmt: skip
    return tuple(rows)


def _or_dash(score):
    """Returns a score as text; a dash where some lengths were not measured."""
    return "-" if np.isnan(score) else f"{score:.3f}"


def judge(plan, curves, seconds, preset, folder, rules):
    """Returns the findings, and draws what they show.

    Args:
      plan: what was run.
      curves: {arm: {reading: [S, L]}}.
      seconds: how long it took.
      preset: its name.
      folder: where the figures go.
      rules: {claim: its rule}.
    """
    cases = cases_of(plan, curves)
    paths = draw(plan, curves, folder)
    pictures = {"A3b": paths["controls"], "Q2b": draw_fixed(plan, curves, folder)}
    common = {
        "num_seeds": plan.num_seeds,
        "command": f"python -m experiments.length_generalisation --preset={preset}",
        "seconds": seconds,
    }

    def finding(key, verdict, values, label, meaning, **more):
        interval = bootstrap_interval(values)
        return Finding(
            id=key,
            claim=CLAIMS[key],
            verdict=verdict,
            effect=interval.estimate,
            effect_label=label,
            interval=(interval.low, interval.high),
            rule=rules[key],
            figure=pictures.get(key, paths["lengths"]),
            meaning=meaning,
            **common,
            **more,
        )

    return [
        _q2(plan, cases, finding, table(plan, curves)),
        _q2b(plan, curves, finding),
        _a3(cases, finding),
        _a3b(plan, curves, finding),
    ]


def _share(verdicts, word):
    return sum(v == word for v in verdicts) / len(verdicts)


def _q2(plan, cases, finding, rows):
    verdicts = [case.q2 for case in cases]
    if _share(verdicts, "supported") >= 2 / 3:
        verdict = "supported"
    else:
        refuted = _share(verdicts, "refuted") > 1 / 3
        verdict = "refuted" if refuted else "inconclusive"
    gap = np.mean([c.at_twice(c.tied) - c.at_twice(c.literal) for c in cases], axis=0)
    learnt = [case for case in cases if case.learnt]
    close = {
        name: sum(
            np.median(c.at_twice(c.policies[name]))
            >= np.median(c.at_twice(c.tied)) - 0.05
            for c in learnt
        )
        for name in POLICIES
    }
    best = max(close, key=lambda name: close[name])
    return finding(
        "Q2",
        verdict,
        gap,
        "tied less literal untied accuracy at twice the trained length, mean over "
        "languages, cells and starts",
        f"Of {len(cases)} cases {verdicts.count('supported')} are supported, "
        f"{verdicts.count('refuted')} refuted and {verdicts.count('undecided')} "
        "undecided, because untied did not learn the trained lengths. Of the "
        f"{len(learnt)} that it learnt, the best unseen-step policy ({best}) comes "
        f"within 5 points of tied in {close[best]}.",
        details=(
            f"Trained on lengths 1 to {plan.train_max_length}; medians over the seeds, "
            f"learning rate {', '.join(f'{rate:g}' for rate in plan.rates)}"
            f"{' by validation loss' if len(plan.rates) > 1 else ''}. Within 5 points "
            "of tied at twice the trained length: "
            + ", ".join(f"{name} {count}" for name, count in close.items())
            + f" of {len(learnt)}; "
            + (
                "so *full* sharing is not necessary at unseen steps."
                if any(close.values())
                else "none shows that less than *full* sharing would do."
            )
        ),
        table=rows,
    )


def _q2b(plan, curves, finding):
    n = plan.train_max_length
    lost, rows = (
        {},
        [("language", "cell", "weights", "trained at N", "trained up to N")],
    )
    for arm, read in curves.items():
        if arm.lengths != "fixed":
            continue
        name = "tied" if arm.sharing == "tied" else "literal"
        every = dataclasses.replace(arm, lengths="all")
        fixed, varied = read[name][:, n - 1], curves[every][name][:, n - 1]
        lost[arm] = fixed, fixed - varied
        rows.append((arm.language.replace("_", " "), arm.cell, arm.sharing,
                     f"{np.median(fixed):.3f}",
                     f"{np.median(varied):.3f}"))  # fmt: skip
    counted = [
        arm
        for arm, (fixed, _) in lost.items()
        if arm.sharing != "tied" and np.median(fixed) >= GOOD
    ]
    loses, keeps = 0, 0
    for arm in counted:
        tied = lost[dataclasses.replace(arm, sharing="tied")][1]
        own = np.median(lost[arm][1])
        loses += own >= 2 * LOST and np.median(tied) < LOST
        keeps += own < LOST
    half = len(counted) / 2
    verdict = (
        "supported" if loses > half else "refuted" if keeps > half else "inconclusive"
    )
    values = [lost[arm][1] for arm in counted or lost if arm.sharing != "tied"]
    return finding(
        "Q2b",
        verdict,
        np.mean(values, axis=0),
        f"untied accuracy at length {n}, trained at that length alone less trained at "
        "all lengths",
        f"Untied reaches {GOOD} when trained at one length in {len(counted)} of "
        f"{sum(a.sharing != 'tied' for a in lost)} cases; trained at all lengths it "
        f"loses less than 5 points in {keeps} of these and at least 10 in {loses}.",
        table=tuple(rows),
    )


def _a3(cases, finding):
    learnt = [case for case in cases if case.learnt]
    falls = [case.a3 for case in learnt]
    if not learnt:
        verdict = "inconclusive"
    else:
        part = sum(falls) / len(falls)
        verdict = (
            "supported"
            if part >= 2 / 3
            else "refuted"
            if part < 1 / 3
            else "inconclusive"
        )
    used = learnt or cases
    drop = [c.fall(c.literal) for c in used]
    still = [c.fall(c.tied) for c in used]
    return finding(
        "A3",
        verdict,
        np.mean(drop, axis=0),
        "accuracy that literal untied loses from the last three trained lengths to the "
        "next three",
        f"In {sum(falls)} of the {len(learnt)} cases that untied learnt (of "
        f"{len(cases)}), half of its lead over chance is gone within three steps past "
        "the training, while tied holds to twice the length. Tied loses "
        f"{np.mean(still):.3f} there.",
    )


def _a3b(plan, curves, finding):
    n = plan.train_max_length
    beyond, rows = {}, [("control", "cell", "up to N", "N + 1 to 2N (best seed)")]
    for arm, read in curves.items():
        if arm.language in plan.controls and arm.sharing == "tied":
            beyond[arm] = read["tied"][:, n : 2 * n].mean(1)
            within = np.median(read["tied"][:, :n].mean(1))
            rows.append((arm.language.replace("_", " "), arm.cell, f"{within:.3f}",
                         f"{np.median(beyond[arm]):.3f} "
                         f"({beyond[arm].max():.3f})"))  # fmt: skip
    medians = np.array([np.median(values) for values in beyond.values()])
    good, poor = np.mean(medians >= GOOD), np.mean(medians < POOR)
    verdict = "supported" if good > 0.5 else "refuted" if poor > 0.5 else "inconclusive"
    return finding(
        "A3b",
        verdict,
        np.mean(list(beyond.values()), axis=0),
        "tied accuracy on the controls at lengths N + 1 to 2N",
        f"Tied is below {POOR} on {int((medians < POOR).sum())} of {len(medians)} "
        "controls, which a finite state cannot solve, and at least "
        f"{GOOD} on {int((medians >= GOOD).sum())}.",
        table=tuple(rows),
    )
