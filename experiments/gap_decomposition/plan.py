"""What each preset of `gap_decomposition` runs."""

import dataclasses

from experiments.lab.choices import FEW

SHARINGS = "Tied", "Segments (2)", "Segments (4)", "Cyclic (T/2)", "Untied"


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of the pairs, and of the settings between tied and untied.

    Attributes:
      num_seeds: paired seeds, each with shown steps and examples of its own.
      hidden_features: H.
      rates: learning rates to choose from.
      starts: of the untied weights of a pair, `same_init`, to choose from.
      tuning: trainings by which the rate and start of each model are chosen.
      cells: of both, by name.
      lengths: T, even.
      sizes: N of the pairs.
      num_steps: s, of training; pairs are trained for 4 s too.
      agreement_sizes: N of the settings whose two gaps are compared.
      agreement_steps: of their training.
      agreement_rates: of them, to choose from.
      agreement_sharings: of `SHARINGS`.
      noises: of their labels.
      first_seed: none below was ever trained for the claims.
    """

    num_seeds: int
    hidden_features: int
    rates: tuple[float, ...]
    starts: tuple[bool, ...]
    tuning: int
    cells: tuple[str, ...]
    lengths: tuple[int, ...]
    sizes: tuple[int, ...]
    num_steps: int
    agreement_sizes: tuple[int, ...]
    agreement_steps: int
    agreement_rates: tuple[float, ...] = (1e-2,)
    agreement_sharings: tuple[str, ...] = SHARINGS
    noises: tuple[float, ...] = (0.0, 0.2)
    first_seed: int = 10_000


_RATES, _STARTS, _SIZES = (3e-3, 1e-2), (True, False), (25, 50, 200)
PLANS = {
    "smoke": Plan(
        2, 4, (1e-2,), (True,), 1, ("Elman",), (4,), (20,), 8,
        (*range(10, 110, 10),), 8, (1e-2,), ("Tied", "Untied"),
    ),
    "quick": Plan(
        5, 16, _RATES, _STARTS, 4, FEW, (8,), _SIZES, 100, (8, 32, 256), 150,
    ),
    "full": Plan(
        10, 32, (1e-3, 3e-3, 1e-2, 3e-2), _STARTS, 8, ("Elman", "GRU", "LSTM"),
        (12, 24), _SIZES, 500, (8, 16, 64, 256), 400,
    ),
}  # fmt: skip
