r"""How far a float carries a stack: what is predicted, before a cell is run.

A float of p bits (24 or 53, with the hidden one) holds a number exactly if no more
than p bits lie from its highest one to its lowest. A stack of n symbols to the base
B = 2^b, d_n on top and the lowest digit odd, spans `(n - 1) b + bits(d_n)`. What
fits is pushed and popped without any error: B q and q / B are exact, and so is B q - d,
a multiple of q's last place and smaller than B q. The first push of what does not fit
rounds, up or down, and the error grows by B at each pop; at the latest the stack shows
it that should be empty, being no 0. So the capacity is the n that fit, whatever way the
float rounds, and n + 1 symbols are not pushed and popped without fault.

In a longer run an error lies buried until what it has changed comes to the top, or is
lost for good by another push. `first_error` follows the machine's own way and rounds
where a float rounds; it knows the arithmetic of the stacks, and nothing of the cell.
It leaves the range of exponents out: a symbol under so many blanks that its number is
below 2^-126 (2^-1022 in float64) is lost sooner.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnshare.machines.compiler import StackCode
from rnnshare.machines.exact import ONE, ZERO, Dyadic
from rnnshare.machines.interpreters import run_stacks, tops_of
from rnnshare.machines.machines import Action, StackMachine


def bits_of(dtype: Any) -> int:
    """Returns p, the bits of a float's mantissa with the hidden one."""
    return np.finfo(dtype).nmant + 1


def fits(code: StackCode, stack: Sequence[str], bits: int) -> bool:
    """Whether a stack, its top last, is a float of so many bits, exactly."""
    return abs(code.value(stack).mantissa).bit_length() <= bits


def capacity(code: StackCode, symbols: Sequence[str], bits: int) -> int:
    """Returns how many symbols can be pushed and popped without fault.

    The largest n such that the last n of the symbols, pushed in their order, all
    satisfy `(m - 1) b + bits(d_m) <= p`, m = 1..n counting the pushes. The digits have
    to be odd, as those of a machine are that lays no blanks.

    Args:
      code: how a stack is a number.
      symbols: to push, the first of them first.
      bits: p.

    Raises:
      ValueError: if a digit is even.
    """
    digits = [code.digits[symbol] for symbol in symbols]
    even = [d for d in digits if d % 2 == 0]
    if even:
        raise ValueError(
            f"capacity holds for odd digits, but there are {sorted(set(even))}. Use "
            "the code of a machine that lays no blanks."
        )
    for count in range(1, len(digits) + 1):
        spans = [
            m * code.bits + digit.bit_length()
            for m, digit in enumerate(digits[len(digits) - count :])
        ]
        if max(spans) > bits:
            return count - 1
    return len(digits)


def first_error(
    machine: StackMachine,
    code: StackCode,
    stacks: Sequence[Sequence[str]],
    num_steps: int,
    bits: int,
) -> int | None:
    """Returns the first step at which rounded stacks read wrong tops; None if none do.

    Args:
      machine: the machine.
      code: how its stacks are numbers.
      stacks: what they hold at first, the tops last.
      num_steps: how many steps to follow.
      bits: p.
    """
    held = [code.value(stack).rounded(bits) for stack in stacks]
    for step, moment in enumerate(run_stacks(machine, stacks, num_steps)):
        tops = tops_of(machine, moment.stacks)
        if not all(
            _reads(code, number, top) for number, top in zip(held, tops, strict=True)
        ):
            return step
        if moment.rule is None:
            return None
        actions = zip(held, moment.rule.actions, tops, strict=True)
        held = [_rounded_act(code, *each, bits) for each in actions]
    return None


def _reads(code: StackCode, number: Dyadic, top: str) -> bool:
    """Whether the clipped units tell that a number's top digit is this one.

    They do from the digit up to one below the next, at which the next unit wakes.
    """
    mantissa, exponent = number
    digit = code.digits[top]
    later = [other - 1 for other in code.digits.values() if other > digit]
    most = min(later, default=code.base)
    return digit << exponent <= mantissa * code.base <= most << exponent


def _rounded_act(
    code: StackCode, number: Dyadic, action: Action, top: str, bits: int
) -> Dyadic:
    """Returns a stack's number after an action, rounded, and clipped as a unit is."""
    slope, constant = (Dyadic.of(x) for x in code.effect(action, top))
    exponent = number.exponent + slope.exponent
    scale = max(exponent, constant.exponent)
    total = number.mantissa * slope.mantissa << (scale - exponent)
    total += constant.mantissa << (scale - constant.exponent)
    result = Dyadic.lowest(total, scale).rounded(bits)
    if result.mantissa <= 0:
        return ZERO
    return ONE if result.mantissa.bit_length() > result.exponent else result
