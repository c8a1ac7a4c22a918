"""What is concluded of tied and untied networks of any size and of equal size (C2)."""

import numpy as np
import pandas as pd

from experiments.lab.experiment import Claim, Verdict, decide
from experiments.lab.frames import say_lost
from experiments.universality import figure
from experiments.universality.measure import (
    ARMS,
    SOLVED,
    Measured,
    accuracies,
    composition,
    longest,
    needs,
    one_unit_allows,
    string,
)
from experiments.universality.plan import Plan
from rnnshare.analysis.statistics import mean_interval

EXACT = 1e-5  # the largest error of a compiled network's outputs
LEAST_NETWORKS = 100  # to compile
UNSOLVED = "not solving their task"  # what runs that diverged count as
SAME_SIZE = 0.5  # the high end, in powers of two, that still is "no more units"


def judge_power(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of C2."""
    errors = np.concatenate([case.errors for case in found.compiled.values()])
    units = needs(plan, found.composed)["units"]
    ratios = {
        cell: np.log2(units.loc[cell, "Tied"] / units.loc[cell, "Untied"]).to_numpy()
        for cell in units.index.unique("cell")
    }
    undecided = undecided_cells(found.composed)
    verdict, exact, tests = power_rule(errors, ratios, undecided)
    more = sum(i.low > 0 for cell, i in tests.items() if cell not in undecided)
    unknown = f" ({len(undecided)} undecided)" if undecided else ""
    largest = max(case.units[1] / case.units[0] for case in found.compiled.values())
    medians = units.median(axis=1)
    told = "; ".join(
        f"{cell}: {_most(medians[cell, 'Tied'], plan.widths[-1])} tied, "
        f"{_most(medians[cell, 'Untied'], plan.widths[-1])} untied"
        for cell in ratios
    )
    return Verdict(
        verdict,
        mean_interval(np.mean(list(ratios.values()), axis=0)),
        "log2 of the least H of tied over that of untied",
        f"(i) In more units{', no new function' if exact else ''}: {len(errors)} "
        "random untied networks run as tied ones with a clock, of up to "
        f"{largest:.0f} times the units, to {errors.max():.0e} (allowed "
        f"{EXACT:.0e}{'' if exact else ', so it is open'}). (ii) In as many units "
        f"tied needs more in {more} of {len(tests)} cells{unknown}: the least H "
        f"for maps that differ by the step is {told} (medians). (iii) Without end "
        "a tied network of finite precision repeats itself; new weights need not.",
        plan.num_seeds,
        _power_details(plan, found),
        data=(tests, undecided),
    )


def power_rule(errors, ratios, undecided=()):
    """Returns the verdict of C2, whether compiling is exact, and {cell: interval}.

    Args:
      errors: [networks], the largest errors of compiled networks.
      ratios: {cell: [S]}, log2 of the least H of tied over that of untied.
      undecided: cells whose ratio says nothing, see `undecided_cells`.
    """
    exact = len(errors) >= LEAST_NETWORKS and bool(np.max(errors) < EXACT)
    tests = {cell: mean_interval(values) for cell, values in ratios.items()}
    more = all(i.low > 0 for i in tests.values())
    no_more = all(i.low <= 0 and i.high <= SAME_SIZE for i in tests.values())
    decided = exact and not undecided
    return decide(decided and no_more, decided and more), exact, tests


def undecided_cells(composed: pd.DataFrame) -> set[str]:
    """Returns the cells of which in some seed neither model solves the task at any H.

    Two failures make a ratio of 1, but say nothing of who needs more.
    """
    solved = (accuracies(composed, same=False) >= SOLVED).groupby(level="cell").any()
    return set(solved.index[~solved.all(axis=1)])


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
    return (
        f"{setup(plan)} Widths are tried from small to large until every seed is "
        "solved, as a larger network holds the smaller ones. A least H is what "
        "training found: that training fails never counts as non-existence. The clock "
        "makes a tied network of T (H + 1) units of each untied one that solves the "
        "task, as the table says; and that at equal size untied weights do what tied "
        "ones cannot has a proof without training: no tied tanh unit puts out 00110 on "
        "a constant input, and an untied one does."
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
    tests, undecided = verdict.data
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
    units = needs(plan, found.composed)["units"]
    for cell, interval in tests.items():
        found_in = [by_seed(units.loc[cell, arm], plan.widths[-1]) for arm in ARMS]
        unknown = ", undecided" if cell in undecided else ""
        told = f"log2 {interval:.2f}{unknown}"
        table.append(("(ii) equal size", f"least H, {cell}, by seed", *found_in, told))
        if cell == "Elman":
            built = ", ".join(
                f"{plan.steps * (width + 1)}" if width <= plan.widths[-1] else "none"
                for width in units.loc[cell, "Untied"]
            )
            what = "H of the untied solutions, compiled"
            table.append(("(ii) equal size", what, built, "", "exist by construction"))
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
        f"{f'{EXACT:.0e}'.replace('-0', '-')} in float32. (ii) Equal size: log2 of the "
        "least H at which tied solves a composition of maps that differ by the step "
        f"(test accuracy at least {SOLVED:g}), over untied's; it fails if the 95 % "
        "interval over the seeds is above 0 in every cell, and holds if in every cell "
        f"it reaches 0 and its high end is at most {SAME_SIZE:g}. Where no H of the "
        "grid solves it, twice the largest counts, and the ratio is a bound; where in "
        "some seed neither does, the cell is undecided, and so is (ii). (iii) "
        "Unbounded length: the longest random string on a constant input, against H; "
        "it decides nothing, but bounds the other two. The words claim both sizes, so: "
        "supported if (i) and (ii) hold, refuted if (i) holds and (ii) fails, else "
        "inconclusive. That training fails never counts as non-existence."
    ),
    judge=judge_power,
    draw=draw_power,
    table=power_table,
    refuted_if="tied needs clearly more H than untied to solve the left task",
)
