"""What each preset of `temporal_structure` runs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of the study.

    Attributes:
      cells: names of the cells of the RNN; the last one decides.
      num_seeds: paired seeds, each with its own training set or split.
      hidden_features: H, of the RNN and of the bag.
      num_examples: of the rotation.
      num_steps: of training on the rotation.
      mnist_num_steps: of training on images.
      rates: learning rates to choose from.
      dial: dependences of the rotation, from 0 up.
      num_tuning: tuning seeds of each rate.
    """

    cells: tuple[str, ...]
    num_seeds: int
    hidden_features: int = 32
    num_examples: int = 4_000
    num_steps: int = 800
    mnist_num_steps: int = 1_000
    rates: tuple[float, ...] = (3e-3, 1e-2)
    dial: tuple[float, ...] = (0.0, 0.2, 0.4, 0.8)
    num_tuning: int = 1


PLANS = {
    "smoke": Plan(("LSTM",), 2, 4, 50, 10, 10, (1e-2,), (0.0, 0.8)),
    "quick": Plan(("LSTM",), 5, num_steps=200, mnist_num_steps=250),
    "full": Plan(("Elman", "GRU", "LSTM"), 10),
}
