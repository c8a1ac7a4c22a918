"""What is concluded of machines as tied cells, exactly and in floats (C1)."""

from collections.abc import Sequence
from typing import Any

from experiments.lab.experiment import Claim, Verdict, decide
from experiments.universality import figure
from experiments.universality.machines import (
    EMPTY_TAPE,
    FLOATS,
    PATTERNS,
    TAG_WORD,
    Depth,
    Run,
)
from experiments.universality.measure import Measured
from experiments.universality.plan import LEAST_STEPS, Plan
from rnnshare.analysis.statistics import Interval
from rnnshare.machines import (
    StackCode,
    as_stack_machine,
    bits_of,
    fits,
    load,
    moments_of,
)

FIGURE_OF = "beaver5"  # the figure names it


def judge(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of C1: whether tied cells are their machines."""
    agreed = sum(run.num_steps for run in found.runs if run.differs is None)
    return Verdict(
        machine_rule(found.runs, found.depths),
        Interval(agreed, agreed, agreed),
        "steps of machines that their tied cells make exactly",
        _summary(found.runs, found.depths),
        1,
        _details(plan, found),
        repeats="",
    )


def machine_rule(runs: Sequence[Run], depths: Sequence[Depth]) -> str:
    """Returns the verdict of C1 under its rule."""
    differs = any(run.differs is not None for run in runs)
    long = all(run.halts or run.num_steps >= LEAST_STEPS for run in runs)
    close = all(
        abs(depth.predicted[kind] - depth.measured[kind]) <= 1
        for depth in depths
        for kind in FLOATS
    )
    return decide(long and close and not differs, differs)


def draw(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure: capacities, and the stacks of the five-state busy beaver."""
    (run,) = (run for run in found.runs if run.machine == FIGURE_OF)
    machine: Any = load(FIGURE_OF)
    heights = [
        max(map(len, stacks))
        for _, stacks in moments_of(machine, EMPTY_TAPE, plan.machine_steps)
    ]
    code = StackCode.of(as_stack_machine(machine))
    ones = [*machine.symbols[1:], *machine.symbols[1:]] * plan.num_bits
    limits = {
        kind: max(n for n in range(len(ones)) if fits(code, ones[:n], bits_of(dtype)))
        for kind, dtype in FLOATS.items()
    }
    return figure.draw_depths(
        {kind: [depth.predicted[kind] for depth in found.depths] for kind in FLOATS},
        {kind: [depth.measured[kind] for depth in found.depths] for kind in FLOATS},
        plan.bases,
        heights,
        limits,
        run.floats,
    )


def _summary(runs: Sequence[Run], depths: Sequence[Depth]) -> str:
    """Returns what it says, and what it does not."""
    agreed = sum(run.differs is None for run in runs)
    longest = max(run.num_steps for run in runs)
    counts = {kind: [d.measured[kind] for d in depths] for kind in FLOATS}
    told = {kind: f"{min(c)} to {max(c)}" for kind, c in counts.items()}
    universal = (
        ", one of them universal," if any(r.machine == "minsky" for r in runs) else ""
    )
    return (
        f"In exact arithmetic the tied cells of {agreed} of {len(runs)} machines"
        f"{universal} make every step of their machine, to halting or over "
        f"{longest:,} steps; but the tape is the digits of two numbers, so the claim "
        "is about weights that are shared and precision that is unbounded. In floats "
        "the same cell is a finite automaton: a stack holds "
        f"{told['float32']} symbols in float32 and {told['float64']} in float64 (the "
        f"base decides), {_capacities(depths)}; {_errors(runs)}."
    )


def _capacities(depths):
    """Returns how the capacities are to what the mantissa predicts."""
    apart = [abs(d.predicted[k] - d.measured[k]) for d in depths for k in FLOATS]
    if max(apart) == 0:
        return "as predicted from the mantissa"
    return (
        f"as predicted from the mantissa in {apart.count(0)} of {len(apart)} cases, "
        f"and at most {max(apart)} off in the others"
    )


def _errors(runs):
    """Returns how many machines go wrong in floats, and whether where predicted."""
    wrong = {k: sum(r.floats[k][1] is not None for r in runs) for k in FLOATS}
    pairs = [run.floats[kind] for run in runs for kind in FLOATS]
    agree = sum(expected == found for expected, found in pairs)
    return (
        f"of {len(runs)} machines {wrong['float32']} go wrong in float32 and "
        f"{wrong['float64']} in float64, as predicted in {agree} of {len(pairs)} runs"
    )


def _details(plan: Plan, found: Measured) -> str:
    """Returns how it was done, and the capacities."""
    rows = []
    for base in plan.bases:
        own = [depth for depth in found.depths if depth.base == base]
        told = "; ".join(
            f"{kind} predicted {_list(d.predicted[kind] for d in own)}, measured "
            f"{_list(d.measured[kind] for d in own)}"
            for kind in FLOATS
        )
        rows.append(f"base {base}: {told}")
    universal = ""
    if found.tag_steps is not None:
        universal = (
            "\n\nThe universal machine (Minsky's, of 7 states and 4 symbols) runs the "
            f"2-tag system of the Collatz problem on {len(TAG_WORD)} letters: "
            f"{found.tag_steps} of its steps, those that it makes by itself."
        )
    return (
        "A cell is an `ElmanCell` with the activation clip(x, 0, 1) and weights that "
        "are wired, not trained: multiples of powers of 2, the same at every step. An "
        "automaton takes one cell step a symbol, a stack machine three a step; a "
        "Turing machine is a stack machine with two stacks. A stack is a number in "
        "[0, 1), its symbols the digits to a base B = 2^b. In exact arithmetic the "
        "state, every stack to its last symbol and all other units are compared at "
        "every step; in float64 and float32, which `unroll` runs, the states and the "
        "tops that are read, and the first step at which they differ is the error. "
        "Its prediction follows the machine on integers that are rounded to 24 or 53 "
        f"bits where a float is, and runs no cell.{universal}"
        "\n\nSymbols that are pushed and popped without fault, for the patterns "
        f"{', '.join(PATTERNS)} (at the base 2 there is one): {'. '.join(rows)}. "
        "Predicted: the most n such that (m - 1) b + bits(m-th digit) is at most the "
        "mantissa's bits for each m up to n."
    )


def _list(values):
    return ", ".join(map(str, values))


def table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns a row a machine."""
    rows = [
        ("machine", "states x symbols", "units", "cell steps a step", "steps",
         "exact agrees",
         *(f"{kind}: first error, predicted / measured" for kind in FLOATS)),
    ]  # fmt: skip
    for run in found.runs:
        states, symbols, units, every = run.sizes
        exact = "yes" if run.differs is None else f"no, from step {run.differs}"
        errors = [
            " / ".join("none" if step is None else f"{step:,}" for step in pair)
            for pair in (run.floats[kind] for kind in FLOATS)
        ]
        steps = f"{run.num_steps:,}{' (halts)' if run.halts else ''}"
        size = f"{states} x {symbols}"
        rows.append((run.machine, size, str(units), str(every), steps, exact, *errors))
    return tuple(rows)


MACHINES = Claim(
    id="C1",
    rule=(
        "Supported if every compiled machine of the list agrees with its interpreter "
        "at every step (state, and tape or stacks to the last symbol) in exact "
        f"arithmetic, to halting, or over at least {LEAST_STEPS:,} steps if it runs "
        "on; and if the number of symbols that the cell pushes and pops without fault "
        "is within one of the predicted one in float32 and in float64, for every base "
        "and pattern. Refuted if an exact run differs. Else inconclusive."
    ),
    judge=judge,
    draw=draw,
    table=table,
    refuted_if=(
        "an exact cell departs from its machine; not supported if a point is off the "
        "band"
    ),
)
