"""The text format of machines: a rule a line, with a head of `name: value` lines.

    kind: turing           kind: stack                kind: automaton
    blank: 0               stacks: 2                  start: even
    start: A               blank: _                   even 0 -> even
    A 0 -> 1 R B           start: s                   even 1 -> odd
                           s 1 * -> t pop +1+1

An automaton's rule is `state symbol -> state`, and one word more, the output, in a
transducer. A stack machine's has a top a stack, `*` for any, and after its next state
an action a stack: `.` nothing, `pop` take the top, `+a+b` lay a, then b on it, `pop+a`
both. A Turing machine's is `state symbol -> symbol L|R state`. A machine halts where no
rule applies. A line that begins with `#` is a remark.
"""

import hashlib
import pathlib
import re
from collections.abc import Callable, Mapping

from rnnshare.machines.machines import (
    Action,
    Automaton,
    Edge,
    Move,
    StackMachine,
    StackRule,
    TuringMachine,
)

Machine = Automaton | StackMachine | TuringMachine
Rule = tuple[int, list[str], list[str]]  # number of the line, left side, right side
_FOLDER = pathlib.Path(__file__).parent / "programs"


def names() -> list[str]:
    """Returns the names of the machines that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.txt"))


def load(name: str) -> Machine:
    """Returns one of the machines that come with the package.

    Args:
      name: one of `names()`.

    Raises:
      ValueError: if there is no such machine, or its file is not as `SHA256SUMS` beside
        it says: rows of another machine would go by its name.
    """
    if name not in names():
        raise ValueError(f"There is no machine {name!r}. Use one of {names()}.")
    path, sums = _FOLDER / f"{name}.txt", _FOLDER / "SHA256SUMS"
    content = path.read_bytes()
    line = f"{hashlib.sha256(content).hexdigest()}  {path.name}"
    if line not in sums.read_text("utf-8", errors="replace").splitlines():
        raise ValueError(
            f"{path} is not as {sums} says. Install rnnshare again, or if you meant to "
            "change it, parse a file of your own."
        )
    return parse(content.decode("utf-8"))


def parse(text: str) -> Machine:
    """Returns the machine that a text describes.

    Args:
      text: in the format above.

    Raises:
      ValueError: if a line is wrong, which it names, or one is missing.
    """
    head: dict[str, str] = {}
    rules: list[Rule] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if "->" in words:
            cut = words.index("->")
            rules.append((number, words[:cut], words[cut + 1 :]))
        elif len(words) == 2 and words[0].endswith(":"):
            name = words[0][:-1]
            if name in head:
                raise _wrong(number, f"{name!r} is given twice")
            head[name] = words[1]
        else:
            raise _wrong(
                number,
                f"{line.strip()!r} is no rule ('A 0 -> 1 R B') and no 'name: value'",
            )
    kind = _take(head, "kind")
    if kind not in _READERS:
        raise ValueError(f"kind is {kind!r}. Use one of {', '.join(_READERS)}.")
    machine = _READERS[kind](head, rules)
    if head:
        raise ValueError(f"A machine of kind {kind!r} has no {', '.join(head)}.")
    return machine


def _take(head: dict[str, str], name: str) -> str:
    if name not in head:
        raise ValueError(f"The machine has no line '{name}: ...'. Add it at the top.")
    return head.pop(name)


def _wrong(number: int, what: str) -> ValueError:
    return ValueError(f"line {number}: {what}.")


def _check(rule: Rule, left: int, right: tuple[int, ...], form: str) -> None:
    number, before, after = rule
    if len(before) != left or len(after) not in right:
        given = f"{' '.join(before)} -> {' '.join(after)}"
        raise _wrong(number, f"{given!r} does not have the form '{form}'")


def _check_new(number: int, at: tuple[str, ...], known: Mapping) -> None:
    if at in known:
        raise _wrong(number, f"there is another rule for {' '.join(at)!r} above")


def _read_automaton(head: dict[str, str], rules: list[Rule]) -> Automaton:
    edges: dict[tuple[str, str], Edge] = {}
    for rule in rules:
        _check(rule, 2, (1, 2), "state symbol -> state [output]")
        number, (state, symbol), after = rule
        _check_new(number, (state, symbol), edges)
        edges[state, symbol] = Edge(*after)
    return Automaton(_take(head, "start"), edges)


def _read_turing(head: dict[str, str], rules: list[Rule]) -> TuringMachine:
    moves: dict[tuple[str, str], Move] = {}
    for rule in rules:
        _check(rule, 2, (3,), "state symbol -> symbol L|R state")
        number, (state, symbol), after = rule
        _check_new(number, (state, symbol), moves)
        if after[1] not in ("L", "R"):
            raise _wrong(number, f"the move is {after[1]!r}, but can be L or R only")
        moves[state, symbol] = Move(*after)
    return TuringMachine(_take(head, "start"), _take(head, "blank"), moves)


def _read_stack(head: dict[str, str], rules: list[Rule]) -> StackMachine:
    stacks = _take(head, "stacks")
    if not re.fullmatch("[1-9][0-9]*", stacks):
        raise ValueError(f"stacks is {stacks!r}. Use a number of at least 1.")
    count = int(stacks)
    form = " ".join(["state", *["top"] * count, "-> state", *["action"] * count])
    found = []
    for rule in rules:
        _check(rule, count + 1, (count + 1,), form)
        number, (state, *tops), (next_state, *actions) = rule
        found.append(
            StackRule(
                state,
                tuple(None if top == "*" else top for top in tops),
                next_state,
                tuple(_action(number, word) for word in actions),
            )
        )
    return StackMachine(_take(head, "start"), _take(head, "blank"), tuple(found))


def _action(number: int, word: str) -> Action:
    if word == ".":
        return Action()
    match = re.fullmatch(r"(pop)?((?:\+[^+]+)*)", word)
    if match is None:
        raise _wrong(
            number, f"{word!r} is no action. Use '.', 'pop', '+a' or 'pop+a+b'"
        )
    return Action(match[1] is not None, tuple(match[2].split("+")[1:]))


_READERS: dict[str, Callable[[dict[str, str], list[Rule]], Machine]] = {
    "automaton": _read_automaton,
    "stack": _read_stack,
    "turing": _read_turing,
}
