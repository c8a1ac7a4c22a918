"""Exact arithmetic: dyadic numbers, and the exact cell."""

from fractions import Fraction

import numpy as np

from rnnshare.machines import Dyadic, ExactCell, Wiring


def test_dyadic_numbers_are_fractions_and_round_as_floats():
    rng = np.random.default_rng(0)
    for _ in range(200):
        number = Dyadic.lowest(int(rng.integers(1, 2**62)), int(rng.integers(80)))
        fraction = Fraction(number.mantissa, 2**number.exponent)
        assert float(number) == float(fraction)
        wide = np.float64(number.rounded(40))
        assert np.float32(wide) == np.float32(float(Dyadic.of(wide).rounded(24)))
    for tie, even in ((5, 4), (7, 8), (9, 8)):
        assert Dyadic(tie, 3).rounded(tie.bit_length() - 1) == Dyadic.lowest(even, 3)


def test_the_exact_cell_is_its_formula():
    rng = np.random.default_rng(1)
    wiring = Wiring(["x"])
    units = [wiring.add(f"u{i}", float(rng.integers(-2, 3)) / 4) for i in range(6)]
    for unit in units:
        sources = rng.choice([*units, "x"], 3, replace=False)
        wiring.join(unit, {str(s): float(rng.integers(-8, 9)) / 8 for s in sources})
    cell = wiring.build()
    values = [Fraction(int(n), 16) for n in rng.integers(0, 17, 6)]
    carry = {i: Dyadic.of(float(v)) for i, v in enumerate(values) if v}
    step = ExactCell(cell)
    for x in (0, 1, 1, 0, 1):
        values = [
            min(max(Fraction(cell.bias[j]) + x * Fraction(cell.input_kernel[0, j])
                    + sum(v * Fraction(w) for v, w in
                          zip(values, cell.recurrent_kernel[:, j], strict=True)),
                    Fraction(0)), Fraction(1))
            for j in range(6)
        ]  # fmt: skip
        carry = step(carry, [0] if x else [])
        found = {i: Fraction(m, 2**e) for i, (m, e) in carry.items()}
        assert found == {i: v for i, v in enumerate(values) if v}
