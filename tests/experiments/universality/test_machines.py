"""C1: errors and depths in floats, the rule and the finding."""

import numpy as np
import pytest

from experiments.universality.claims import EXPERIMENT
from experiments.universality.machine_claim import MACHINES
from experiments.universality.machines import STARTS, Depth, Run
from experiments.universality.measure import Measured
from experiments.universality.plan import PLANS
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
    names,
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
    machine, start = load(name), STARTS.get(name, ([], 0))
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


# The claim.

FLOATS = {"float64": (None, None), "float32": (40, 40)}
RUN = Run("beaver2", (3, 2, 25, 3), 10_000, False, None, FLOATS)
DEPTH = Depth(
    4, "random", {"float32": 12, "float64": 27}, {"float32": 12, "float64": 26}
)


def judged(runs, depths):
    return MACHINES.judge(PLANS["quick"], Measured(None, None, {}, runs, depths))


def test_the_verdict():
    def verdict(runs, *depths):
        return judged(runs, [DEPTH, *depths]).verdict

    assert verdict([RUN]) == "supported"
    assert verdict([RUN, RUN._replace(differs=9_999)]) == "refuted"
    short = RUN._replace(num_steps=9_999)
    assert verdict([short]) == "inconclusive"
    assert verdict([short._replace(halts=True)]) == "supported"
    far = DEPTH._replace(measured={"float32": 12, "float64": 25})
    assert verdict([RUN], far) == "inconclusive"


def test_the_summary_counts_what_is_as_predicted():
    depth = DEPTH._replace(measured=DEPTH.predicted)
    told = judged([RUN], [depth]).summary
    assert "(the base decides), as predicted from the mantissa;" in told
    assert (
        "of 1 machines 1 go wrong in float32 and 0 in float64, as predicted in 2 of 2"
        in told
    )
    missed = RUN._replace(floats={**FLOATS, "float32": (40, None)})
    far = depth._replace(measured={"float32": 12, "float64": 24})
    told = judged([RUN, missed], [depth, far]).summary
    assert "in 3 of 4 cases, and at most 3 off in the others;" in told
    assert (
        "of 2 machines 1 go wrong in float32 and 0 in float64, as predicted in 3 of 4"
        in told
    )


@pytest.mark.slow
def test_the_finding_is_judged_again_from_its_rows(tmp_path):
    found, *_ = EXPERIMENT.findings("smoke", tmp_path)
    assert found.verdict == "inconclusive"  # it runs too few steps
    assert found.exact
    folder = tmp_path / "smoke" / "universality"
    assert (folder / found.figure).stat().st_size > 10_000
    assert [row[5] for row in found.table[1:]] == ["yes"] * 4
    assert found.effect == 300 + 11 + 14 + 300
    again = EXPERIMENT.judge_again("smoke", folder)
    assert again["C1"].summary == found.summary
    assert list(again) == ["C1", "C2", "Cc1"]


def test_every_machine_of_the_library_is_run():
    for preset in ("quick", "full"):
        assert set(PLANS[preset].machines) == set(names())
