r"""Stack machines, and so Turing machines, as tied cells: three cell steps a step.

A stack is one number in [0, 1), its symbols digits to a base B, the top first:

    q = sum_{i=1..n} d_i B^-i       top d = floor(B q)       B a power of 2
    take the top   B q - d          lay e on   (q + e) / B    nothing   q

Each is affine once d is known. Digits are at least 2 apart, the blank's is 0, so that a
clipped unit tells the top: `clip(B q - (d_j - 1))` is 1 if the top is symbol j or a
later one, else 0. Where no blank ever lies on a symbol, the first digit may be 1: two
symbols are the digits 1 and 3 to the base 4, as in the reference. Else it is 2.

The units form three layers, each of which reads the one before; a step of the machine
is one round, so three steps of the cell:

    read     the tops, and copies of the state and the stacks
    decide   a unit a rule, 1 where it fits, `clip(state + tops fitting - (tops - 1))`
    act      the next state; and for each stack and slope a of its actions a unit,
             `clip(a q + sum_{rules of slope a} c_r - a (the other rules), 0, 1)`;
             their sum is the stack, as those of other slopes are clipped to 0

The machine is in the layer `act` before the first step; the other layers are zero and
stay so two steps of three. In a sum of `act` no more than two terms are not zero, so
that a float rounds once, when a symbol is laid on, and the order of a sum is no matter.

Reference: Siegelmann and Sontag, 1995, "On the computational power of neural nets".
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from rnnshare.machines.exact import ONE, ZERO, Carry, Dyadic
from rnnshare.machines.machines import Action, StackMachine, StackRule
from rnnshare.machines.wiring import WiredCell, Wiring


@dataclasses.dataclass(frozen=True)
class StackCode:
    """How a stack is a number.

    Attributes:
      base: B, a power of 2.
      digits: `{symbol: digit}`, 0 for the blank, in rising order.
    """

    base: int
    digits: Mapping[str, int]

    @classmethod
    def of(cls, machine: StackMachine, base: int | None = None) -> "StackCode":
        """Returns the code of a machine, to the least base that does or a larger one.

        Raises:
          ValueError: if the base is no power of 2, or too small.
        """
        first = 2 if machine.lays_blanks else 1
        blank, *others = machine.symbols
        digits = {blank: 0, **{x: first + 2 * j for j, x in enumerate(others)}}
        least = 1 << max(digits.values()).bit_length()
        base = least if base is None else base
        if base < least or base & (base - 1):
            raise ValueError(
                f"base is {base}, but the {len(digits)} symbols of the stacks need a "
                f"power of 2 of at least {least}."
            )
        return cls(base, digits)

    @property
    def bits(self) -> int:
        """log2 B, the bits of a digit."""
        return self.base.bit_length() - 1

    def value(self, stack: Sequence[str]) -> Dyadic:
        """Returns the number of a stack, its top last."""
        text = {x: f"{d:0{self.bits}b}" for x, d in self.digits.items()}
        written = "".join([text[x] for x in reversed(stack)])
        return Dyadic.lowest(int(written or "0", 2), len(written))

    def effect(self, action: Action, top: str | None) -> tuple[float, float]:
        """Returns (slope, constant) of an action, the affine map of the number."""
        slope, constant = 1.0, 0.0
        if action.pop:
            slope, constant = float(self.base), -float(self.digits[top or ""])
        for symbol in action.push:
            slope /= self.base
            constant = (constant + self.digits[symbol]) / self.base
        return slope, constant


@dataclasses.dataclass(frozen=True, eq=False)
class CompiledStacks:
    """A stack machine as a cell without inputs (D = 0).

    Attributes:
      machine: the stack machine.
      code: how its stacks are numbers.
      cell: the cell.
      rules: those that the cell decides between, with what it does where none applies.
    """

    machine: StackMachine
    code: StackCode
    cell: WiredCell
    rules: tuple[StackRule, ...]
    cell_steps = 3

    @property
    def state_units(self) -> list[int]:
        """Where the states stand in the layer `act`."""
        index = self.cell.index
        return [index[_act_state(state)] for state in self.machine.states]

    @property
    def top_units(self) -> list[list[int]]:
        """Where each stack's tops stand in the layer `read`."""
        index, symbols = self.cell.index, self.machine.symbols[1:]
        count = self.machine.num_stacks
        return [[index[_top(i, x)] for x in symbols] for i in range(count)]

    @property
    def stack_units(self) -> list[list[int]]:
        """Where each stack's units stand in the layer `act`, that of slope 1 first."""
        starts = [f"act stack {i} " for i in range(self.machine.num_stacks)]
        return [
            [j for j, name in enumerate(self.cell.units) if name.startswith(start)]
            for start in starts
        ]

    def encode(
        self, stacks: Sequence[Sequence[str]], state: str | None = None
    ) -> Carry:
        """Returns the exact carry of a machine with these stacks, their tops last."""
        state = self.machine.start if state is None else state
        carry = {self.cell.index[_act_state(state)]: ONE}
        for units, stack in zip(self.stack_units, stacks, strict=True):
            value = self.code.value(stack)
            if value != ZERO:
                carry[units[0]] = value
        return carry

    def encode_floats(
        self, stacks: Sequence[Sequence[str]], bits: int, state: str | None = None
    ) -> np.ndarray:
        """Returns that carry as float64 [H], its numbers rounded to so many bits."""
        carry = np.zeros(len(self.cell.units))
        for unit, value in self.encode(stacks, state).items():
            carry[unit] = float(value.rounded(bits))
        return carry


