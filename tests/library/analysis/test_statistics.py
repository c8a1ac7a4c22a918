"""Intervals cover what they promise, and exact data gives exact answers."""

import numpy as np
import pytest
import scipy.stats

from rnnshare.analysis import statistics
from tests.cases import with_slow


def test_interval_covers_the_mean_as_often_as_promised():
    rng = np.random.default_rng(7)
    studies, hits = 300, 0
    for study in range(studies):
        a = rng.normal(0.3, 1.0, size=40)
        b = rng.exponential(1.0, size=40)
        interval = statistics.paired_difference(a, b, num_resamples=599, seed=study)
        hits += interval.low <= -0.7 <= interval.high
    # Four binomial standard deviations below 0.95 and above: 0.90 to 1.00.
    tolerance = 4 * np.sqrt(0.95 * 0.05 / studies)
    assert abs(hits / studies - 0.95) < tolerance


def coverage(interval, draw, truth, size, studies=1_500):
    """Returns how often the interval of some values holds the truth."""
    rng = np.random.default_rng(size)
    held = 0
    for _ in range(studies):
        _, low, high = interval(draw(rng, size))
        held += low <= truth <= high
    return held / studies


@pytest.mark.parametrize("size", with_slow([5, 6, 10], {5}))
def test_the_interval_of_a_mean_covers_normal_values(size):
    """At least 93 %, and no more than four binomial deviations above 95."""

    def log_normal(rng, size):
        return np.exp(rng.normal(size=size))

    def on_log_scale(values):
        return statistics.mean_interval(values, scale="log")

    def normal(rng, size):
        return rng.normal(1.0, 2.0, size=size)

    for covered in (
        coverage(statistics.mean_interval, normal, 1.0, size),
        coverage(on_log_scale, log_normal, 1.0, size),
    ):
        assert 0.93 <= covered <= 0.95 + 4 * np.sqrt(0.95 * 0.05 / 1_500)
    # What the docstring says of skewed values, on the scale that is not theirs.
    skewed = coverage(statistics.mean_interval, log_normal, np.exp(0.5), size)
    assert skewed == pytest.approx({5: 0.822, 6: 0.823, 10: 0.84}[size], abs=0.04)
    assert skewed < 0.9


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("size", [5, 6, 10])
def test_the_exact_interval_of_a_rate_covers_at_least_what_it_says(size, rate):
    chances = scipy.stats.binom.pmf(np.arange(size + 1), size, rate)
    held = [
        interval.low <= rate <= interval.high
        for interval in (statistics.solved_interval(k, size) for k in range(size + 1))
    ]
    assert chances @ held >= 0.95


def test_intervals_against_tables():
    # t(0.975, 4) = 2.776; 8 of 10: Clopper and Pearson's 0.444 to 0.975.
    interval = statistics.mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445 * np.sqrt(2.5 / 5)
    assert interval == pytest.approx((3.0, 3 - half, 3 + half), rel=1e-6)
    assert statistics.solved_interval(8, 10) == pytest.approx(
        (0.8, 0.4439045, 0.9747893), rel=1e-6
    )
    assert statistics.solved_interval(0, 5)[:2] == (0.0, 0.0)
    assert statistics.solved_interval(5, 5)[2] == 1.0
    assert statistics.mean_interval([2.0, 2.0]) == (2.0, 2.0, 2.0)
    assert statistics.mean_interval([1.0, 4.0], scale="log").estimate == 2.0


@pytest.mark.parametrize("seed", range(3))
def test_few_values_take_a_wider_interval_than_the_bootstrap(seed):
    values = np.random.default_rng(seed).normal(size=5)
    wide, narrow = (
        of(values) for of in (statistics.mean_interval, statistics.bootstrap_interval)
    )
    assert wide.high - wide.low > narrow.high - narrow.low


def test_a_wider_confidence_is_a_wider_interval():
    values = np.random.default_rng(0).normal(size=15)
    narrow = statistics.bootstrap_interval(values, confidence=0.5)
    wide = statistics.bootstrap_interval(values, confidence=0.95)
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high


