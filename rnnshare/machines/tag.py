"""2-tag systems, and how they stand on the tape of Minsky's universal machine.

A 2-tag system takes the first two letters off a word and lays at its end what the rule
of the first of them says. They compute whatever is computable (Cocke and Minsky, 1964).

On the tape, with letters 0..m-1 and n_i letters in the rule of letter i, letter i is
written as N_i times `y`, N_i = 1 + sum_{j<i} (n_j + 1), and letters of the word are
parted by `A`. The rules stand to the left of the word, the last of them first and each
written backwards: `11`, then for each letter j of the rule `0` N_j + 1 times and a `1`.

Reference: Minsky, 1967, "Computation: Finite and Infinite Machines", section 14.8.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rnnshare.machines.interpreters import TapeMoment

Rules = Sequence[Sequence[int]]
# Letters a^n lead to a^(n / 2) or a^((3 n + 1) / 2), as n is even or odd (De Mol, 2008,
# "Tag systems and Collatz-like functions").
COLLATZ: Rules = ((1, 2), (0,), (0, 0, 0))


class Tape(NamedTuple):
    """What to write on the tape, and where the head starts."""

    symbols: list[str]
    head: int


def run_tag(rules: Rules, word: Sequence[int]) -> Iterator[list[int]]:
    """Yields the words of a 2-tag system, until one has less than two letters."""
    held = list(word)
    yield list(held)
    while len(held) >= 2:
        held = held[2:] + list(rules[held[0]])
        yield list(held)


def lengths_of(rules: Rules) -> list[int]:
    """Returns N_i, the number of `y` that stand for letter i."""
    lengths = [1]
    for rule in rules:
        lengths.append(lengths[-1] + len(rule) + 1)
    return lengths[: len(rules)]


def to_tape(rules: Rules, word: Sequence[int]) -> Tape:
    """Returns the tape on which Minsky's machine runs a 2-tag system on a word."""
    lengths = lengths_of(rules)
    backwards = ["".join("1" + "0" * (lengths[j] + 1) for j in rule) for rule in rules]
    program = "".join(rule + "11" for rule in backwards)[::-1]
    letters = "A".join("y" * lengths[i] for i in word)
    return Tape(list(program + letters), len(program))


def read_word(rules: Rules, tape: str) -> list[int] | None:
    """Returns the word on a tape where a step of the tag system has ended, else None.

    Args:
      rules: those of the tag system.
      tape: from the start of the rules on; they must stand there as they were.
    """
    program, at = to_tape(rules, ())
    text = "".join(program)
    rest = tape[at:].strip("01")
    if not tape.startswith(text) or not re.fullmatch("y+(A+y+)*", rest):
        return None
    letters = {"y" * n: i for i, n in enumerate(lengths_of(rules))}
    found = [letters.get(code) for code in rest.split("A")]
    return None if None in found else [i for i in found if i is not None]


def words_of(
    rules: Rules, word: Sequence[int], moments: Iterable[TapeMoment]
) -> Iterator[list[int]]:
    """Yields a word, and those to which Minsky's machine then turns it on its tape.

    Args:
      rules: those of the tag system.
      word: that the machine was started on.
      moments: of the machine; see `rnnshare.machines.run_tape`.
    """
    last = list(word)
    yield last
    for moment in moments:
        if moment.state not in ("q1", "q2") or moment.tape.get(moment.head) != "y":
            continue
        text = "".join(moment.tape.get(i, "0") for i in range(max(moment.tape) + 1))
        found = read_word(rules, text)
        if found is not None and found != last:
            last = found
            yield last
