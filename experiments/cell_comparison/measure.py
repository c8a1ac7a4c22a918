"""Effects of other studies, cell by cell."""

from typing import NamedTuple

import numpy as np

from experiments.lab.trials import Lab
from experiments.length_generalisation import measure as lengths
from experiments.over_fitting import measure as over_fitting
from experiments.position_generalisation import measure as positions


class Plan(NamedTuple):
    """The plans of the studies; each effect is measured by one, in this order."""

    lengths: lengths.Plan
    positions: positions.Plan
    over_fitting: over_fitting.Plan


PLANS = {
    preset: Plan(own, positions.PLANS[preset], over_fitting.PLANS[preset])
    for preset, own in lengths.PLANS.items()
}
Measured = dict[str, dict[str, np.ndarray]]  # {effect: {cell: that of each seed, [S]}}


def measure(plan: Plan, lab: Lab) -> Measured:
    """Returns the effects; trains what the folders of the studies lack.

    A cell of which fewer than two seeds are left has no effect, and is left out.
    """
    rule = positions.local_rule_by_cell(
        plan.positions, lab.of("position_generalisation")
    )
    found = {
        "unseen lengths (A3)": lengths.falls_by_cell(
            plan.lengths, lab.of("length_generalisation")
        ),
        "unseen positions (A4)": {
            cell: arms["Tied"][1] - arms["Untied"][1] for cell, arms in rule.items()
        },
        "train-test gap (B7)": over_fitting.gaps_by_cell(
            plan.over_fitting, lab.of("over_fitting")
        ),
    }
    return {
        name: {cell: values for cell, values in by_cell.items() if len(values) > 1}
        for name, by_cell in found.items()
    }
