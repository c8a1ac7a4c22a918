"""What each preset of `depth` runs."""

import dataclasses
import itertools

WIDE = "Tied, as many parameters"  # as untied has: a wide one
FOLK, MNIST = "folk tunes", "MNIST-1D"
PILOT = (  # a part of every rule
    " Written after a pilot, whose losses were seen: one seed below 10,000 of tied and "
    "untied weights, and one of low rank; no seed that is judged."
)


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Losses over recurrence counts and widths, on one data set.

    Attributes:
      models: over depth, by name.
      data: by name.
      depth: passes, the same for all counts.
      recurrences: r over depth, divisors of the depth; the first 1, the last the depth.
      sets: K over time, of `Segments(T, K)`: r = T / K; 1 is tied, T untied.
      widths: H; the rate of each r is that of the middle one.
    """

    models: tuple[str, ...]
    data: str
    depth: int
    recurrences: tuple[int, ...]
    sets: tuple[int, ...]
    widths: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of the study.

    Attributes:
      num_seeds: paired seeds, each with its own split.
      cases: (model over depth, data); of `models.BLOCKS` and `measure.TASKS`.
      num_updates: optimiser steps.
      depths: numbers of passes; the last of them is judged.
      arms: over depth; `Tied`, `WIDE`, `Cyclic`, `LowRank`, `Untied`.
      hidden_features: H of tied and untied, over depth and over time.
      rates: the learning rates to choose from.
      tuning: trainings that an arm's rate is chosen by.
      sweep: of what a recurrence is worth.
      deeper: (model, data) that are run at other depths than they were trained at.
      starts: of weights untied over time, `same_init`, to choose from.
      first_seed: none below was ever trained for these claims, but to tune.
    """

    num_seeds: int
    cases: tuple[tuple[str, str], ...]
    num_updates: int
    depths: tuple[int, ...]
    arms: tuple[str, ...]
    hidden_features: int
    rates: tuple[float, ...]
    tuning: int
    sweep: Sweep
    deeper: tuple[tuple[str, str], ...]
    starts: tuple[bool, ...] = (True,)
    first_seed: int = 10_000

    @property
    def data(self) -> tuple[str, ...]:
        """The data sets of the cases."""
        return tuple(dict.fromkeys(data for _, data in self.cases))

    @property
    def depth(self) -> int:
        """The number of passes that is judged."""
        return self.depths[-1]


_FEW = ("Tied", WIDE, "LowRank", "Untied")
_ALL = ("Tied", WIDE, "Cyclic", "LowRank", "Untied")
_BOTH = ("Transformer", "Mixer")
PLANS = {
    "smoke": Plan(
        2, (("Mixer", FOLK),), 4, (2,), _FEW, 4, (1e-2,), 1,
        Sweep(("Mixer",), FOLK, 2, (1, 2), (1, 32), (4, 6, 8)), (("Mixer", FOLK),),
    ),
    "quick": Plan(
        5, (("Transformer", FOLK), ("Mixer", MNIST)), 200, (4,), _FEW, 16,
        (5e-3, 2e-2), 2,
        Sweep(("Transformer",), FOLK, 4, (1, 2, 4), (1, 4, 32), (8, 16, 24)),
        (("Transformer", FOLK),),
    ),
    "full": Plan(
        10, tuple(itertools.product(_BOTH, (FOLK, MNIST))), 500, (2, 6), _ALL, 16,
        (5e-3, 1e-2, 2e-2, 4e-2), 4,
        Sweep(_BOTH, FOLK, 6, (1, 2, 3, 6), (1, 4, 8, 32), (8, 16, 24)),
        (("Transformer", FOLK), ("Mixer", FOLK)), (False, True),
    ),
}  # fmt: skip
