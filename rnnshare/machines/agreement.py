"""Where a compiled machine departs from its interpreter: exactly, and in floats.

At every step of the machine the whole carry of the exact cell is compared: the state,
each stack to its last symbol, and that all else is zero. A float cell cannot hold that
much; it is compared in what it does: which state it is in, and which tops it reads.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnshare.machines.compiler import CompiledStacks
from rnnshare.machines.exact import ONE, ZERO, Carry, Dyadic, ExactCell
from rnnshare.machines.interpreters import run_stacks, run_tape, stacks_of_tape, tops_of
from rnnshare.machines.machines import StackMachine, TuringMachine, as_stack_machine
from rnnshare.machines.precision import bits_of

Moment = tuple[str, Sequence[Sequence[str]]]  # a state, and stacks with their tops last


class Agreement(NamedTuple):
    """How a cell followed its machine.

    Attributes:
      first_error: the first step at which they differ, None if they do not.
      num_steps: how many steps were compared, up to the first error.
    """

    first_error: int | None
    num_steps: int


def moments_of(
    machine: StackMachine | TuringMachine, start: Sequence[Any], num_steps: int
) -> Iterator[Moment]:
    """Yields what the reference interpreter does, and one moment more where it halts.

    Args:
      machine: a stack machine, or a Turing machine on its own tape.
      start: the stacks, the tops last; for a Turing machine, its tape and the head's
        position.
      num_steps: at most so many steps.
    """
    halted = False
    if isinstance(machine, TuringMachine):
        tape, head = start
        for moment in run_tape(machine, tape, num_steps, head):
            yield moment.state, stacks_of_tape(machine, moment)
            if halted:
                return
            halted = moment.halted
        return
    for at in run_stacks(machine, start, num_steps):
        yield at.state, at.stacks
        if halted:
            return
        halted = at.rule is None


def stacks_at_start(
    machine: StackMachine | TuringMachine, start: Sequence[Any]
) -> tuple[StackMachine, list[list[str]]]:
    """Returns the machine as a stack machine, and what its stacks hold at first."""
    if not isinstance(machine, TuringMachine):
        return machine, [list(stack) for stack in start]
    tape, head = start
    moment = next(iter(run_tape(machine, tape, 0, head)))
    return as_stack_machine(machine), stacks_of_tape(machine, moment)


def follow_exactly(compiled: CompiledStacks, moments: Iterable[Moment]) -> Agreement:
    """Runs the cell in exact arithmetic beside its interpreter, and compares.

    Args:
      compiled: the cell.
      moments: what the interpreter does, from the start on.
    """
    step = ExactCell(compiled.cell)
    carry: Carry | None = None
    count = -1
    for state, stacks in moments:
        if carry is None:
            carry = compiled.encode(stacks, state)
        else:
            for _ in range(compiled.cell_steps):
                carry = step(carry)
        count += 1
        values = [compiled.code.value(stack) for stack in stacks]
        if read_carry(compiled, carry) != (state, values):
            return Agreement(count, count)
    return Agreement(None, count)


def read_carry(
    compiled: CompiledStacks, carry: Carry
) -> tuple[str, list[Dyadic]] | None:
    """Returns the state and the stacks' numbers of a carry; None if it is broken.

    It is broken unless one state is 1, at most one unit of each stack is not zero, and
    all else is.
    """
    left = dict(carry)
    found = zip(compiled.state_units, compiled.machine.states, strict=True)
    states = [name for unit, name in found if left.pop(unit, None) == ONE]
    values = [
        [left.pop(unit) for unit in units if unit in left]
        for units in compiled.stack_units
    ]
    if left or len(states) != 1 or any(len(parts) > 1 for parts in values):
        return None
    return states[0], [parts[0] if parts else ZERO for parts in values]


def follow_in_floats(
    compiled: CompiledStacks,
    runs: Sequence[Iterable[Moment]],
    dtype: Any,
    chunk: int = 1_000,
) -> list[Agreement]:
    """Runs the cell by `unroll` in floats beside its interpreter, and compares.

    Args:
      compiled: the cell.
      runs: for each run, what the interpreter does, from the start on. The cell does
        all of them as one batch, until each has departed or ended.
      dtype: float32 or float64.
      chunk: steps of the machine that are unrolled at once.
    """
    wanted = [_Wanted.of(compiled, moments, dtype) for moments in runs]
    lengths = np.array([len(one.states) - 1 for one in wanted])
    errors = np.full(len(runs), -1)
    carry = np.stack([one.carry for one in wanted])
    inputs = np.zeros((compiled.cell_steps * chunk, len(runs), 0))
    for first in range(0, max(lengths) + 1, chunk):
        carry, outputs = compiled.cell.run(inputs, carry, dtype)
        for i, one in enumerate(wanted):
            if errors[i] < 0:
                errors[i] = one.departs(compiled, outputs[:, i], first)
        if np.all((errors >= 0) | (lengths < first + chunk)):
            break
    return [
        Agreement(None, int(length)) if error < 0 else Agreement(int(error), int(error))
        for error, length in zip(errors, lengths, strict=True)
    ]


class _Wanted(NamedTuple):
    """What the units have to be.

    Attributes:
      carry: [H], the initial carry.
      states: [T + 1], the place of the state.
      tops: [T + 1, S], the place of each stack's top among the symbols.
    """

    carry: np.ndarray
    states: np.ndarray
    tops: np.ndarray

    @classmethod
    def of(
        cls, compiled: CompiledStacks, moments: Iterable[Moment], dtype: Any
    ) -> "_Wanted":
        """Takes it down while the interpreter runs."""
        machine, carry = compiled.machine, None
        states = {state: i for i, state in enumerate(machine.states)}
        symbols = {symbol: i for i, symbol in enumerate(machine.symbols)}
        at, tops = [], []
        for state, stacks in moments:
            if carry is None:
                carry = compiled.encode_floats(stacks, bits_of(dtype), state)
            at.append(states[state])
            tops.append([symbols[top] for top in tops_of(machine, stacks)])
        return cls(carry, np.array(at), np.array(tops))  # type: ignore[arg-type]

    def departs(self, compiled: CompiledStacks, outputs: np.ndarray, first: int) -> int:
        """Returns the first step at which outputs [3 n, H] differ, -1 if none does.

        They are of the steps from `first` on, and say nothing where the run has ended.
        The tops of step t are read one cell step after it, its state stands in the last
        cell step before it. A unit differs unless it is 0 or 1 to the last bit.
        """
        every = compiled.cell_steps
        count = min(len(outputs) // every, max(0, len(self.states) - first))
        read = outputs[::every][:count, compiled.top_units]
        tops = self.tops[first : first + count, :, None]
        wrong = np.any(read != (tops > np.arange(read.shape[-1])), axis=(1, 2))
        states = self.states[first + 1 : first + 1 + count, None]
        acted = outputs[every - 1 :: every][: len(states), compiled.state_units]
        other = np.any(acted != (states == np.arange(acted.shape[-1])), axis=1)
        found = [*(np.flatnonzero(wrong) + first), *(np.flatnonzero(other) + first + 1)]
        return int(min(found, default=-1))
