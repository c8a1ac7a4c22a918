"""What comes of compiled and trained networks: the findings of C2 and of Cc1."""

import time

import numpy as np

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.translation.existence import one_unit_allows
from experiments.universality import figure as clock_figures
from experiments.universality.judgement import (
    EXACT,
    judge_columns,
    judge_power,
    least,
    least_width,
    longest,
    pairs_of,
    size_ratios,
    undecided_cells,
)
from experiments.universality.measure import (
    PLANS,
    SOLVED,
    MakeComposition,
    MakeString,
    measure,
)
from rnnshare.analysis.statistics import bootstrap_interval
from rnnshare.plotting import panels as figures

UNITS = {
    "units": "least H, maps that differ by the step",
    "updates": "optimiser steps until solved, one map",
    "sequences": "least training set, one map",
}

AMBIGUITY = {
    "supported": "Which is the more powerful depends on what is scarce.",
    "refuted": "In every pair one needs less of something, the other of nothing.",
    "inconclusive": "In no pair does each need less of something; in some, none.",
}


def power_findings(preset, folder, rules):
    """Compiles and trains; returns the findings of C2 and of Cc1."""
    began = time.perf_counter()
    measured = measure(preset, folder)
    seconds = time.perf_counter() - began
    return (
        power_finding(preset, folder, rules["C2"], measured, seconds),
        ambiguity_finding(preset, folder, rules["Cc1"], measured, seconds),
    )


