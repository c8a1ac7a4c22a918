"""Sizes of cells under sharings: by hand, and back to the width."""

import bisect
import functools
import itertools

import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from rnnshare import (
    Basis,
    Cyclic,
    Drift,
    ElmanCell,
    GRUCell,
    Hypernetwork,
    LowRank,
    LRUCell,
    LSTMCell,
    MinGRUCell,
    MinLSTMCell,
    Mixture,
    Partition,
    Scaled,
    Segments,
    Tied,
    TimeInput,
    Untied,
)
from rnnshare.models.sizing import around, count_flops, count_parameters, match_width
from tests.cases import with_slow

D = 12
LSTM = functools.partial(LSTMCell, D)
EVERY = [
    Tied(),
    Untied(7),
    Segments(7, 3),
    Cyclic(3),
    Mixture(7, 3),
    LowRank(7, 2),
    Scaled(7),
    Basis(3),
    Drift(),
    Hypernetwork(2),
    TimeInput(4),
    Partition({"recurrent": Untied(7)}),
    Partition({"f": Cyclic(2)}, gates=LSTMCell.gates),
]


@pytest.mark.parametrize("H", with_slow([1, 5, 33], {5}))
@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (LSTMCell, lambda H: 4 * H * (D + H + 1)),
        (GRUCell, lambda H: 3 * H * (D + H + 2)),
        (ElmanCell, lambda H: H * (D + H + 1)),
        (MinGRUCell, lambda H: 2 * H * (D + 1)),
        (MinLSTMCell, lambda H: 3 * H * (D + 1)),
        (LRUCell, lambda H: 3 * H * (D + 2) + 2 * H**2),
        (nnx.OptimizedLSTMCell, lambda H: 4 * H * (D + H + 1)),
        (nnx.SimpleCell, lambda H: H * (D + H + 1)),
    ],
)
def test_parameters_by_hand(make, formula, H):
    cell = functools.partial(make, D)
    assert count_parameters(cell, Tied(), H) == formula(H)
    assert count_parameters(cell, Untied(7), H) == 7 * formula(H)
    assert count_parameters(cell, Mixture(7, 3), H) == 3 * formula(H) + 21


@pytest.mark.parametrize("H", [64, 200])
def test_flops_are_those_of_the_products_and_little_more(H):
    products = 2 * 4 * H * (D + H)
    flops = count_flops(LSTM, Tied(), H)
    assert products < flops < 1.05 * products
    gru = count_flops(functools.partial(GRUCell, D), Tied(), H)
    assert 0.75 < gru / flops < 0.77


def test_flops_of_selected_weights_are_those_of_tied_ones():
    tied = count_flops(LSTM, Tied(), 32)
    for sharing in (Untied(7), Segments(7, 3), Cyclic(3)):
        assert count_flops(LSTM, sharing, 32) == pytest.approx(tied, rel=1e-3)
    assert count_flops(LSTM, Tied(), 32, batch_size=1) == pytest.approx(tied, rel=1e-3)


def test_making_weights_is_shared_by_the_batch():
    """K templates of P numbers take 2 K P operations a batch."""
    H, K = 32, 3
    tied, P = count_flops(LSTM, Tied(), H), 4 * H * (D + H + 1)
    for sharing in (Mixture(7, K), Basis(K), Hypernetwork(K - 1)):
        extra = [count_flops(LSTM, sharing, H, batch_size=B) - tied for B in (1, 8, 64)]
        assert extra[0] > extra[1] > extra[2] > 0
        assert extra[0] == pytest.approx(2 * K * P, rel=0.05)
        assert extra[2] == pytest.approx(extra[0] / 64, rel=0.05)


def test_flops_of_a_low_rank_are_those_of_its_factors():
    """`x W + (x U) V`: 2 r (in + out) a kernel and example, and no new kernel."""
    H, r = 64, 2
    tied = count_flops(LSTM, Tied(), H, batch_size=4)
    extra = count_flops(LSTM, LowRank(7, r), H, batch_size=4) - tied
    factors = 2 * r * (D + H + 2 * 4 * H)
    assert factors < extra < factors + 4 * 4 * H + 100


@pytest.mark.parametrize(
    ("by", "sharing"),
    with_slow(
        itertools.product(["parameters", "flops"], EVERY),
        [
            *itertools.product(["parameters"], EVERY[::2]),
            ("flops", EVERY[1]),
        ],
    ),
)
def test_the_width_of_a_size_is_the_width(by, sharing):
    count = {"parameters": count_parameters, "flops": count_flops}[by]
    assert match_width(LSTM, sharing, count(LSTM, sharing, 9), by) == 9


@pytest.mark.parametrize("H", [1, 6, 21])
def test_the_width_is_found_from_the_narrowest_on(H):
    assert match_width(LSTM, Tied(), count_parameters(LSTM, Tied(), H)) == H


@pytest.mark.parametrize("sharing", with_slow(EVERY[1::4], {LowRank(7, 2)}), ids=repr)
def test_large_targets_are_met(sharing):
    target = 1_234_567
    width = match_width(LSTM, sharing, target)
    assert abs(count_parameters(LSTM, sharing, width) - target) <= 0.01 * target
    # And no other width is nearer.
    for other in (width - 1, width + 1):
        assert abs(count_parameters(LSTM, sharing, other) - target) >= abs(
            count_parameters(LSTM, sharing, width) - target
        )


@given(
    st.integers(0, 9), st.integers(0, 40), st.integers(0, 900), st.integers(1, 10**7)
)
def test_the_widths_around_a_size_are_those_of_a_search(square, line, rest, target):
    asked = []

    def size(width):
        asked.append(width)
        return square * width**2 + line * width + rest + width  # it grows

    most = 3_000
    low, high = around(functools.cache(size), target, most)
    asked.clear()
    first = bisect.bisect_left(range(1, most + 1), target, key=size) + 1
    assert high == min(max(first, 2), most) and low == high - 1


def test_few_sizes_are_asked_for():
    asked = []

    def size(width):
        asked.append(width)
        return 4 * width * (width + 17) + 1_000

    assert around(functools.cache(size), size(777), 2**17)[1] == 777
    assert len(asked) <= 7


@pytest.mark.slow
def test_large_targets_are_met_by_flops():
    width = match_width(LSTM, LowRank(7, 2), 300_000.0, "flops")
    assert count_flops(LSTM, LowRank(7, 2), width) == pytest.approx(300_000, rel=0.01)


@pytest.mark.parametrize(
    ("target", "options", "error"),
    [
        (90, {}, r"No width brings Tied\(\) within 1\.0% of 90 parameters: H=1 has 56"),
        (3, {}, r"H=1 has 56.*Use another target, or a larger tolerance"),
        (90, {"tolerance": 0.02}, r"within 2\.0% of 90.*H=2 has 120"),
        pytest.param(1e15, {}, r"H=131072 has", marks=pytest.mark.slow),
        (90, {"by": "bytes"}, r"by is 'bytes'\. Use 'parameters' or 'flops'"),
    ],
)
def test_what_cannot_be_matched_is_refused(target, options, error):
    with pytest.raises(ValueError, match=error):
        match_width(LSTM, Tied(), target, **options)


def test_a_larger_tolerance_takes_the_nearest():
    assert match_width(LSTM, Tied(), 90, tolerance=0.5) == 2
    assert match_width(LSTM, Tied(), 70, tolerance=0.5) == 1