def test_an_interval_is_formatted_number_by_number():
    interval = statistics.Interval(0.1234, -1.0, 2.5)
    assert f"{interval:+.2f}" == "+0.12 [-1.00, +2.50]"
    assert f"{interval}" == str(interval) == repr(interval)


def test_pairing_removes_what_the_seeds_share():
    rng = np.random.default_rng(1)
    shared = rng.normal(0.0, 10.0, size=12)
    a = shared + rng.normal(1.0, 0.1, size=12)
    interval = statistics.paired_difference(a, shared)
    assert 0.8 < interval.low < interval.estimate < interval.high < 1.2
    assert interval.estimate == pytest.approx(np.mean(a - shared))


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    values = np.random.default_rng(2).normal(size=10)
    first = statistics.bootstrap_interval(values, num_resamples=499)
    assert statistics.bootstrap_interval(values, num_resamples=499) == first
    other = statistics.bootstrap_interval(values, num_resamples=499, seed=1)
    assert other.estimate == first.estimate and other != first


def test_equal_differences_have_no_width():
    # 0.3 - 0.1, 0.5 - 0.3 and 0.9 - 0.7 differ in their last bits only.
    interval = statistics.paired_difference([0.3, 0.5, 0.9], [0.1, 0.3, 0.7])
    assert interval.low == interval.estimate == interval.high
    assert interval.estimate == pytest.approx(0.2)


def test_undefined_bca_falls_back_to_percentiles():
    # Leaving one value out never moves this median, so BCa has no acceleration.
    interval = statistics.bootstrap_interval(
        [1.0, 1.0, 1.0, 1.0, 2.0], statistic=np.median
    )
    assert interval == statistics.Interval(1.0, 1.0, 2.0)


def test_a_statistic_of_ones_own():
    values = np.arange(20.0)
    interval = statistics.bootstrap_interval(
        values, statistic=lambda v: float(np.sort(v)[-1]), num_resamples=199
    )
    assert interval.estimate == 19.0 and interval.high == 19.0 and interval.low < 19.0


@pytest.mark.parametrize("exponent", [-1.5, 0.0, 1.0, 2.0])
def test_slope_of_a_power_law_is_exact(exponent):
    x = np.array([4, 8, 16, 32, 64])
    slope = statistics.log_log_slope(x, 3.0 * x**exponent)
    assert slope.estimate == pytest.approx(exponent, abs=1e-12)
    assert slope.low == slope.estimate == slope.high


def test_slope_over_seeds_is_the_mean_of_their_slopes():
    x = np.array([1.0, 2.0, 4.0, 8.0])
    exponents = np.array([0.9, 1.0, 1.2, 1.05, 0.95])
    slope = statistics.log_log_slope(x, x[None, :] ** exponents[:, None])
    expected = statistics.mean_interval(exponents)
    assert slope == pytest.approx(expected, abs=1e-9)


def test_line_fit_of_whole_numbers_is_exact():
    steps = np.array([1, 2, 4, 8, 16, 512])
    fit = statistics.line_fit(steps, 20_736 * steps + 130)
    assert fit.slope == (20_736.0, 20_736.0, 20_736.0)
    assert (fit.intercept, fit.r_squared) == (130.0, 1.0)


def test_line_fit_of_a_constant():
    fit = statistics.line_fit([1, 2, 3], [7, 7, 7])
    assert fit == statistics.LineFit(statistics.Interval(0.0, 0.0, 0.0), 7.0, 1.0)


def test_line_fit_agrees_with_scipy():
    import scipy.stats

    rng = np.random.default_rng(3)
    x = rng.normal(5.0, 2.0, size=9)
    y = 2.0 * x - 1.0 + rng.normal(size=9)
    fit, oracle = statistics.line_fit(x, y), scipy.stats.linregress(x, y)
    half = oracle.stderr * scipy.stats.t.ppf(0.975, 7)
    expected = (oracle.slope, oracle.slope - half, oracle.slope + half)
    assert fit.slope == pytest.approx(expected)
    assert fit.intercept == pytest.approx(oracle.intercept)
    assert fit.r_squared == pytest.approx(oracle.rvalue**2)


