"""What each preset of `over_fitting` runs."""

import dataclasses

from experiments.lab.choices import FEW


@dataclasses.dataclass(frozen=True)
class Capacity:
    """The sizes of the study of random labels.

    Attributes:
      sizes: the N, powers of two.
      num_steps: T.
      num_updates: optimiser steps.
      rates: learning rates to choose from.
      widths: the H.
      num_tuning: tuning seeds of each rate.
      num_features: D; 2^(T D) inputs, so that few of N are equal.
    """

    sizes: tuple[int, ...]
    num_steps: int
    num_updates: int
    rates: tuple[float, ...] = (1e-2, 3e-2)
    widths: tuple[int, ...] = (4,)
    num_tuning: int = 1
    num_features: int = 4


@dataclasses.dataclass(frozen=True)
class Rises:
    """The grid on which a held-out loss is followed along training.

    Attributes:
      steps: T.
      sizes: N; every T with every N, so that one does not stand for the other.
      num_updates: optimiser steps.
      validate_every: of them, between two points of a curve.
      batch_size: sequences a step.
      noise: of the labels.
      first_seed: none below was ever trained for the claim.
    """

    steps: tuple[int, ...]
    sizes: tuple[int, ...]
    num_updates: int
    validate_every: int = 20
    batch_size: int = 64
    noise: float = 0.2
    first_seed: int = 10_000


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of the grid of train-test gaps, and those of random labels.

    Attributes:
      cells: names of cells.
      num_seeds: paired seeds, each with data of its own.
      num_tuning: tuning seeds of each rate and decay, at each N and label noise.
      rates: learning rates to choose from.
      decays: strengths of AdamW's weight decay to choose from, the first of them 0.
      steps: the T of the grid.
      tuned_at: the T at which a model's rate and decay are chosen.
      sizes: the N of the grid, powers of two.
      noises: the label noises of the grid.
      hidden_features: H.
      num_steps: of training, at most.
      validate_every: where training may stop early.
      patience: validations without a better loss that end it.
      num_held_out: examples of a held-out set, a multiple of every N: so the training
        loss is that of the whole set.
      capacity: the sizes of the study of random labels.
      rises: those of the losses along training.
    """

    cells: tuple[str, ...]
    num_seeds: int
    num_tuning: int
    rates: tuple[float, ...]
    decays: tuple[float, ...]
    steps: tuple[int, ...]
    tuned_at: int
    sizes: tuple[int, ...]
    noises: tuple[float, ...]
    hidden_features: int
    num_steps: int
    validate_every: int
    patience: int
    num_held_out: int
    capacity: Capacity
    rises: Rises


_RATES = (3e-3, 1e-2)
_SIZES = tuple(2**e for e in range(6, 12))
PLANS = {
    "smoke": Plan(
        ("Elman",), 2, 1, (1e-2,), (0.0,), (4,), 4, (8, 16), (0.0, 0.2), 4, 16, 4, 2,
        64, Capacity((8, 16), 3, 16, (1e-2,)), Rises((4, 8), (8, 16), 8, 4),
    ),
    "quick": Plan(
        FEW, 5, 2, _RATES, (0.0, 1.0), (4, 8), 8, (64, 256), (0.0, 0.2), 16,
        200, 20, 5, 512, Capacity(_SIZES, 8, 400), Rises((4, 8), (64, 512, 4_096), 200),
    ),
    "full": Plan(
        ("Elman", "GRU", "LSTM"), 10, 2, _RATES, (0.0, 0.3, 1.0, 3.0), (4, 8, 16), 8,
        (64, 256, 1_024), (0.0, 0.2), 16, 1_000, 20, 10, 1_024,
        Capacity((*_SIZES, 4_096), 8, 2_000),
        Rises((4, 8, 16), (64, 256, 1_024, 4_096, 16_384), 1_500),
    ),
}  # fmt: skip
