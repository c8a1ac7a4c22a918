"""What finished trainings say: statistics, the score test, and the advice."""

from rnnshare.analysis import law
from rnnshare.analysis.score_tests import (
    ScoreTest,
    score_test,
)
from rnnshare.analysis.statistics import (
    Interval,
    LineFit,
    bootstrap_interval,
    holm,
    line_fit,
    log_log_slope,
    mean_interval,
    memorised_bits,
    paired_difference,
    paired_p_value,
    rank_correlation,
    resampled_interval,
    solved_interval,
)
from rnnshare.analysis.untying import (
    Advice,
    advise,
    alternatives,
    dispersion_of,
    run_tests,
    scores_of,
)

__all__ = [
    "Advice",
    "Interval",
    "LineFit",
    "ScoreTest",
    "advise",
    "alternatives",
    "bootstrap_interval",
    "dispersion_of",
    "holm",
    "law",
    "line_fit",
    "log_log_slope",
    "mean_interval",
    "memorised_bits",
    "paired_difference",
    "paired_p_value",
    "rank_correlation",
    "resampled_interval",
    "run_tests",
    "score_test",
    "scores_of",
    "solved_interval",
]
