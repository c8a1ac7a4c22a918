"""The helpers of the laws: what passes as rounding, and what does not."""

import numpy as np
import pytest

from tests.library.law_cases import assert_equal_to_rounding, generic


@pytest.mark.parametrize("count", [1, 100, 10_000])
def test_sums_in_another_order_are_equal_to_rounding(count):
    terms = np.stack([generic((count,), seed) for seed in range(200)])
    forth, back = (np.cumsum(t, axis=1)[:, -1] for t in (terms, terms[:, ::-1]))
    largest = np.abs(np.cumsum(terms, axis=1)).max()
    assert count == 1 or np.any(forth != back)
    assert_equal_to_rounding(forth, back, count, scale=largest)


def test_other_values_shapes_and_kinds_are_not():
    tree = {"w": np.ones(3, np.float32), "n": np.arange(3)}
    unit = np.finfo(np.float32).eps
    assert_equal_to_rounding({**tree, "w": tree["w"] + 3 * unit}, tree, 1)
    for wrong in (
        {**tree, "w": tree["w"] + 6 * unit},
        {**tree, "w": np.float32(1)},
        {**tree, "w": np.ones(3)},
        {**tree, "w": np.full(3, np.nan, np.float32)},
        {**tree, "n": np.arange(3) + 1},
        {"w": tree["w"]},
    ):
        with pytest.raises((AssertionError, ValueError)):
            assert_equal_to_rounding(wrong, tree, 1)
