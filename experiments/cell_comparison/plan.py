"""What each preset of `cell_comparison` reads: the runs of three studies."""

from typing import NamedTuple

from experiments.length_generalisation import plan as lengths
from experiments.over_fitting import plan as over_fitting
from experiments.position_generalisation import plan as positions


class Plan(NamedTuple):
    """The plans of the studies; each effect is measured by one, in this order."""

    lengths: lengths.Plan
    positions: positions.Plan
    over_fitting: over_fitting.Plan


PLANS = {
    preset: Plan(own, positions.PLANS[preset], over_fitting.PLANS[preset])
    for preset, own in lengths.PLANS.items()
}
