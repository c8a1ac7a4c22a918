"""What each preset of `truncated_bptt` runs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of the study of costs (B8), and of that of lags (B9).

    Influence balancing (B9b) is the same in every preset.

    Attributes:
      num_seeds: paired seeds, for B8 each with other tunes to train on.
      num_tuning: tuning seeds of each rate.
      rates: learning rates to choose from, B9.
      cost_rates: the same for B8.
      windows: B8: the k, T the last, characters a sequence, and T / 4 among them.
      hidden_features: B8: H.
      batch_size: B8: sequences a batch.
      num_batches: B8: of training, T characters of each sequence.
      rounds: B8: of the race between the windows' updates.
      cells: B9: their names.
      lag_window: B9: k.
      num_windows: B9: in a sequence.
      lag_features: B9: H.
      lag_batches: B9: of training.
    """

    num_seeds: int
    num_tuning: int
    rates: tuple[float, ...]
    cost_rates: tuple[float, ...]
    windows: tuple[int, ...]
    hidden_features: int
    batch_size: int
    num_batches: int
    rounds: int
    cells: tuple[str, ...]
    lag_window: int
    num_windows: int
    lag_features: int
    lag_batches: int


_RATES = (3e-3, 1e-2)
_WIDE = (3e-4, 1e-3, *_RATES, 3e-2, 1e-1)
PLANS = {
    "smoke": Plan(
        2, 1, (1e-2,), (1e-2,), (2, 4, 16), 4, 2, 2, 2,
        ("LSTM",), 2, 8, 4, 2,
    ),
    "quick": Plan(
        5, 1, _RATES, _WIDE[2:], (8, 32, 128), 64, 16, 120, 7,
        ("LSTM",), 8, 16, 32, 200,
    ),
    "full": Plan(
        10, 1, (1e-3, *_RATES), _WIDE, (1, 4, 16, 64, 256), 64, 16, 250, 15,
        ("Elman", "GRU", "LSTM"), 16, 16, 64, 600,
    ),
}  # fmt: skip