def compile_stacks(machine: StackMachine, base: int | None = None) -> CompiledStacks:
    """Returns a stack machine as a tied cell.

    Args:
      machine: the machine.
      base: B, the base of the stacks; the smallest that does by default.

    Raises:
      ValueError: if the base is no power of 2, or too small.
    """
    code = StackCode.of(machine, base)
    rules = _complete(machine)
    wiring = Wiring()
    effects = [
        [code.effect(a, top) for a, top in zip(rule.actions, rule.tops, strict=True)]
        for rule in rules
    ]
    slopes = [
        sorted({1.0} | {effect[i][0] for effect in effects}, key=lambda a: abs(a - 1))
        for i in range(machine.num_stacks)
    ]
    _wire_reading(wiring, machine, code, slopes)
    names = _wire_deciding(wiring, machine, rules)
    for state in machine.states:
        unit = wiring.add(_act_state(state))
        leading = [
            n for n, r in zip(names, rules, strict=True) if r.next_state == state
        ]
        wiring.join(unit, dict.fromkeys(leading, 1))
    for i in range(machine.num_stacks):
        for slope in slopes[i]:
            unit = wiring.add(_act_stack(i, slope))
            wiring.join(unit, {f"decide stack {i}": slope})
            for name, effect in zip(names, effects, strict=True):
                own, constant = effect[i]
                wiring.join(unit, {name: constant if own == slope else -slope})
    return CompiledStacks(machine, code, wiring.build(), rules)


def _wire_reading(
    wiring: Wiring, machine: StackMachine, code: StackCode, slopes: list[list[float]]
) -> None:
    for state in machine.states:
        wiring.join(wiring.add(f"read state {state}"), {_act_state(state): 1})
    for i in range(machine.num_stacks):
        parts = [_act_stack(i, slope) for slope in slopes[i]]
        wiring.join(wiring.add(f"read stack {i}"), dict.fromkeys(parts, 1))
        for symbol in machine.symbols[1:]:
            unit = wiring.add(_top(i, symbol), bias=1 - code.digits[symbol])
            wiring.join(unit, dict.fromkeys(parts, code.base))


def _wire_deciding(
    wiring: Wiring, machine: StackMachine, rules: Sequence[StackRule]
) -> list[str]:
    """Adds the layer `decide`; returns the names of the rules' units."""
    later = dict(itertools.pairwise(machine.symbols))
    names = []
    for number, rule in enumerate(rules):
        told = [(i, top) for i, top in enumerate(rule.tops) if top is not None]
        symbols = [top for _, top in told if top != machine.blank]
        names.append(wiring.add(f"rule {number}", bias=-len(symbols)))
        wiring.join(names[-1], {f"read state {rule.state}": 1})
        for i, top in told:
            if top != machine.blank:
                wiring.join(names[-1], {_top(i, top): 1})
            if top in later:  # the top is not one of the symbols after it
                wiring.join(names[-1], {_top(i, later[top]): -1})
    for i in range(machine.num_stacks):
        wiring.join(wiring.add(f"decide stack {i}"), {f"read stack {i}": 1})
    return names


def _complete(machine: StackMachine) -> tuple[StackRule, ...]:
    """Returns rules of which exactly one fits, whatever the tops.

    A rule that takes a top is written out for every symbol; where the machine halts,
    the cell stays as it is.
    """
    nothing = (Action(),) * machine.num_stacks
    anything = (None,) * machine.num_stacks
    rules = []
    for rule in machine.rules:
        choices = [
            machine.symbols if action.pop and top is None else (top,)
            for action, top in zip(rule.actions, rule.tops, strict=True)
        ]
        rules += [rule._replace(tops=tops) for tops in itertools.product(*choices)]
    for state in machine.states:
        own = [rule for rule in machine.rules if rule.state == state]
        if not own:
            rules.append(StackRule(state, anything, state, nothing))
            continue
        # Only stacks that the state looks at can leave it without a rule.
        looked = [
            machine.symbols if any(r.tops[i] is not None for r in own) else (None,)
            for i in range(machine.num_stacks)
        ]
        for tops in itertools.product(*looked):
            if not any(r.fits(state, tops) for r in own):  # type: ignore[arg-type]
                rules.append(StackRule(state, tops, state, nothing))
    return tuple(rules)


def _act_state(state: str) -> str:
    return f"act state {state}"


def _act_stack(stack: int, slope: float) -> str:
    return f"act stack {stack} times {slope:g}"


def _top(stack: int, symbol: str) -> str:
    return f"top {stack} from {symbol}"
