"""What each preset of `spectrum` runs."""

import dataclasses

# On a path, an amount; what each does to the weights, see `tasks.drift`.
AMOUNTS = (("periodic", 0.2), ("linear", 0.2), ("random_walk", 0.2))


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of the studies.

    Attributes:
      num_seeds: paired seeds, each with weights and data of its own.
      num_steps: optimiser steps.
      hidden_features: H of the tied model.
      rates: the learning rates to choose from.
      tuning: trainings that an arm's rate and start are tuned by.
      starts: of stacks of weights, `same_init`, to choose from.
      drifts: the dial of the spectrum.
      matchings: 'width', 'parameters', 'flops'.
      strengths: of soft tying, between untied and tied.
      soft_drifts, soft_sizes: the drifts and training-set sizes of Ac2c.
      arms: of the spectrum on the drift task, classes of sharings.
      italy_arms: of the spectrum on ItalyPowerDemand.
      amounts: (path, drift) of B3.
    """

    num_seeds: int
    num_steps: int
    hidden_features: int
    rates: tuple[float, ...]
    tuning: int
    starts: tuple[bool, ...]
    drifts: tuple[float, ...]
    matchings: tuple[str, ...]
    strengths: tuple[float, ...]
    soft_drifts: tuple[float, ...]
    soft_sizes: tuple[int, ...]
    arms: tuple[str, ...]
    italy_arms: tuple[str, ...]
    amounts: tuple[tuple[str, float], ...] = AMOUNTS


_ARMS = (
    *("Tied", "Untied", "Segments", "Cyclic", "Mixture", "LowRank", "Scaled"),
    *("Basis", "Drift", "Hypernetwork", "TimeInput", "Partition"),
)
_FEW = ("Tied", "Untied", "Cyclic", "LowRank", "TimeInput")  # where time is short
_DRIFTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5)
PLANS = {
    "smoke": Plan(
        2, 4, 4, (1e-2,), 1, (True,), (0.0, 0.2), ("width",), (10.0,), (0.0, 0.2),
        (50, 1_000), _FEW, _FEW[:2],
    ),
    "quick": Plan(
        5, 400, 32, (3e-3, 1e-2), 2, (True,), (0.0, 0.05, 0.2), ("width",),
        (1.0, 10.0, 100.0), (0.0, 0.05, 0.2), (50, 1_000), _ARMS, _FEW,
    ),
    "full": Plan(
        20, 3_000, 32, (1e-3, 3e-3, 1e-2), 12, (True, False), _DRIFTS,
        ("width", "parameters", "flops"), (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0),
        _DRIFTS, (50, 200, 1_000, 5_000), _ARMS, _ARMS,
    ),
}  # fmt: skip
