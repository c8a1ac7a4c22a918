"""Effects of other studies, cell by cell."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from experiments.lab.trials import Lab
from experiments.length_generalisation import measure as lengths
from experiments.over_fitting import measure as over_fitting
from experiments.position_generalisation import measure as positions


class Plan(NamedTuple):
    """The plans of the studies; each effect is measured by one, in this order.

    Attributes:
      lengths: of unseen lengths.
      positions: of unseen positions.
      over_fitting: of train-test gaps.
      linear: names of cells whose state enters its next value linearly. They stand
        beside the others, and decide nothing.
    """

    lengths: lengths.Plan
    positions: positions.Plan
    over_fitting: over_fitting.Plan
    linear: tuple[str, ...] = ()

    @property
    def studies(self) -> tuple[Any, ...]:
        """The plans of the studies, in the order of the effects."""
        return self.lengths, self.positions, self.over_fitting

    def widened(self, own: Any) -> Any:
        """Returns the plan of a study with the linear cells after its own."""
        return dataclasses.replace(own, cells=(*own.cells, *self.linear))


_LINEAR = {"full": ("MinGRU", "MinLSTM", "LRU")}
PLANS = {
    preset: Plan(
        own, positions.PLANS[preset], over_fitting.PLANS[preset],
        _LINEAR.get(preset, ()),
    )
    for preset, own in lengths.PLANS.items()
}  # fmt: skip
Measured = dict[str, dict[str, np.ndarray]]  # {effect: {cell: that of each seed, [S]}}


def measure(plan: Plan, lab: Lab) -> Measured:
    """Returns the effects; trains what the folders of the studies lack.

    A cell of which fewer than two seeds are left has no effect, and is left out.
    """
    rule = positions.local_rule_by_cell(
        plan.widened(plan.positions), lab.of("position_generalisation")
    )
    found = {
        "unseen lengths (A3)": lengths.falls_by_cell(
            plan.widened(plan.lengths), lab.of("length_generalisation")
        ),
        "unseen positions (A4)": {
            cell: arms["Tied"][1] - arms["Untied"][1] for cell, arms in rule.items()
        },
        "train-test gap (B7)": over_fitting.gaps_by_cell(
            plan.widened(plan.over_fitting), lab.of("over_fitting")
        ),
    }
    return {
        name: {cell: values for cell, values in by_cell.items() if len(values) > 1}
        for name, by_cell in found.items()
    }
