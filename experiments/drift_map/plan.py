"""What each preset of `drift_map` runs."""

import dataclasses

PILOT_SEEDS = 10_000  # seeds below were seen while the rules were written


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of a map.

    Attributes:
      num_seeds: paired seeds, each with weights and data of its own.
      tuning: trainings that an arm's rate and start are tuned by, at each T.
      choosing: tuning seeds that the best arm of a cell is chosen by.
      rates: the learning rates to choose from, those that the trainings begin with.
      starts: of untied weights, `same_init`, to choose from.
      hidden_features: H of the tied model, of untied at equal width, and of the partly
        untied ones.
      steps: the T of the map.
      drifts: d, the most that a number of the weights moves a step.
      sizes: N of the map.
      num_steps: optimiser steps at most.
      limit_steps: T of the streaming study, one of `steps`.
      streaming_steps: optimiser steps of it.
      num_features: D.
      num_lags: l.
      wider: how many times as wide the wide tied model is.
      rank: of the corrections of the LowRank arm.
      first_seed: none below was ever trained for the claims.
    """

    num_seeds: int
    tuning: int
    choosing: int
    rates: tuple[float, ...]
    starts: tuple[bool, ...]
    hidden_features: int
    steps: tuple[int, ...]
    drifts: tuple[float, ...]
    sizes: tuple[int, ...]
    num_steps: int
    limit_steps: int
    streaming_steps: int
    num_features: int = 3
    num_lags: int = 5
    wider: int = 3
    rank: int = 2
    first_seed: int = PILOT_SEEDS


_RATES = (3e-3, 1e-2, 3e-2, 1e-1)
_DRIFTS = (0.0, 0.05, 0.2)
PLANS = {
    "smoke": Plan(
        2, 1, 1, (1e-2,), (True,), 4, (8,), (0.0, 0.2), (5, 20), 8, 8, 8,
    ),
    "quick": Plan(
        5, 4, 1, _RATES, (True,), 32, (20,), _DRIFTS, (50, 1_000), 160, 20, 200,
    ),
    "full": Plan(
        10, 16, 2, _RATES, (True, False), 32, (10, 20), _DRIFTS,
        (50, 200, 1_000, 5_000), 800, 20, 4_000,
    ),
}  # fmt: skip
