"""What is concluded of tied and untied networks of any size and of equal size (C2)."""

import numpy as np
import pandas as pd

from experiments.lab.experiment import Claim, Verdict, decide
from experiments.lab.frames import say_lost
from experiments.universality import figure
from experiments.universality.measure import (
    ARMS,
    SEARCHED,
    SOLVED,
    Measured,
    Separation,
    accuracies,
    composition,
    longest,
    needs,
    one_unit_allows,
    string,
)
from experiments.universality.plan import Plan
from rnnshare.analysis.statistics import Interval, mean_interval

EXACT = 1e-5  # the largest error of a compiled network's outputs
LEAST_NETWORKS = 100  # to compile
UNSOLVED = "not solving their task"  # what runs that diverged count as
TOLD_BITS = 5  # the T whose count is the effect


def judge_power(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of C2."""
    errors = np.concatenate([case.errors for case in found.compiled.values()])
    verdict, exact, beyond = power_rule(errors, found.separation)
    largest = max(case.units[1] / case.units[0] for case in found.compiled.values())
    count = int(beyond[0, TOLD_BITS - 1])
    return Verdict(
        verdict,
        Interval(count, count, count),
        f"of the {2**TOLD_BITS} strings of {TOLD_BITS} bits, those that one untied "
        "tanh unit puts out on a constant input and, by proof, no tied one",
        f"(i) In more units{', no new function' if exact else ''}: {len(errors)} "
        "random untied networks run as tied ones with a clock, of up to "
        f"{largest:.0f} times the units, to {errors.max():.0e} (allowed "
        f"{EXACT:.0e}{'' if exact else ', so it is open'}). (ii) In as many units: "
        "by proof or exhaustive search untied weights put out strings that tied ones "
        f"cannot, {_first_beyond(beyond)}. (iii) Without end a tied network of finite "
        "precision repeats itself; new weights need not.",
        1,
        _power_details(plan, found),
        repeats="",
    )


def power_rule(errors, separation: Separation):
    """Returns the verdict of C2, whether compiling is exact, and strings beyond.

    Args:
      errors: [networks], the largest errors of compiled networks.
      separation: the strings that are put out.

    Returns:
      The last: int[sizes, T], how many more strings untied networks put out than tied
      ones of the same size can: one tanh unit, and `SEARCHED` threshold units.
    """
    exact = len(errors) >= LEAST_NETWORKS and bool(np.max(errors) < EXACT)
    tied = np.array([separation.tanh, *separation.threshold])
    beyond = np.array(separation.untied) - tied
    more = bool((beyond > 0).any())
    return decide(exact and not more, exact and more), exact, beyond


def _first_beyond(beyond) -> str:
    """Returns from which T on there are such strings, a size at a time."""
    names = ["a tanh unit (proof)", *(f"{n} threshold (search)" for n in SEARCHED)]
    told = []
    for name, row in zip(names, beyond, strict=True):
        first = next((t for t, more in enumerate(row, 1) if more > 0), None)
        told.append(f"{name}: {f'from {first} bits on' if first else 'none'}")
    return "; ".join(told)


def trained_widths(plan: Plan, found: Measured) -> dict[str, tuple[Interval, bool]]:
    """Returns {cell: (log2 of the least H of tied over untied's, whether it is one)}.

    It is none where in some seed neither model solves the task at any H: two failures
    make a ratio of 1, but say nothing of who needs more.
    """
    units = needs(plan, found.composed)["units"]
    solved = accuracies(found.composed, same=False) >= SOLVED
    known = solved.groupby(level="cell").any().all(axis=1)
    return {
        cell: (
            mean_interval(
                np.log2(units.loc[cell, "Tied"] / units.loc[cell, "Untied"]).to_numpy()
            ),
            bool(known[cell]),
        )
        for cell in units.index.unique("cell")
    }


def setup(plan: Plan) -> str:
    """Returns how compositions are trained."""
    return (
        f"Compositions of T = {plan.steps} maps of S = {plan.states} states, each "
        f"chosen by one of D = {plan.inputs} inputs; the state is asked for at every "
        "step. A seed has maps of its own. Adam, batch 64, at most "
        f"{plan.num_updates:,} steps; every run is the best of {len(plan.rates)} rates "
        f"by validation loss; solved is a test accuracy of {SOLVED}."
    )


def _power_details(plan: Plan, found: Measured) -> str:
    bits = 32 * _parameters(found)["Tied", plan.string_widths[0]]
    diverged = pd.concat([found.composed["diverged"], found.strings["diverged"]])
    widths = trained_widths(plan, found)
    told = "; ".join(
        f"{cell} {ratio:.2f}{'' if known else ' (in some seed neither solves it)'}"
        for cell, (ratio, known) in widths.items()
    )
    return (
        "The proofs and the search are told in `experiments/universality/separation.py`"
        ": a tied tanh unit is monotone, or its odd and its even steps are; of "
        f"{' and '.join(map(str, SEARCHED))} threshold units all networks were gone "
        "through. For threshold units of any number, H, and numbers of b bits: no tied "
        "network puts out 2^H (or 2^(b H)) zeros and then a one, and one untied unit "
        "does. For real-valued tanh units beyond one a count of dimensions says the "
        "same of exact outputs (see Cc2).\n\n"
        "Trainability, which decides nothing: log2 of the least H at which tied solves "
        "maps that differ by the step, over untied's, mean over "
        f"{plan.num_seeds} seeds: {told}. {setup(plan)} Widths are tried from small to "
        "large until every seed is solved, as a larger network holds the smaller ones. "
        "A least H is what "
        "training found: that training fails never counts as non-existence. The clock "
        "makes a tied network of T (H + 1) units of each untied one that solves the "
        "task, as the table says."
        f"{say_lost(diverged.notna(), UNSOLVED)}\n\n"
        "On a constant input a tied network is the orbit of one map. In b-bit "
        "arithmetic its carry has at most 2^(b H) states, so the outputs end in a "
        "cycle; and P weights put out at most 2^(b P) strings (here 2^"
        f"{bits} for the smallest network), so no size holds every string of every "
        "length. Untied weights hold a string of any T in one unit, and have T times "
        "the weights. A tied tanh unit is bounded without counting: its odd and its "
        "even steps each change sides of a threshold at most once."
    )


def _parameters(found: Measured) -> pd.Series:
    return found.strings.groupby(["arm", "H"])["num_parameters"].first()


def power_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns what each reading of C2 rests on."""
    table: list[tuple[str, ...]] = [
        ("reading", "what", "tied", "untied", "tied against untied")
    ]
    for name, case in found.compiled.items():
        untied, tied, used = case.parameters
        table.append((
            "(i) any size", f"{len(case.errors)} networks, {name}",
            f"{case.units[1]} units, {tied:,} parameters, {used:,} not 0",
            f"{case.units[0]} units, {untied:,} parameters",
            f"error {max(case.errors):.0e}, of slopes "
            f"{max(case.gradient_errors):.0e}; allowed {EXACT:.0e}",
        ))  # fmt: skip
    every, reading = found.separation, "(ii) equal size"
    names = "one tanh unit", *(f"{n} threshold unit{'s' * (n > 1)}" for n in SEARCHED)
    limits = every.tanh, *every.threshold
    how = "at most, by proof", *["by search"] * len(SEARCHED)
    for name, by, bound in zip(names, how, limits, strict=True):
        what = f"strings of 1 to {len(bound)} bits, {name}"
        sides = ", ".join(map(str, bound)), ", ".join(map(str, every.untied))
        table.append((reading, what, *sides, f"tied {by}"))
    units = needs(plan, found.composed)["units"]
    for cell, (interval, known) in trained_widths(plan, found).items():
        found_in = [by_seed(units.loc[cell, arm], plan.widths[-1]) for arm in ARMS]
        told = f"log2 {interval:.2f}{'' if known else ', unknown'}"
        what = f"least H that was trained, {cell}, by seed"
        table.append(("trainability", what, *found_in, told))
        if cell == "Elman":
            built = ", ".join(
                f"{plan.steps * (width + 1)}" if width <= plan.widths[-1] else "none"
                for width in units.loc[cell, "Untied"]
            )
            what = "H of the untied solutions, compiled"
            table.append(("trainability", what, built, "", "exist by construction"))
    parameters = _parameters(found)
    reading, most = "(iii) any length", plan.lengths[-1]
    for (arm, width), held in longest(found.strings).iterrows():
        told = f"{by_seed(held, most - 1, most)} bits"
        sides = (told, "") if arm == "Tied" else ("", told)
        count = f"{parameters[arm, width]:,} parameters"
        table.append((reading, f"longest string, H = {width}", *sides, count))
    bounds = ", ".join(str(_one_unit_bound(plan, i)) for i in range(plan.num_seeds))
    what = "longest that one tied tanh unit may hold"
    return (*table, (reading, what, f"{bounds} bits", "", "by proof"))


def _one_unit_bound(plan: Plan, seed: int) -> int:
    """Returns how much of a seed's string one tied unit may put out at most."""
    bits = string(seed, plan.string_steps, plan.string_steps).bits.tolist()
    return max(n for n in range(1, len(bits) + 1) if one_unit_allows(bits[:n]))


def draw_power(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of C2: what is solved, and the strings held, by H."""
    accuracy = accuracies(found.composed, same=False)
    several = len(accuracy.index.unique("cell")) > 1

    def curves(values, cell):
        """Returns {label: (H, [X, S])} of a frame with a row an (arm, H)."""
        return {
            f"{arm}, {cell}" if several else arm: (own.index, own.to_numpy())
            for arm, own in ((arm, values.loc[arm]) for arm in ARMS)
        }

    solved: dict = {}
    for cell in accuracy.index.unique("cell"):
        solved |= curves(accuracy.loc[cell], cell)
    tasks = [
        composition(seed, plan.steps, plan.inputs, plan.states)
        for seed in range(plan.num_seeds)
    ]
    return figure.draw_widths(
        solved,
        curves(longest(found.strings), plan.cells[0]),
        solved=SOLVED,
        no_memory=float(
            np.mean([task.baselines["no memory"]["accuracy"] for task in tasks])
        ),
        longest=plan.lengths[-1],
        separation={
            "Untied, one tanh unit": found.separation.untied,
            "Tied, one tanh unit: at most": found.separation.tanh,
            **{
                f"Tied, {n} threshold unit{'s' * (n > 1)}: all": counts
                for n, counts in zip(SEARCHED, found.separation.threshold, strict=True)
            },
        },
    )


def _most(value: float, most: float) -> str:
    """Returns a count as text; one beyond the most that was tried, as more than it."""
    return f"{value:g}" if value <= most else f"more than {most}"


def by_seed(values, most, limit=None) -> str:
    """Returns counts as text; those beyond the most are at least the limit, if any."""
    return ", ".join(
        f"at least {limit}" if limit and value > most else _most(value, most)
        for value in values
    )


POWER = Claim(
    id="C2",
    rule=(
        f"Three readings of the words. (i) Any size: at least {LEAST_NETWORKS} random "
        "untied networks (Elman, LSTM, GRU; all T, H, D together) are compiled into "
        "tied ones with a clock; the reading holds if every output is within "
        f"{f'{EXACT:.0e}'.replace('-0', '-')} in float32. (ii) Equal size, by "
        "proof or exhaustive search, never by training: the strings that networks put "
        "out on a constant input. The reading fails if, of some length, one untied "
        "unit puts out more of them than tied networks of the same size can: one tanh "
        "unit, bounded by proof (its orbit is a monotone map's), or "
        f"{' or '.join(map(str, SEARCHED))} threshold units, all networks of which are "
        "gone through; it holds if at no length tried. (iii) Unbounded length, the "
        "computability reading, is told apart and decides nothing. The words claim "
        "both sizes, so: supported if (i) and (ii) hold, refuted if (i) holds and (ii) "
        "fails, else inconclusive. The least H that training finds is told as "
        "trainability. Amended, because the former rule judged (ii) by that least H, "
        "so that failures to train counted; under the former rule: refuted (log2 of "
        "tied's least H over untied's 1.80 [1.24, 2.36])."
    ),
    judge=judge_power,
    draw=draw_power,
    table=power_table,
    refuted_if="untied's line (top) is above any of tied's; below is trainability",
)
