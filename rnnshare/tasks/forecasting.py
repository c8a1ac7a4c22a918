"""Real data with a clock: how many pedestrians will the next hour bring?"""

import dataclasses
import functools

import numpy as np

from rnnshare.tasks.base import Batch, Regression, as_pytree, generated
from rnnshare.tasks.data import pedestrians as data
from rnnshare.tasks.pools import InMemory

# The years of a set, and how many of its days validate and test.
_YEARS = {"train": range(2019, 2024), "validation": (2024,), "test": (2025,)}
_HELD_OUT = 1_000


@as_pytree("train", "validation", "test")
@dataclasses.dataclass(frozen=True, eq=False)
class Forecast(InMemory, Regression):
    """Predict the next value at every step, of sequences held in memory.

    The loss is the mean squared error, in units of the variance of the training set.

    Attributes:
      train, validation, test: the sets; inputs float32[N, T, 1], values standardised by
        the training set; targets float32[N, T, 1], those one step later.
      name: of the data set.
      sha256: of the data.
    """

    train: Batch
    validation: Batch
    test: Batch
    name: str
    sha256: str
    readout = "every"
    in_features = 1
    out_features = 1

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T."""
        return self.train.inputs.shape[-2]

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Of the test set: the best constant, `chance`, and the `last` value again."""
        targets, last = np.asarray(self.test.targets), np.asarray(self.test.inputs)
        variance = float(targets.var())
        again = float(np.square(last - targets).mean())
        return {
            "chance": {"loss": variance, "unexplained": 1.0},
            "last": {"loss": again, "unexplained": again / variance},
        }


@functools.lru_cache(maxsize=32)
@generated(source="sha256")
def pedestrians(split: int = 0, *, num_examples: int = 4_000) -> Forecast:
    """Returns days of hourly counts in Auckland: forecast the next hour at every hour.

    A sequence is a day of one of 21 sensors: from the counts of hours 0 to 22 those of
    hours 1 to 23, T = 23, by the clock. The sets are parted by time: training days are
    of 2019 to 2023, validation of 2024, test of 2025; 1,000 each of the latter two.

    Args:
      split: numbers the draw of the days, without replacement.
      num_examples: N of the training set.

    Raises:
      ValueError: if the split is no number from 0 on, or there are too few days.
    """
    if not isinstance(split, int) or isinstance(split, bool) or split < 0:
        raise ValueError(f"pedestrians: split is {split!r}. Use a number from 0 on.")
    pool, rng = data.pedestrians(), np.random.default_rng(split)
    days = {}
    for name, years in _YEARS.items():
        own = np.flatnonzero(np.isin(pool.years, list(years)))
        count = num_examples if name == "train" else _HELD_OUT
        if not 1 <= count <= len(own):
            raise ValueError(
                f"pedestrians: num_examples is {count}. Use 1 to {len(own):,}."
            )
        days[name] = pool.counts[np.sort(rng.choice(own, count, replace=False))]
    mean, deviation = days["train"].mean(), max(float(days["train"].std()), 1e-6)
    sets = {
        name: (counts[..., None] - mean) / np.float32(deviation)
        for name, counts in days.items()
    }
    size = "" if num_examples == 4_000 else f"_n{num_examples}"
    return Forecast(
        **{name: Batch(values[:, :-1], values[:, 1:]) for name, values in sets.items()},
        name=f"pedestrians{size}",
        sha256=pool.sha256,
    )
