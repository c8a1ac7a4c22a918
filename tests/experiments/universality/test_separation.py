"""Strings on a constant input: the proofs and the search agree with what is run."""

import numpy as np

from experiments.universality import separation


def test_the_proof_for_one_unit_holds_of_random_ones():
    every = set(map(tuple, separation.strings(6).tolist()))
    allowed = {bits for bits in every if separation.one_unit_allows(bits)}
    found = separation.strings_of_one_unit(3_000, 6)
    assert found <= allowed < every
    assert len(found) > len(allowed) / 2  # the proof is not far from what there is
    assert not any(separation.one_unit_allows((*b, 0)) for b in every - allowed)


def test_every_string_is_put_out_by_an_untied_unit_and_not_by_tied_ones():
    found = separation.separate(5)
    assert found.untied == [2, 4, 8, 16, 32]
    assert found.tanh == [2, 4, 8, 16, 24]
    assert found.threshold == [[2, 4, 6, 6, 6], [2, 4, 8, 16, 30]]


def test_all_threshold_networks_are_gone_through():
    """Random ones, whose carries are run as signs, put out nothing else."""
    assert [len(separation.threshold_functions(n)) for n in (1, 2)] == [4, 14]
    rng = np.random.default_rng(0)
    for units, steps in ((1, 4), (2, 6)):
        found = separation.threshold_strings(units, steps)
        seen = set()
        for _ in range(10_000):
            u, read = rng.normal(size=(units, units)), rng.normal(size=units)
            b, bias = rng.normal(size=units), rng.normal()
            h, bits = rng.integers(0, 2, units), []
            for _ in range(steps):
                h = (h @ u + b > 0).astype(int)
                bits.append(int(h @ read > bias))
            seen.add(tuple(bits))
        assert seen <= found and len(seen) > len(found) / 2
        for length in range(1, steps + 1):  # 2^H zeros and a one need a carry more
            zeros = (0,) * (length - 1) + (1,)
            possible = zeros in separation.threshold_strings(units, length)
            assert possible == (length <= 2**units)
