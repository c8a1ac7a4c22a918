"""What would decide a verdict: repeats by the power of the t test."""

import numpy as np
import pandas as pd

from experiments.lab import frames
from experiments.lab.power import repeats_needed, repeats_within


def test_the_power_calculation_is_that_of_the_t_test():
    rng = np.random.default_rng(0)
    values = rng.normal(size=40)
    values = 0.5 + (values - values.mean()) / values.std(ddof=1)  # an effect of .5
    count = repeats_needed(values)
    assert count == 34  # of the tables of Cohen, 1988
    wins = frames.tests(pd.DataFrame(0.5 + rng.normal(size=(2_000, count))), 1.0)
    assert 0.75 < (np.abs(wins.low) * (wins.low > 0) > 0).mean() < 0.85
    assert repeats_needed(values, 0.05 / 18) > count
    assert repeats_needed([1.0, 1.0]) == 2 and repeats_needed([0.0, 0.0]) is None
    assert repeats_needed(values - values.mean() + 1e-4) is None
    assert repeats_within(values - values.mean(), 0.5) == 18
    assert repeats_within(values, 0.4) is None  # the mean is beyond
