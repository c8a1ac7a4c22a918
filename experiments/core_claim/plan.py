"""What each preset of `core_claim` joins."""

from typing import NamedTuple

from experiments.drift_map import plan as drift_map
from experiments.real_data import plan as real_data


class Plan(NamedTuple):
    """The plans of the two halves: the map of drift, and real data."""

    on_map: drift_map.Plan
    on_data: real_data.Plan


PLANS = {
    preset: Plan(drift_map.PLANS[preset], real_data.PLANS[preset])
    for preset in drift_map.PLANS
}
