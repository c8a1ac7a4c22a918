"""Machines: finite automata and transducers, stack machines, Turing machines.

They are tables. What runs them stands in `interpreters`, what makes
cells of them in `automata` and `compiler`; their text
format is that of `parsing`. A machine halts where no rule applies.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Move(NamedTuple):
    """What a Turing machine does: writes a symbol, moves the head, goes to a state."""

    symbol: str
    direction: str  # 'L' or 'R'
    state: str


class Edge(NamedTuple):
    """Where an automaton goes, and what it writes, if it is a transducer."""

    state: str
    output: str | None = None


class Action(NamedTuple):
    """What happens to a stack: the top is taken off or not, then symbols are laid on.

    A machine may take from an empty stack: it stays empty.
    """

    pop: bool = False
    push: tuple[str, ...] = ()


class StackRule(NamedTuple):
    """A rule of a stack machine; a top of None fits any."""

    state: str
    tops: tuple[str | None, ...]
    next_state: str
    actions: tuple[Action, ...]

    def fits(self, state: str, tops: tuple[str, ...]) -> bool:
        """Whether the rule applies."""
        return state == self.state and all(
            own in (None, top) for own, top in zip(self.tops, tops, strict=True)
        )


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _check_start(machine: object, start: str, states: tuple[str, ...]) -> None:
    if start not in states:
        raise ValueError(
            f"{type(machine).__name__}: the start is {start!r}, but the rules know the "
            f"states {', '.join(states)}. Start in one of them."
        )


@dataclasses.dataclass(frozen=True)
class Automaton:
    """A finite automaton; a transducer if it writes a symbol for each that it reads.

    Attributes:
      start: the state it starts in.
      edges: `{(state, symbol): edge}`, for every state and symbol.

    Raises:
      ValueError: if a rule is missing, or only some of them write.
    """

    start: str
    edges: Mapping[tuple[str, str], Edge]

    def __post_init__(self) -> None:
        _check_start(self, self.start, self.states)
        for at in ((s, x) for s in self.states for x in self.alphabet):
            if at not in self.edges:
                raise ValueError(
                    f"Automaton: there is no rule for the symbol {at[1]!r} in the "
                    f"state {at[0]!r}. Give one for every state and symbol."
                )
        if len({edge.output is None for edge in self.edges.values()}) > 1:
            raise ValueError(
                "Automaton: some rules write and some do not. Let all of them write "
                "(a transducer), or none."
            )

    @property
    def states(self) -> tuple[str, ...]:
        """Its states, in the order of the rules."""
        return _unique(
            s for (source, _), edge in self.edges.items() for s in (source, edge.state)
        )

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The symbols that it reads, in the order of the rules."""
        return _unique(symbol for _, symbol in self.edges)


@dataclasses.dataclass(frozen=True)
class StackMachine:
    """A finite control with several stacks, whose tops it reads at every step.

    Under the symbols of a stack lie blanks without end: an empty stack reads as a
    blank, and a blank laid on an empty stack leaves it empty.

    Attributes:
      start: the state it starts in.
      blank: what an empty stack reads as.
      rules: at most one of them fits a state and the tops.

    Raises:
      ValueError: if two rules fit at once, or they differ in their number of stacks.
    """

    start: str
    blank: str
    rules: tuple[StackRule, ...]

    def __post_init__(self) -> None:
        _check_start(self, self.start, self.states)
        for rule in self.rules:
            if {len(rule.tops), len(rule.actions)} != {self.num_stacks}:
                raise ValueError(
                    f"StackMachine: {rule} does not have {self.num_stacks} tops and "
                    f"{self.num_stacks} actions, as its first rule has."
                )
        for i, one in enumerate(self.rules):
            for other in self.rules[:i]:
                if one.state == other.state and all(
                    a is None or b is None or a == b
                    for a, b in zip(one.tops, other.tops, strict=True)
                ):
                    raise ValueError(
                        f"StackMachine: {other} and {one} fit the same tops. Let one "
                        "rule fit at a time."
                    )

    @property
    def num_stacks(self) -> int:
        """How many stacks it has."""
        return len(self.rules[0].tops)

    @property
    def states(self) -> tuple[str, ...]:
        """Its states, in the order of the rules."""
        return _unique(s for rule in self.rules for s in (rule.state, rule.next_state))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of its stacks, the blank first."""
        seen = [self.blank]
        for rule in self.rules:
            seen += [top for top in rule.tops if top is not None]
            seen += [symbol for action in rule.actions for symbol in action.push]
        return _unique(seen)

    @property
    def lays_blanks(self) -> bool:
        """Whether a blank can come to lie on a symbol."""
        return any(self.blank in a.push for rule in self.rules for a in rule.actions)


@dataclasses.dataclass(frozen=True)
class TuringMachine:
    """A Turing machine with one tape, endless in both directions.

    Attributes:
      start: the state it starts in.
      blank: what the tape holds where nothing was written.
      moves: `{(state, symbol): move}`; it halts where there is none.

    Raises:
      ValueError: if it starts in an unknown state, or moves other than 'L' or 'R'.
    """

    start: str
    blank: str
    moves: Mapping[tuple[str, str], Move]

    def __post_init__(self) -> None:
        _check_start(self, self.start, self.states)
        for at, move in self.moves.items():
            if move.direction not in ("L", "R"):
                raise ValueError(
                    f"TuringMachine: the move of {at} is {move.direction!r}. Use 'L' "
                    "or 'R'."
                )

    @property
    def states(self) -> tuple[str, ...]:
        """Its states, in the order of the rules."""
        return _unique(
            s for (source, _), move in self.moves.items() for s in (source, move.state)
        )

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of its tape, the blank first."""
        read = (symbol for _, symbol in self.moves)
        return _unique((self.blank, *read, *(m.symbol for m in self.moves.values())))


def as_stack_machine(machine: TuringMachine) -> StackMachine:
    """Returns a Turing machine as a stack machine that makes the same steps.

    The tape is cut before the head: stack 1 holds what is left of it, the nearest
    symbol on top, stack 2 what is under it and to its right. To write b and move right
    is to lay b on stack 1 and take stack 2's top; to write b and move left is to take
    stack 1's top, c, and to lay b and c on stack 2 in place of its top.

    Args:
      machine: any.
    """
    rules = []
    for (state, symbol), move in machine.moves.items():
        if move.direction == "R":
            actions = Action(push=(move.symbol,)), Action(pop=True)
            rules.append(StackRule(state, (None, symbol), move.state, actions))
            continue
        for near in machine.symbols:
            actions = Action(pop=True), Action(True, (move.symbol, near))
            rules.append(StackRule(state, (near, symbol), move.state, actions))
    return StackMachine(machine.start, machine.blank, tuple(rules))
