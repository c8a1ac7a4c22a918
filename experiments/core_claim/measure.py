"""Both halves of the core claim, from the rows of their own experiments."""

from typing import NamedTuple

from experiments.drift_map import measure as drift_map
from experiments.lab.trials import Lab
from experiments.real_data import measure as real_data


class Plan(NamedTuple):
    """The plans of the two halves: the map of drift, and real data."""

    on_map: drift_map.Plan
    on_data: real_data.Plan


class Measured(NamedTuple):
    """What the two experiments measured: the map of drift, and real data."""

    on_map: drift_map.Measured
    on_data: real_data.Measured


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what the two experiments have not yet kept, in their own folders."""
    return Measured(
        drift_map.measure(plan.on_map, lab.of("drift_map")),
        real_data.measure(plan.on_data, lab.of("real_data")),
    )
