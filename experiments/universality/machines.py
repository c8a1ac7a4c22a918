"""The study behind C1: machines as tied cells, in exact arithmetic and in floats."""

import dataclasses
import time
from typing import Any

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.universality import figure_depth as depth_figures
from experiments.universality.runs import (
    EMPTY_TAPE,
    FLOATS,
    PATTERNS,
    TAG_WORD,
    Depth,
    Run,
    measure_depth,
    run_machine,
    tag_steps,
)
from rnnshare.machines import (
    StackCode,
    as_stack_machine,
    bits_of,
    fits,
    load,
    moments_of,
)
from rnnshare.plotting import panels as figures
from rnnshare.plotting.style import say_what_refutes

LEAST_STEPS = 10_000
FIGURE_OF = "beaver5"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      num_steps: of machines that run on.
      machines: those of `rnnshare.machines.load`, less what is not here.
      bases: of the stacks whose capacity is measured.
      num_bits: of a stack's number that are pushed, more than a float has.
    """

    num_steps: int
    machines: tuple[str, ...]
    bases: tuple[int, ...]
    num_bits: int = 56


_MACHINES = (
    *("parity", "adder", "brackets", "doubler", "increment", "counter", "beaver2"),
    *("beaver3", "beaver4", "beaver5", "minsky"),
)
PLANS = {
    "smoke": Plan(300, ("parity", "brackets", "beaver3", "beaver5"), (16,)),
    "quick": Plan(LEAST_STEPS, _MACHINES, (2, 4, 8, 16, 32)),
    "full": Plan(5 * LEAST_STEPS, _MACHINES, (2, 4, 8, 16, 32, 64, 128)),
}


def judge(runs: list[Run], depths: list[Depth]) -> str:
    """Returns the verdict of C1 under its rule."""
    if any(run.differs is not None for run in runs):
        return "refuted"
    long = all(run.halts or run.num_steps >= LEAST_STEPS for run in runs)
    close = all(
        abs(depth.predicted[kind] - depth.measured[kind]) <= 1
        for depth in depths
        for kind in FLOATS
    )
    return "supported" if long and close else "inconclusive"


def finding(preset, folder, rule):
    """Runs the machines; returns the finding of C1, and draws its figure."""
    plan, began = PLANS[preset], time.perf_counter()
    runs = [run_machine(name, plan.num_steps) for name in plan.machines]
    depths = [
        measure_depth(base, pattern, plan.num_bits)
        for base in plan.bases
        for pattern in (PATTERNS[:1] if base == 2 else PATTERNS)
    ]
    path = "figures/C1.png"
    figures.save(draw(runs, depths, plan), folder / path)
    agreed = sum(run.num_steps for run in runs if run.differs is None)
    return Finding(
        id="C1",
        claim=CLAIMS["C1"],
        verdict=judge(runs, depths),
        effect=agreed,
        effect_label="steps of machines that their tied cells make exactly",
        interval=(agreed, agreed),
        num_seeds=1,
        rule=rule,
        command=f"python -m experiments.universality --preset={preset}",
        figure=path,
        seconds=time.perf_counter() - began,
        meaning=_meaning(runs, depths),
        details=_details(runs, depths, plan),
        table=_table(runs),
        exact=True,
    )


def draw(runs, depths, plan):
    """Returns the figure: capacities, and the stacks of the five-state busy beaver."""
    (run,) = (run for run in runs if run.name == FIGURE_OF)
    machine: Any = load(FIGURE_OF)
    heights = [
        max(map(len, stacks))
        for _, stacks in moments_of(machine, EMPTY_TAPE, plan.num_steps)
    ]
    code = StackCode.of(as_stack_machine(machine))
    ones = [*machine.symbols[1:], *machine.symbols[1:]] * plan.num_bits
    limits = {
        kind: max(n for n in range(len(ones)) if fits(code, ones[:n], bits_of(dtype)))
        for kind, dtype in FLOATS.items()
    }
    figure = depth_figures.draw_depths(
        {kind: [depth.predicted[kind] for depth in depths] for kind in FLOATS},
        {kind: [depth.measured[kind] for depth in depths] for kind in FLOATS},
        depth_figures.DepthRun("Five-state busy beaver", heights, limits, run.floats),
        plan.bases,
    )
    say_what_refutes(
        figure, "an exact cell departs from its machine; not supported if a point is "
        "off the band"
    )  # fmt: skip
    return figure


def _meaning(runs, depths):
    """Returns what it says, and what it does not."""
    agreed = sum(run.differs is None for run in runs)
    longest = max(run.num_steps for run in runs)
    counts = {kind: [d.measured[kind] for d in depths] for kind in FLOATS}
    told = {kind: f"{min(c)} to {max(c)}" for kind, c in counts.items()}
    universal = (
        ", one of them universal," if any(r.name == "minsky" for r in runs) else ""
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


def _details(runs, depths, plan):
    """Returns how it was done, and the capacities."""
    rows = []
    for base in plan.bases:
        own = [depth for depth in depths if depth.base == base]
        told = "; ".join(
            f"{kind} predicted {_list(d.predicted[kind] for d in own)}, measured "
            f"{_list(d.measured[kind] for d in own)}"
            for kind in FLOATS
        )
        rows.append(f"base {base}: {told}")
    universal = ""
    if any(run.name == "minsky" for run in runs):
        universal = (
            "\n\nThe universal machine (Minsky's, of 7 states and 4 symbols) runs the "
            f"2-tag system of the Collatz problem on {len(TAG_WORD)} letters: "
            f"{tag_steps(plan.num_steps)} of its steps, those that it makes by itself."
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


def _table(runs):
    """Returns a row a machine."""
    table = [
        ("machine", "states x symbols", "units", "cell steps a step", "steps",
         "exact agrees",
         *(f"{kind}: first error, predicted / measured" for kind in FLOATS)),
    ]  # fmt: skip
    for run in runs:
        states, symbols, units, every = run.sizes
        exact = "yes" if run.differs is None else f"no, from step {run.differs}"
        errors = [
            " / ".join("none" if step is None else f"{step:,}" for step in pair)
            for pair in (run.floats[kind] for kind in FLOATS)
        ]
        steps = f"{run.num_steps:,}{' (halts)' if run.halts else ''}"
        table.append((run.name, f"{states} x {symbols}", str(units), str(every), steps,
                      exact, *errors))  # fmt: skip
    return tuple(table)
