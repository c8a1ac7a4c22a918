"""What each preset of `drift_map` runs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of a map.

    Attributes:
      num_seeds: paired seeds, each with weights and data of its own.
      tuning: trainings that an arm's rate and start are tuned by, at each T.
      rates: the learning rates to choose from.
      starts: of untied weights, `same_init`, to choose from.
      hidden_features: H of the tied model, and of untied at equal width.
      steps: the T of the map.
      drifts: d, the most that a number of the weights moves a step.
      sizes: N of the map.
      num_steps: optimiser steps at most.
      limit_steps: T of the streaming study, one of `steps`.
      streaming_steps: optimiser steps of it.
      num_features: D.
      num_lags: l.
    """

    num_seeds: int
    tuning: int
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


_DRIFTS = (0.0, 0.05, 0.2)
PLANS = {
    "smoke": Plan(
        2, 1, (1e-2,), (True,), 4, (8,), (0.0, 0.2), (5, 20), 8, 8, 16,
    ),
    "quick": Plan(
        5, 4, (3e-3, 1e-2), (True,), 32, (10, 20), _DRIFTS, (50, 200, 1_000), 600,
        20, 1_500,
    ),
    "full": Plan(
        10, 8, (3e-3, 1e-2), (True, False), 32, (10, 20, 40), _DRIFTS,
        (50, 200, 1_000, 5_000), 1_200, 20, 8_000,
    ),
}  # fmt: skip
