"""What each preset of `real_data` runs."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of the study.

    Attributes:
      num_seeds: paired seeds, each with its own split.
      tuning: trainings that an arm's learning rate and start are tuned by.
      hidden_features: H of the tied model.
      rates: the learning rates to choose from.
      cells: {task: cells}; the names of `measure.TASKS` and of `lab.choices`.
      num_steps: of training, of sets of more than 1000 examples and of others.
      periods: {task: period of a cyclic arm, in steps}.
      starts: of untied weights, `same_init`, to choose from.
      annealed: whether the rate falls to 0; else training stops when the validation
        loss no longer falls.
      partial: whether there is an arm of partly tied weights.
      seeds: the first seed, and the first of those that confirm.
      both_widths: whether there are a wide tied arm and a narrow untied one as well.
    """

    num_seeds: int
    tuning: int
    hidden_features: int
    rates: tuple[float, ...]
    cells: Mapping[str, tuple[str, ...]]
    num_steps: tuple[int, int]
    periods: Mapping[str, int] = dataclasses.field(default_factory=dict)
    starts: tuple[bool, ...] = (True,)
    annealed: bool = True
    partial: bool = True
    seeds: tuple[int, int] = (10_000, 11_000)
    both_widths: bool = False


_ITALY = "italy_power_demand"
_GRU = ("GRU",)
# Nine real sources, aligned or classified at their last step.
_SOURCES = dict.fromkeys(
    (
        *("japanese_vowels", _ITALY, "digits", "mnist_rows", "surnames"),
        *("ArrowHead", "GunPoint", "OSULeaf", "pedestrians"),
    ),
    _GRU,
)
PLANS = {
    "smoke": Plan(2, 1, 4, (1e-2,), {_ITALY: _GRU}, (20, 20), {_ITALY: 6}),
    "quick": Plan(
        num_seeds=5,
        tuning=3,
        hidden_features=32,
        rates=(1e-3, 4e-3, 1.6e-2),
        cells=_SOURCES,
        num_steps=(300, 200),
        partial=False,
    ),
    "full": Plan(
        num_seeds=10,
        tuning=10,
        hidden_features=32,
        rates=(2.5e-4, 1e-3, 4e-3, 1.6e-2, 6.4e-2),
        cells={
            **_SOURCES,
            "mnist1d": _GRU,
            "mnist1d_shuffled": _GRU,
            "mnist1d_translation_0": _GRU,
            "mnist_rows_shifted": _GRU,
            "folk_tunes": _GRU,
        },
        num_steps=(1_500, 1_000),
        # The commonest bar has so many characters, its line included.
        periods={"folk_tunes": 9},
        starts=(False, True),
        both_widths=True,
    ),
}
