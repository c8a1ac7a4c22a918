"""The existence table: its proofs hold, and what it says is computed."""

import itertools
import re

import numpy as np

from experiments.translation import existence
from experiments.universality.measure import one_unit_allows


def test_the_proof_for_one_unit_holds_of_random_ones_and_the_witness_is_refused():
    every = list(itertools.product((0, 1), repeat=6))
    allowed = {bits for bits in every if one_unit_allows(bits)}
    found = existence.strings_of_one_unit(3_000, 6)
    assert found <= allowed < set(every)
    assert len(found) > len(allowed) / 2  # the proof is not far from what there is
    assert not one_unit_allows(existence.WITNESS)
    assert not any(one_unit_allows((*bits, 0)) for bits in set(every) - allowed)
    for bits in (existence.WITNESS, *every[::7]):
        assert existence.untied_unit_puts_out(bits) == bits


def test_what_the_existence_table_says_is_computed():
    assert existence.parity_errors(500) == 0
    broken = existence.parity_network()
    broken["input"]["bias"] = broken["input"]["bias"] * 3.0
    assert existence.parity_errors(500, weights=broken) > 100
    assert existence.tied_copies_error(count=2) < 1e-6
    rows = existence.existence_rows(200)
    answers = [(row.holds, row.kind) for row in rows]
    assert answers == [
        (True, "proof"), (True, "proof"), (False, "proof"),
        (False, "proof by construction"), (True, "definition"), (True, "proof"),
        (None, "literature"),
    ]  # fmt: skip
    told = existence.existence_text(rows).split("\n\n")
    assert len(told) == len(rows)
    assert "0 beyond the 24" in told[0]
    assert all(cell in told[3] for cell in ("ElmanCell", "LSTMCell", "GRUCell"))
    assert float(re.search(r"to (\S+) in float32", told[3])[1]) < 1e-5
    assert "Open (literature)" in told[-1]


def test_a_carry_of_few_bits_comes_again():
    rng = np.random.default_rng(0)
    steps = existence.cycles(5, 1)
    assert steps.shape == (5,) and (steps >= 1).all() and steps.max() < 2**16
    # By hand, of the first network: no state twice before, and then one again.
    u, b = 3 * rng.normal(size=(1, 1)), rng.normal(size=1)
    h, orbit = np.zeros(1, np.float16), []
    for _ in range(steps[0] + 1):
        orbit.append(h.item())
        h = np.tanh(h.astype(np.float32) @ u + b).astype(np.float16)
    assert len(set(orbit)) == steps[0] and orbit[-1] in orbit[:-1]
