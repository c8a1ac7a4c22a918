"""The wired cell in exact arithmetic: the same weights, without any rounding.

All weights are floats, so multiples of powers of 2, and so is everything that the cell
computes from them: a number is kept as a pair of integers, `Dyadic(m, e) = m / 2^e`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from rnnshare.machines.wiring import WiredCell


class Dyadic(NamedTuple):
    """The number `mantissa / 2^exponent`; in lowest terms, so that equal is equal."""

    mantissa: int
    exponent: int

    @classmethod
    def lowest(cls, mantissa: int, exponent: int) -> "Dyadic":
        """Returns `mantissa / 2^exponent` in lowest terms."""
        if not mantissa:
            return ZERO
        shift = min((mantissa & -mantissa).bit_length() - 1, exponent)
        return cls(mantissa >> shift, exponent - shift)

    @classmethod
    def of(cls, value: float) -> "Dyadic":
        """Returns a float, exactly."""
        numerator, denominator = float(value).as_integer_ratio()
        return cls(numerator, denominator.bit_length() - 1)

    def rounded(self, bits: int) -> "Dyadic":
        """Returns the nearest number of so many binary digits, ties to even."""
        excess = abs(self.mantissa).bit_length() - bits
        if excess <= 0:
            return self
        kept, lost = divmod(self.mantissa, 1 << excess)
        half = 1 << (excess - 1)
        kept += lost > half or (lost == half and kept % 2)
        if excess > self.exponent:
            return Dyadic(kept << (excess - self.exponent), 0)
        return Dyadic.lowest(kept, self.exponent - excess)

    def __float__(self) -> float:
        """Returns the nearest float64."""
        mantissa, exponent = self.rounded(53)
        return float(np.ldexp(float(mantissa), -exponent))


ZERO, ONE = Dyadic(0, 0), Dyadic(1, 0)
Carry = dict[int, Dyadic]  # {unit: value}, the units that are not zero


class ExactCell:
    """A wired cell as a function of exact carries.

    A unit that is zero sends nothing, so that a step costs what the active units do.
    """

    def __init__(self, cell: WiredCell):
        """Takes the weights of a cell."""
        self._sent = _rows(cell.recurrent_kernel)
        self._read = _rows(cell.input_kernel)
        self._bias = [Dyadic.of(b) for b in cell.bias]
        self._alone = [j for j, b in enumerate(cell.bias) if b > 0]

    def __call__(
        self, carry: Mapping[int, Dyadic], inputs: Iterable[int] = ()
    ) -> Carry:
        """Runs one step.

        Args:
          carry: the units that are not zero.
          inputs: the features of the input that are 1; the others are 0.

        Returns:
          The next carry.
        """
        sums = {j: self._bias[j] for j in self._alone}
        sources = [(self._sent[i], value) for i, value in carry.items()]
        sources += [(self._read[i], ONE) for i in inputs]
        for row, (m, e) in sources:
            for j, wm, we in row:
                total, scale = sums.get(j) or self._bias[j]
                shift = e + we - scale
                if shift > 0:
                    sums[j] = Dyadic((total << shift) + m * wm, scale + shift)
                else:
                    sums[j] = Dyadic(total + ((m * wm) << -shift), scale)
        return {j: _clip(m, e) for j, (m, e) in sums.items() if m > 0}


def _clip(mantissa: int, exponent: int) -> Dyadic:
    if mantissa.bit_length() > exponent:
        return ONE
    return Dyadic.lowest(mantissa, exponent)


def _rows(kernel: np.ndarray) -> list[list[tuple[int, int, int]]]:
    """Returns the weights of a kernel that are not zero, row by row."""
    return [
        [(int(j), *Dyadic.of(row[j])) for j in np.flatnonzero(row)] for row in kernel
    ]
