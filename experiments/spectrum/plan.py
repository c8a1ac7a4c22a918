"""What each preset of `spectrum` runs."""

import dataclasses

# On a path, an amount; what each does to the weights, see `tasks.drift`.
AMOUNTS = (("periodic", 0.2), ("linear", 0.2), ("random_walk", 0.2))


@dataclasses.dataclass(frozen=True)
class Soft:
    """The grid of soft tying: every strength, drift, noise and N with every other.

    Attributes:
      strengths: of the penalty on the sum of squared errors, finite ones.
      drifts: d.
      noises: s, of the targets.
      sizes: N.
      num_updates: of training; the rate falls to 0 over them.
      num_steps: T.
      num_lags: l.
      hidden_features: H.
      rate: of learning, at the start.
    """

    strengths: tuple[float, ...]
    drifts: tuple[float, ...]
    noises: tuple[float, ...]
    sizes: tuple[int, ...]
    num_updates: int
    num_steps: int = 10
    num_lags: int = 3
    hidden_features: int = 16
    rate: float = 1e-2


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
      soft: the grid of Ac2c.
      arms: of the spectrum on the drift task, classes of sharings.
      italy_arms: of the spectrum on ItalyPowerDemand.
      beyond_features: H of B3.
      beyond_updates: optimiser steps of B3.
      amounts: (path, drift) of B3.
      first_seed: of Ac2c and B3; none below was ever trained for them.
    """

    num_seeds: int
    num_steps: int
    hidden_features: int
    rates: tuple[float, ...]
    tuning: int
    starts: tuple[bool, ...]
    drifts: tuple[float, ...]
    matchings: tuple[str, ...]
    soft: Soft
    arms: tuple[str, ...]
    italy_arms: tuple[str, ...]
    beyond_features: int = 16
    beyond_updates: int = 320
    amounts: tuple[tuple[str, float], ...] = AMOUNTS
    first_seed: int = 10_000


_ARMS = (
    *("Tied", "Untied", "Segments", "Cyclic", "Mixture", "LowRank", "Scaled"),
    *("Basis", "Drift", "Hypernetwork", "TimeInput", "Partition"),
)
_FEW = ("Tied", "Untied", "Cyclic", "LowRank", "TimeInput")  # where time is short
PLANS = {
    "smoke": Plan(
        2, 4, 4, (1e-2,), 1, (True,), (0.0, 0.2), ("width",),
        Soft((1.0, 100.0), (0.05, 0.2), (0.3, 1.0), (20,), 4), _FEW, _FEW[:2], 4, 4,
    ),
    "quick": Plan(
        5, 200, 32, (3e-3, 1e-2), 2, (True,), (0.0, 0.2), ("width",),
        Soft((1.0, 10.0, 100.0, 1e3, 1e4), (0.05, 0.2), (0.3, 1.0), (50, 400), 200),
        (*_FEW, "Basis"), _FEW[:2],
    ),
    "full": Plan(
        10, 800, 32, (3e-3, 1e-2, 3e-2), 6, (True, False), (0.0, 0.05, 0.1, 0.2),
        ("width", "parameters", "flops"),
        Soft(
            tuple(10 ** (place / 2) for place in range(9)),
            (0.05, 0.1, 0.2), (0.1, 0.3, 1.0), (50, 200, 800), 600,
        ),
        _ARMS, _ARMS, 32, 1_000,
    ),
}  # fmt: skip
