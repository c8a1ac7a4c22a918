"""What each preset of `real_data` runs."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of the study.

    Attributes:
      num_seeds: paired seeds, each with its own split; seed 0 has the published one.
      tuning: trainings that an arm's learning rate and start are tuned by.
      hidden_features: H of the tied model.
      rates: the learning rates to choose from.
      cells: {task: cells}; the names of `measure.TASKS` and of `lab.choices`.
      num_steps: the longest training, of sets of more than 1000 examples and of others.
      periods: {task: period of a cyclic arm, in steps}.
      equal_parameters: tasks with an untied arm of as many parameters as tied.
    """

    num_seeds: int
    tuning: int
    hidden_features: int
    rates: tuple[float, ...]
    cells: Mapping[str, tuple[str, ...]]
    num_steps: tuple[int, int]
    periods: Mapping[str, int] = dataclasses.field(default_factory=dict)
    equal_parameters: tuple[str, ...] = ()


_TWO, _THREE = ("GRU", "LSTM"), ("Elman", "GRU", "LSTM")
_ITALY, _VOWELS = "italy_power_demand", "japanese_vowels"
PLANS = {
    "smoke": Plan(
        2, 2, 4, (1e-2,), {_ITALY: ("GRU",)}, (20, 20), {_ITALY: 6}, (_ITALY,)
    ),
    "quick": Plan(
        num_seeds=6,
        tuning=6,
        hidden_features=32,
        rates=(1e-3, 3e-3, 1e-2),
        cells={
            _VOWELS: _TWO,
            _ITALY: _TWO,
            "mnist1d": ("GRU",),
            "mnist1d_shuffled": ("GRU",),
        },
        num_steps=(2_000, 2_000),
    ),
    "full": Plan(
        num_seeds=10,
        tuning=12,
        hidden_features=32,
        rates=(1e-3, 3e-3, 1e-2),
        cells={
            _VOWELS: _THREE,
            _ITALY: _THREE,
            "mnist1d": _TWO,
            "mnist1d_shuffled": ("GRU",),
            "mnist1d_translation_0": ("GRU",),
            "mnist_rows": ("GRU",),
            "mnist_rows_shifted": ("GRU",),
            "surnames": _TWO,
            "folk_tunes": ("GRU",),
        },
        num_steps=(2_000, 4_000),
        # The commonest bar has so many characters, its line included.
        periods={"folk_tunes": 9},
        equal_parameters=(_VOWELS, _ITALY),
    ),
}
