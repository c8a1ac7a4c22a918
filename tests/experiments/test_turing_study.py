"""The study of C1: errors and depths in floats, the verdict and the finding."""

import dataclasses

import numpy as np
import pytest

from experiments.universality import machines as turing_study
from experiments.universality import runs as turing_runs
from rnnshare.machines import (
    StackCode,
    bits_of,
    capacity,
    compile_stacks,
    first_error,
    fits,
    follow_in_floats,
    load,
    measured_capacity,
    moments_of,
    push_and_pop,
    stacks_at_start,
)

# Floats: what is predicted, and what happens.


@pytest.mark.parametrize("base", [4, 16])
def test_capacity_is_predicted(base):
    for symbols in ("1" * 30, "2" * 30, "12" * 15):
        compiled = compile_stacks(push_and_pop(symbols, "12"), base)
        for dtype in (np.float32, np.float64):
            predicted = capacity(compiled.code, symbols, bits_of(dtype))
            assert measured_capacity(compiled, dtype) == predicted
            assert 0 < predicted < 30


def test_capacity_of_few_bits_by_hand():
    code = StackCode(4, {"_": 0, "1": 1, "2": 3})
    assert capacity(code, "1111", 5) == 3  # 10101
    assert capacity(code, "2222", 5) == 2  # 1111, and 111111 is too long
    assert capacity(code, "2221", 5) == 3  # 11111, but 111111 comes before 1111111
    assert capacity(code, "1112", 5) == 2  # 1101, and 110101 is too long
    assert [fits(code, "2" * n, 5) for n in range(4)] == [True, True, True, False]
    with pytest.raises(ValueError, match=r"odd digits, but there are \[2\]"):
        capacity(StackCode(4, {"_": 0, "1": 2}), "1", 24)


@pytest.mark.parametrize("name", ["beaver5", "doubler", "minsky"])
def test_first_errors_are_predicted(name):
    machine, start = load(name), turing_runs.STARTS.get(name, ([], 0))
    stacked, stacks = stacks_at_start(machine, start)
    compiled = compile_stacks(stacked)
    (found,) = follow_in_floats(
        compiled, [moments_of(machine, start, 400)], np.float32, 100
    )
    step = first_error(stacked, compiled.code, stacks, 400, 24)
    assert found == (step, step)
    assert 0 < step < 100
    # With bits enough nothing is ever lost.
    assert first_error(stacked, compiled.code, stacks, 400, 10_000) is None


# The study.


def test_the_verdict():
    run = turing_runs.Run("beaver2", (3, 2, 25, 3), 10_000, False, None, {})
    depth = turing_runs.Depth(
        4, "random", {"float32": 12, "float64": 27}, {"float32": 12, "float64": 26}
    )
    assert turing_study.judge([run], [depth]) == "supported"
    wrong = dataclasses.replace(run, differs=9_999)
    assert turing_study.judge([run, wrong], [depth]) == "refuted"
    short = dataclasses.replace(run, num_steps=9_999)
    assert turing_study.judge([short], [depth]) == "inconclusive"
    assert turing_study.judge(
        [dataclasses.replace(short, halts=True)], [depth]
    ) == "supported"  # fmt: skip
    far = dataclasses.replace(depth, measured={"float32": 12, "float64": 25})
    assert turing_study.judge([run], [depth, far]) == "inconclusive"


def test_the_finding(tmp_path):
    found = turing_study.finding("smoke", tmp_path, "a rule")
    assert found.verdict == "inconclusive"  # it runs too few steps
    assert found.exact
    assert (tmp_path / found.figure).stat().st_size > 10_000
    assert [row[5] for row in found.table[1:]] == ["yes"] * 4
    assert found.effect == 300 + 11 + 14 + 300


def test_the_meaning_counts_what_is_as_predicted():
    floats = {"float64": (None, None), "float32": (40, 40)}
    run = turing_runs.Run("beaver2", (3, 2, 25, 3), 10_000, False, None, floats)
    holds = {"float32": 12, "float64": 26}
    depth = turing_runs.Depth(4, "random", holds, holds)
    told = turing_study._meaning([run], [depth])
    assert "(the base decides), as predicted from the mantissa;" in told
    assert (
        "of 1 machines 1 go wrong in float32 and 0 in float64, as predicted in 2 of 2"
        in told
    )
    missed = dataclasses.replace(run, floats={**floats, "float32": (40, None)})
    far = dataclasses.replace(depth, measured={"float32": 12, "float64": 23})
    told = turing_study._meaning([run, missed], [depth, far])
    assert "in 3 of 4 cases, and at most 3 off in the others;" in told
    assert (
        "of 2 machines 1 go wrong in float32 and 0 in float64, as predicted in 3 of 4"
        in told
    )
