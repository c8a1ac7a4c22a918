"""Tied against untied on a language, a cell and a start, and what the rules ask of it.

Shape letters: S seeds, L lengths 1..L.
"""

import dataclasses
import functools

import numpy as np

from experiments.length_generalisation.measure import (
    LANGUAGES,
    POLICIES,
    Arm,
    longest,
    task_of,
)

GOOD, NEAR_CHANCE = 0.95, 0.1


@dataclasses.dataclass(frozen=True)
class Case:
    """Tied against untied on a language, for a cell and a start of the untied weights.

    Attributes:
      tied, literal: [S, L] accuracies; policies: {name: [S, L]}.
      chance: [L].
      n: N, the longest trained length.
    """

    arm: Arm
    tied: np.ndarray
    literal: np.ndarray
    policies: dict
    chance: np.ndarray
    n: int

    @property
    def within(self):
        """The untied model's accuracy at trained lengths, [S]."""
        return self.literal[:, : self.n].mean(1)

    def at_twice(self, curve):
        """Accuracies at lengths 2N - 4 to 2N, [S]."""
        return curve[:, 2 * self.n - 5 : 2 * self.n].mean(1)

    def just_beyond(self, curve):
        """Accuracies at lengths N + 1 to N + 3, [S]."""
        return curve[:, self.n : self.n + 3].mean(1)

    def fall(self, curve):
        """Accuracy lost from the last three trained lengths to the next three, [S]."""
        return curve[:, self.n - 3 : self.n].mean(1) - self.just_beyond(curve)

    @property
    def learnt(self):
        """Whether untied has learnt the trained lengths."""
        return np.median(self.within) >= GOOD

    @property
    def tied_holds(self):
        """Whether tied holds to 2N."""
        return np.median(self.at_twice(self.tied)) >= GOOD

    @property
    def q2(self):
        """'supported', 'refuted' or 'undecided', by the rule of Q2."""
        if not self.learnt:
            return "undecided"
        chance = self.chance[2 * self.n - 5 : 2 * self.n].mean()
        gone = np.median(self.at_twice(self.literal)) <= chance + NEAR_CHANCE
        return "supported" if self.tied_holds and gone else "refuted"

    @property
    def a3(self):
        """Whether half of the lead over chance is lost by N + 3, and tied holds."""
        n = self.n
        lead = self.literal[:, n - 3 : n].mean(1) - self.chance[n - 3 : n].mean()
        left = self.just_beyond(self.literal) - self.chance[n : n + 3].mean()
        return bool(np.median(left) <= np.median(lead) / 2) and self.tied_holds


def cases_of(plan, curves):
    """Returns the cases of the regular languages."""
    found = []
    for arm, read in curves.items():
        if arm.sharing == "tied" or arm.lengths != "all":
            continue
        tied = curves[dataclasses.replace(arm, sharing="tied")]["tied"]
        policies = {name: read[name] for name in POLICIES}
        found.append(
            Case(arm, tied, read["literal"], policies, chance_of(plan, arm),
                 plan.train_max_length)
        )  # fmt: skip
    return found


def chance_of(plan, arm):
    """Returns the best constant answer's accuracy at each measured length, [L]."""
    reading = "tied" if arm.sharing == "tied" else "literal"
    return _chances(task_of(plan, arm).language(), longest(plan, arm, reading))


@functools.cache  # a walk over the lengths each time
def _chances(language, max_length):
    task = LANGUAGES[language](max_length)
    return np.array([task.chance(n) for n in range(1, max_length + 1)])


def falls_by_cell(cases):
    """Returns {cell: what literal untied loses past the training, less tied's, [S]}.

    The mean over the cases of the cell that untied learnt; a cell without is left out.
    """
    found: dict[str, list] = {}
    for c in cases:
        if c.learnt:
            found.setdefault(c.arm.cell, []).append(c.fall(c.literal) - c.fall(c.tied))
    return {cell: np.mean(falls, axis=0) for cell, falls in found.items()}
