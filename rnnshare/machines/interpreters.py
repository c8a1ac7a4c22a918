"""Reference interpreters of the machines in plain Python: what cells must match."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rnnshare.machines.machines import (
    Action,
    Automaton,
    StackMachine,
    StackRule,
    TuringMachine,
)


class StackMoment(NamedTuple):
    """A stack machine between two steps.

    Attributes:
      state: the state it is in.
      stacks: the symbols of each, the top last. They are the interpreter's own: what
        is to outlast the next step has to be copied.
      rule: the one that it follows next; None where it has halted.
    """

    state: str
    stacks: list[list[str]]
    rule: StackRule | None


class TapeMoment(NamedTuple):
    """A Turing machine between two steps.

    Attributes:
      state: the state it is in.
      tape: `{position: symbol}`, the interpreter's own, as above.
      head: the position of the head.
      halted: whether no move follows.
    """

    state: str
    tape: dict[int, str]
    head: int
    halted: bool


def run_automaton(
    machine: Automaton, word: Sequence[str]
) -> Iterator[tuple[str, str | None]]:
    """Yields the state and the output after each symbol of a word."""
    state = machine.start
    for symbol in word:
        state, output = machine.edges[state, symbol]
        yield state, output


def run_stacks(
    machine: StackMachine,
    stacks: Sequence[Sequence[str]],
    num_steps: int,
    state: str | None = None,
) -> Iterator[StackMoment]:
    """Yields the moments 0..num_steps; a machine that has halted stays as it is.

    Args:
      machine: what to run.
      stacks: what each holds, the top last.
      num_steps: how many steps.
      state: where to start, by default at the machine's start.

    Raises:
      ValueError: if the number of stacks is not the machine's.
    """
    if len(stacks) != machine.num_stacks:
        raise ValueError(
            f"The machine has {machine.num_stacks} stacks, but {len(stacks)} are given."
        )
    state = machine.start if state is None else state
    held = [list(stack) for stack in stacks]
    for step in range(num_steps + 1):
        rule = _rule_at(machine, state, tops_of(machine, held))
        yield StackMoment(state, held, rule)
        if rule is None or step == num_steps:
            continue
        state = rule.next_state
        for stack, action in zip(held, rule.actions, strict=True):
            act(stack, action, machine.blank)


def _rule_at(
    machine: StackMachine, state: str, tops: tuple[str, ...]
) -> StackRule | None:
    return next((rule for rule in machine.rules if rule.fits(state, tops)), None)


def tops_of(machine: StackMachine, stacks: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Returns the tops of stacks, the blank for an empty one."""
    return tuple(stack[-1] if stack else machine.blank for stack in stacks)


def act(stack: list[str], action: Action, blank: str) -> None:
    """Does an action to a stack, the top last; an empty one takes no blanks."""
    if action.pop and stack:
        stack.pop()
    for symbol in action.push:
        if stack or symbol != blank:
            stack.append(symbol)


def run_tape(
    machine: TuringMachine, tape: Sequence[str], num_steps: int, head: int = 0
) -> Iterator[TapeMoment]:
    """Yields the moments 0..num_steps; a machine that has halted stays as it is.

    Args:
      machine: what to run.
      tape: the symbols at the positions 0, 1, ...; blanks elsewhere.
      num_steps: how many steps.
      head: the position of the head.
    """
    state = machine.start
    written = {i: symbol for i, symbol in enumerate(tape) if symbol != machine.blank}
    for step in range(num_steps + 1):
        move = machine.moves.get((state, written.get(head, machine.blank)))
        yield TapeMoment(state, written, head, move is None)
        if move is None or step == num_steps:
            continue
        if move.symbol == machine.blank:
            written.pop(head, None)
        else:
            written[head] = move.symbol
        head += 1 if move.direction == "R" else -1
        state = move.state


def stacks_of_tape(machine: TuringMachine, moment: TapeMoment) -> list[list[str]]:
    """Returns a tape as the two stacks of `as_stack_machine`, the tops last."""
    _, tape, head, _ = moment
    first, last = min(tape, default=head), max(tape, default=head)
    return [
        [tape.get(i, machine.blank) for i in range(first, head)],
        [tape.get(i, machine.blank) for i in range(last, head - 1, -1)],
    ]