def test_p_value_is_the_paired_t_test():
    import scipy.stats

    rng = np.random.default_rng(4)
    a, b = rng.normal(size=8), rng.normal(size=8)
    oracle = scipy.stats.ttest_rel(a, b).pvalue
    assert statistics.paired_p_value(a, b) == pytest.approx(oracle)


def test_p_value_of_equal_differences():
    assert statistics.paired_p_value([1.0, 2.0], [1.0, 2.0]) == 1.0
    assert statistics.paired_p_value([0.3, 0.5, 0.9], [0.1, 0.3, 0.7]) == 0.0


def test_holm_by_hand():
    # Sorted 0.005 0.01 0.03 0.04; times 4 3 2 1: 0.02 0.03 0.06 0.04; the last is
    # lifted to 0.06, since it may not be more significant than the one before.
    adjusted = statistics.holm([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 0.06, 0.02], rtol=1e-12)
    np.testing.assert_array_equal(statistics.holm([0.9, 0.8]), [1.0, 1.0])
    assert statistics.holm([]).shape == (0,)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: statistics.paired_difference([1, 2], [1, 2, 3]), "a has 2 .* b has 3"),
        (lambda: statistics.paired_difference([1], [2]), "a has 1 values.*at least 2"),
        (
            lambda: statistics.paired_difference([1, np.nan], [1, 2]),
            r"a\[1\] is nan.*Leave that run out",
        ),
        (
            lambda: statistics.mean_interval([1, 0], scale="log"),
            "positive values, but the least is 0",
        ),
        (lambda: statistics.mean_interval([1, 2], scale="log10"), "scale is 'log10'"),
        (lambda: statistics.mean_interval([1.0]), "values has 1 values"),
        (lambda: statistics.solved_interval(6, 5), "6 of 5 is no count"),
        (lambda: statistics.solved_interval(0, 0), "0 of 0 is no count"),
        (lambda: statistics.bootstrap_interval([[1, 2]]), r"values has shape \(1, 2\)"),
        (
            lambda: statistics.bootstrap_interval([1, 2], confidence=95),
            "confidence is 95",
        ),
        (lambda: statistics.log_log_slope([0, 1, 2], [1, 1, 1]), "x holds values"),
        (lambda: statistics.log_log_slope([1, 2, 3], [1, -1, 1]), "y holds values"),
        (lambda: statistics.log_log_slope([1], [[[1]]]), r"\[X\] or \[S, X\]"),
        (lambda: statistics.line_fit([2, 2, 2], [1, 2, 3]), "all are at 2"),
        (lambda: statistics.line_fit([1, 2], [1, 2]), "at least 3"),
        (lambda: statistics.paired_p_value([1, 2], [np.inf, 2]), r"b\[0\] is inf"),
        (lambda: statistics.holm([0.1, 1.2]), "between 0 and 1"),
        (lambda: statistics.holm([0.1, np.nan]), "between 0 and 1"),
    ],
)
def test_errors_say_what_is_wrong(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_without_overlap_it_is_the_interval_of_a_mean():
    values = np.random.default_rng(0).standard_normal(7)
    usual = statistics.mean_interval(values)
    np.testing.assert_allclose(statistics.resampled_interval(values, 0.0), usual)
    wide = statistics.resampled_interval(values, 1 / 3)
    ratio = (wide.high - wide.low) / np.subtract(*usual[:0:-1])
    np.testing.assert_allclose(ratio, np.sqrt((1 / 7 + 1 / 3) * 7))
    for wrong in (-0.1, np.nan):
        with pytest.raises(ValueError, match="test examples over the training"):
            statistics.resampled_interval(values, wrong)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 2.0])
def test_a_p_value_agrees_with_the_interval_of_splits_that_overlap(overlap):
    values = np.random.default_rng(3).normal(0.4, 1.0, 9)
    p = statistics.paired_p_value(values, np.zeros(9), overlap)
    ends = statistics.resampled_interval(values, overlap, confidence=1 - p)
    np.testing.assert_allclose(np.abs(ends[1:]).min(), 0, atol=1e-9)  # just reached
    assert p >= statistics.paired_p_value(values, np.zeros(9))