def power_finding(preset, folder, rule, measured, seconds):
    """Returns the finding of C2, and draws its figure."""
    plan = PLANS[preset]
    errors = np.concatenate([found.errors for found in measured.compiled.values()])
    ratios = size_ratios(plan, measured)
    undecided = undecided_cells(measured)
    verdict, exact, tests = judge_power(errors, ratios, undecided)
    more = sum(i.low > 0 for cell, i in tests.items() if cell not in undecided)
    unknown = f" ({len(undecided)} undecided)" if undecided else ""
    mean = bootstrap_interval(np.mean(list(ratios.values()), axis=0))
    path = "figures/C2.png"
    figures.save(_widths_figure(plan, measured), folder / path)
    largest = max(
        found.units[1] / found.units[0] for found in measured.compiled.values()
    )
    needs = "; ".join(
        f"{cell}: {_told_width(plan, found, 'Tied')} tied, "
        f"{_told_width(plan, found, 'Untied')} untied"
        for cell, found in measured.composed.items()
    )
    return Finding(
        id="C2",
        claim=CLAIMS["C2"],
        verdict=verdict,
        effect=mean.estimate,
        effect_label="log2 of the least H of tied over that of untied",
        interval=(mean.low, mean.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.universality --preset={preset}",
        figure=path,
        seconds=seconds,
        meaning=(
            f"(i) In more units{', no new function' if exact else ''}: {len(errors)} "
            "random untied networks run as tied ones with a clock, of up to "
            f"{largest:.0f} times the units, to {errors.max():.0e} (allowed "
            f"{EXACT:.0e}{'' if exact else ', so it is open'}). (ii) In as many units "
            f"tied needs more in {more} of {len(tests)} cells{unknown}: the least H "
            f"for maps that differ by the step is {needs} (medians). (iii) Without end "
            "a tied network of finite precision repeats itself; new weights need not."
        ),
        details=_power_details(plan, measured),
        table=_power_table(plan, measured, ratios),
    )


def ambiguity_finding(preset, folder, rule, measured, seconds):
    """Returns the finding of Cc1, and draws its figure."""
    plan = PLANS[preset]
    pairs = pairs_of(plan, measured)
    verdict, tests = judge_columns(pairs)
    (one, another), first = next(iter(tests.items()))
    shown, _ = first["sequences"]
    path = "figures/Cc1.png"
    needs = {
        pair: {UNITS[name]: interval for name, (interval, _) in columns.items()}
        for pair, columns in tests.items()
    }
    refuted = "one side wins a row and the other none, in every pair"
    figures.save(clock_figures.draw_needs(needs, refuted), folder / path)
    told = "; ".join(
        f"{UNITS[name]}: {less or 'neither'}" for name, (_, less) in first.items()
    )
    return Finding(
        id="Cc1",
        claim=CLAIMS["Cc1"],
        verdict=verdict,
        effect=shown.estimate,
        effect_label="log2 of the training set that tied needs over untied's",
        interval=(shown.low, shown.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.universality --preset={preset}",
        figure=path,
        seconds=seconds,
        meaning=(
            f"Of {one} and {another}, the one that needs less: {told}. "
            f"{AMBIGUITY[verdict]}"
        ),
        details=(
            f"{_setup(plan)} Updates and sequences are of one map for all steps, at H "
            f"= {plan.sample_width}, where both kinds can hold it: T copies of tied "
            "weights are untied weights. Both start from the same function, as untied "
            "weights start as T copies. Early stopping has validation data besides the "
            "training set, the same for both. Training measures what is found, and not "
            "what exists."
        ),
        table=_columns_table(plan, measured, tests),
    )


def _setup(plan):
    return (
        f"Compositions of T = {plan.steps} maps of S = {plan.states} states, each "
        f"chosen by one of D = {plan.inputs} inputs; the state is asked for at every "
        "step. A seed has maps of its own. Adam, batch 64, at most "
        f"{plan.num_updates:,} steps; every run is the best of {len(plan.rates)} rates "
        f"by validation loss; solved is a test accuracy of {SOLVED}."
    )


def _power_details(plan, measured):
    bits = 32 * measured.parameters["Tied", plan.string_widths[0]]
    return (
        f"{_setup(plan)} Widths are tried from small to large until every seed is "
        "solved, as a larger network holds the smaller ones. A least H is what "
        "training found: that training fails never counts as non-existence. The clock "
        "makes a tied network of T (H + 1) units of each untied one that solves the "
        "task, as the table says; and that at equal size untied weights do what tied "
        "ones cannot has a proof without training: no tied tanh unit puts out 00110 on "
        "a constant input, and an untied one does."
        "\n\n"
        "On a constant input a tied network is the orbit of one map. In b-bit "
        "arithmetic its carry has at most 2^(b H) states, so the outputs end in a "
        "cycle; and P weights put out at most 2^(b P) strings (here 2^"
        f"{bits} for the smallest network), so no size holds every string of every "
        "length. Untied weights hold a string of any T in one unit, and have T times "
        "the weights. A tied tanh unit is bounded without counting: its odd and its "
        "even steps each change sides of a threshold at most once."
    )


def _power_table(plan, measured, ratios):
    table = [("reading", "what", "tied", "untied", "tied against untied")]
    for name, found in measured.compiled.items():
        table.append((
            "(i) any size", f"{len(found.errors)} networks, {name}",
            f"{found.units[1]} units, {found.parameters[1]:,} parameters, "
            f"{found.parameters[2]:,} not 0",
            f"{found.units[0]} units, {found.parameters[0]:,} parameters",
            f"error {found.errors.max():.0e}, of slopes "
            f"{found.gradient_errors.max():.0e}; allowed {EXACT:.0e}",
        ))  # fmt: skip
    undecided = undecided_cells(measured)
    for cell, found in measured.composed.items():
        interval = bootstrap_interval(ratios[cell])
        table.append((
            "(ii) equal size", f"least H, {cell}, by seed",
            *(_by_seed(least_width(found.accuracy[arm], plan.widths), plan.widths[-1])
              for arm in ("Tied", "Untied")),
            f"log2 {_told(interval)}{', undecided' if cell in undecided else ''}",
        ))  # fmt: skip
        if cell == "Elman":
            widths = least_width(found.accuracy["Untied"], plan.widths)
            built = [f"{plan.steps * (w + 1)}" if w <= plan.widths[-1] else "none"
                     for w in widths]  # fmt: skip
            table.append(("(ii) equal size", "H of the untied solutions, compiled",
                          ", ".join(built), "", "exist by construction"))  # fmt: skip
    for arm, width in sorted(measured.strings):
        held = longest(measured.strings[arm, width], plan.lengths)
        told = f"{_by_seed(held, plan.lengths[-1] - 1, plan.lengths[-1])} bits"
        table.append(("(iii) any length", f"longest string, H = {width}",
                      told if arm == "Tied" else "", told if arm == "Untied" else "",
                      f"{measured.parameters[arm, width]:,} parameters"))  # fmt: skip
    table.append(("(iii) any length", "longest that one tied tanh unit may hold",
                  f"{_one_unit_bounds(plan)} bits", "", "by proof"))  # fmt: skip
    return tuple(table)


def _one_unit_bounds(plan):
    """Returns, by seed, how much of its string one tied unit may put out at most."""
    found = []
    for seed in range(plan.num_seeds):
        bits = MakeString(plan.string_steps, plan.string_steps)(seed).bits.tolist()
        allowed = [n for n in range(1, len(bits) + 1) if one_unit_allows(bits[:n])]
        found.append(f"{max(allowed)}")
    return ", ".join(found)


def _columns_table(plan, measured, tests):
    table = [("models", "what is needed", "the first", "the second",
              "log2 of the ratio", "needs less")]  # fmt: skip
    for (one, another), columns in tests.items():
        for name, (interval, less) in columns.items():
            needs = (_need(plan, measured, model, name) for model in (one, another))
            table.append((f"{one}, {another}", UNITS[name], *needs, _told(interval),
                          less or "neither"))  # fmt: skip
        solved = (_solved(measured, model) for model in (one, another))
        table.append((f"{one}, {another}", "seeds that solve one map, endless data",
                      *solved, "", "not judged"))  # fmt: skip
    return tuple(table)


def _need(plan, measured, model, column):
    """Returns what a model needed, by seed."""
    arm, cell = model.split()
    found = measured.composed[cell]
    if column == "units":
        return _by_seed(least_width(found.accuracy[arm], plan.widths), plan.widths[-1])
    if column == "updates":
        return _by_seed(found.updates[arm], plan.num_updates)
    return _by_seed(least(found.by_size[arm][:, :-1], plan.sizes), plan.sizes[-1])


def _solved(measured, model):
    arm, cell = model.split()
    solved = measured.composed[cell].by_size[arm][:, -1] >= SOLVED
    return f"{solved.sum()} of {len(solved)}"


def _by_seed(values, most, limit=None):
    """Returns counts as text; those beyond the most that was tried, as more than it."""
    return ", ".join(
        f"{value:g}" if value <= most
        else f"at least {limit}" if limit
        else f"more than {most}"
        for value in values
    )  # fmt: skip


def _told_width(plan, found, arm):
    median = np.median(least_width(found.accuracy[arm], plan.widths))
    most = plan.widths[-1]
    return f"{median:g}" if median <= most else f"more than {most}"


def _told(interval):
    return f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _widths_figure(plan, measured):
    several = len(measured.composed) > 1
    curves = {}
    for cell, found in measured.composed.items():
        for arm, by_width in found.accuracy.items():
            label = f"{arm}, {cell}" if several else arm
            curves[label] = list(by_width), np.stack(list(by_width.values()), axis=1)
    strings: dict = {}
    for arm in ("Tied", "Untied"):
        widths = [w for kind, w in measured.strings if kind == arm]
        held = [longest(measured.strings[arm, w], plan.lengths) for w in widths]
        first = f"{arm}, {next(iter(measured.composed))}" if several else arm
        strings[first] = widths, np.stack(held, axis=1)
    task = [MakeComposition(plan.steps, plan.inputs, plan.states)(seed)
            for seed in range(plan.num_seeds)]  # fmt: skip
    return clock_figures.draw_widths(
        curves,
        strings,
        solved=SOLVED,
        no_memory=float(np.mean([t.lines["no memory"]["accuracy"] for t in task])),
        longest=plan.lengths[-1],
        refuted="tied needs clearly more H than untied to solve the left task",
    )
