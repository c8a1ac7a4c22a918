"""The existence table: its proofs hold, and what it says is computed."""

import re

import numpy as np
import pytest

from experiments.translation import checks, existence
from experiments.translation.claims import answers


@pytest.mark.slow
def test_what_the_existence_table_says_is_computed():
    assert checks.parity_errors(500) == 0
    broken = checks.parity_network()
    broken["input"]["bias"] = broken["input"]["bias"] * 3.0
    assert checks.parity_errors(500, weights=broken) > 100
    assert checks.tied_copies_error(count=2) < 1e-6
    rows = existence.existence_rows(200)
    assert [(row.side, row.holds, row.kind) for row in rows] == [
        ("untied", True, "proof"), ("untied", True, "proof"), ("untied", True, "proof"),
        ("tied", False, "proof"), ("untied", False, "proof by construction"),
        ("tied", False, "proof"), ("untied", True, "proof"),
        ("untied", None, "literature"), ("tied", True, "definition"),
    ]  # fmt: skip
    told = existence.existence_text(rows).split("\n\n")
    assert len(told) == len(rows)
    assert "0 beyond the 24" in told[0]
    assert "6 of 8, 30 of 32 strings" in told[1]
    assert all(cell in told[4] for cell in ("ElmanCell", "LSTMCell", "GRUCell"))
    assert float(re.search(r"to (\S+) in float32", told[4])[1]) < 1e-5
    assert "Open (literature)" in told[-2]
    assert [*answers(rows).values()] == [
        "yes",
        "no",
        "no",
        "no",
        "yes",
        "by definition",
    ]


def row(size, first, holds, kind):
    return existence.Existence(size, f"{first}, some", "the other", holds, kind, *"abc")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "open"),
        ([(None, "literature")], "open"),
        ([(True, "definition")], "by definition"),
        ([(False, "proof"), (True, "definition")], "no"),
        ([(None, "literature"), (True, "proof by construction")], "yes"),
        ([(False, "proof"), (True, "proof")], "yes"),  # of other precisions
    ],
)
def test_only_a_proof_separates(rows, told):
    size = existence.SIZES[0]
    found = answers([row(size, "untied", *one) for one in rows])
    assert found[size, "untied"] == told
    others = [answer for key, answer in found.items() if key != (size, "untied")]
    assert set(others) == {"open"}


def test_a_carry_of_few_bits_comes_again():
    rng = np.random.default_rng(0)
    steps = checks.cycles(5, 1)
    assert steps.shape == (5,) and (steps >= 1).all() and steps.max() < 2**16
    # By hand, of the first network: no state twice before, and then one again.
    u, b = 3 * rng.normal(size=(1, 1)), rng.normal(size=1)
    h, orbit = np.zeros(1, np.float16), []
    for _ in range(steps[0] + 1):
        orbit.append(h.item())
        h = np.tanh(h.astype(np.float32) @ u + b).astype(np.float16)
    assert len(set(orbit)) == steps[0] and orbit[-1] in orbit[:-1]
