"""What each preset of `recurrent_law` runs."""

import dataclasses

PILOT_SEEDS = 10_000  # seeds below were seen while the rule was written


@dataclasses.dataclass(frozen=True)
class Plan:
    """The grid: every cell, noise, drift and N with every other.

    Attributes:
      cells: by name.
      noises: s, of the training targets.
      drifts: d, the first of them 0.
      sizes: N, all sequences that a judged run sees: it holds none out.
      num_seeds: paired seeds, each with a rule and data of its own.
      rates: learning rates to choose from, at every N.
      decays: weight decays of AdamW to choose from, at every N.
      tuning: trainings that a rate and a decay are chosen by.
      num_updates: of training; the rate falls to 0 over them.
      hidden_features: H.
      num_steps: T.
      num_lags: l.
      first_seed: none below was ever trained for the claim.
    """

    cells: tuple[str, ...]
    noises: tuple[float, ...]
    drifts: tuple[float, ...]
    sizes: tuple[int, ...]
    num_seeds: int
    rates: tuple[float, ...]
    decays: tuple[float, ...]
    tuning: int
    num_updates: int
    hidden_features: int
    num_steps: int = 10
    num_lags: int = 3
    first_seed: int = PILOT_SEEDS


PLANS = {
    "smoke": Plan(
        ("Elman",), (0.3, 1.0), (0.0, 0.1, 0.2), (10, 40), 2, (1e-2,), (0.0,), 1, 8, 4,
    ),
    "quick": Plan(
        ("Elman", "GRU"), (0.3, 1.0), (0.0, 0.05, 0.1, 0.2),
        (20, 80, 320, 1_280, 5_120), 5, (1e-2,), (0.0, 0.1), 2, 240, 16,
    ),
    "full": Plan(
        ("Elman", "GRU", "LSTM"), (0.3, 1.0), (0.0, 0.05, 0.07, 0.1, 0.14, 0.2),
        (20, 80, 320, 1_280, 5_120),
        10, (3e-3, 1e-2, 3e-2), (0.0, 0.1, 1.0), 9, 1_000, 16,
    ),
}  # fmt: skip
