"""What each preset of `length_generalisation` runs, and the arms that are trained."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from experiments.lab.choices import FEW

CELLS = ("Elman", "GRU", "LSTM")
REGULAR = ("even_pairs", "parity", "cycle_navigation")
CONTROLS = ("reverse_string", "duplicate_string", "odds_first", "stack_manipulation")
_FEWER = dict.fromkeys(CONTROLS, 2_000)
POLICIES = ("hold", "cycle", "stretch", "mean")  # of steps that were never trained


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs; by default the full study.

    Attributes:
      languages: to solve at any length.
      controls: languages that a finite state cannot solve.
      fixed: the languages for which models are trained at one length too.
      cells: their names.
      train_max_length: N, the longest string of the training.
      eval_max_length: the longest string that is measured.
      each_max_length: the longest that is measured where every length takes a pass of
        its own: the controls, and the policy `stretch`.
      hidden_features: H.
      num_steps: of training.
      more_steps: {language: optimiser steps}, of those that take longer or shorter.
      batch_size: of training.
      rates: learning rates to choose from, by one run a rate for every tuning seed.
      num_tuning: tuning seeds.
      num_seeds: paired seeds.
      examples: strings of each length in a test.
      curriculum: see `FormalTask`.
    """

    languages: tuple[str, ...] = REGULAR
    controls: tuple[str, ...] = CONTROLS
    fixed: tuple[str, ...] = REGULAR[:1]
    cells: tuple[str, ...] = CELLS
    train_max_length: int = 40
    eval_max_length: int = 500
    each_max_length: int = 100
    hidden_features: int = 32
    num_steps: int = 4_000
    more_steps: Mapping[str, int] = dataclasses.field(
        default_factory={"cycle_navigation": 12_000, **_FEWER}.copy
    )
    batch_size: int = 64
    rates: tuple[float, ...] = (3e-3, 6e-3)
    num_tuning: int = 1
    num_seeds: int = 10
    examples: int = 64
    curriculum: float = 0.8

    def steps_on(self, language: str) -> int:
        """Returns the optimiser steps of a training on a language."""
        return self.more_steps.get(language, self.num_steps)


PLANS = {
    "smoke": Plan(
        languages=REGULAR[:1],
        controls=CONTROLS[:1],
        cells=CELLS[:1],
        train_max_length=4,
        eval_max_length=8,
        each_max_length=8,
        hidden_features=4,
        num_steps=20,
        more_steps={"reverse_string": 10},
        batch_size=8,
        rates=(1e-2, 3e-2),
        num_seeds=2,
        examples=4,
        curriculum=0.5,
    ),
    "quick": Plan(
        controls=CONTROLS[:1],
        cells=FEW,
        train_max_length=20,
        eval_max_length=60,
        each_max_length=40,
        num_steps=600,
        more_steps=dict.fromkeys(CONTROLS, 400),
        rates=(3e-3,),
        num_seeds=5,
        curriculum=0.5,
    ),
    "full": Plan(),
}


class Arm(NamedTuple):
    """A cell under a sharing on a language: what is trained, and tuned by itself.

    Attributes:
      language: its name.
      cell: its name.
      sharing: 'tied', 'untied' (an initialisation a step) or 'untied_same' (one
        initialisation for all steps).
      lengths: 'all', or 'fixed': strings of N symbols only.
    """

    language: str
    cell: str
    sharing: str
    lengths: str = "all"


def arms(plan: Plan) -> list[Arm]:
    """Returns all arms, an untied one with both initialisations."""
    kinds = ("tied", "untied", "untied_same")
    groups = (
        (plan.languages, kinds, "all"),
        (plan.controls, kinds[:1], "all"),
        (plan.fixed, kinds, "fixed"),
    )
    return [
        Arm(language, cell, kind, lengths)
        for languages, of_group, lengths in groups
        for language in languages
        for cell in plan.cells
        for kind in of_group
    ]
