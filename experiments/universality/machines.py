"""What C1 runs: machines in three arithmetics, and stacks as deep as they hold."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from rnnshare.machines import (
    COLLATZ,
    Automaton,
    Moment,
    bits_of,
    capacity,
    compile_automaton,
    compile_stacks,
    first_error,
    follow_exactly,
    follow_in_floats,
    load,
    measured_capacity,
    moments_of,
    push_and_pop,
    run_automaton,
    run_tag,
    run_tape,
    stacks_at_start,
    to_tape,
    words_of,
)

FLOATS = {"float64": np.float64, "float32": np.float32}
# Stacks have their tops last; a tape comes with the position of the head.
TAG_WORD = [0] * 7
STARTS: dict[str, Any] = {
    "brackets": [list("([[]()][])")[::-1], []],
    "doubler": [["1"], []],
    "increment": (list("1011011101111111"), 0),
    "minsky": tuple(to_tape(COLLATZ, TAG_WORD)),
}
EMPTY_TAPE: tuple[list[str], int] = ([], 0)
PATTERNS = ("all first", "all last", "in turn", "random")


class Run(NamedTuple):
    """What came of one machine.

    Attributes:
      machine: its name.
      sizes: states, symbols, units of the cell, cell steps a step.
      num_steps: that were compared in exact arithmetic.
      halts: whether it halted.
      differs: the first step at which the exact cell differs, if any.
      floats: `{float: (predicted, measured)}`, the step of the first error, if any.
    """

    machine: str
    sizes: tuple[int, int, int, int]
    num_steps: int
    halts: bool
    differs: int | None
    floats: dict[str, tuple[int | None, int | None]]


class Depth(NamedTuple):
    """How many symbols one base and pattern push and pop: `{float: count}` each."""

    base: int
    pattern: str
    predicted: dict[str, int]
    measured: dict[str, int]


def run_machine(machine: str, most_steps: int) -> Run:
    """Runs one of the machines of the package in all three arithmetics."""
    program = load(machine)
    if isinstance(program, Automaton):
        return _run_automaton(machine, program, most_steps)
    start = STARTS.get(machine, EMPTY_TAPE)
    stacked, stacks = stacks_at_start(program, start)
    compiled = compile_stacks(stacked)

    def moments() -> Iterator[Moment]:
        return moments_of(program, start, most_steps)

    exact = follow_exactly(compiled, moments())
    floats = {}
    for kind, dtype in FLOATS.items():
        (found,) = follow_in_floats(compiled, [moments()], dtype)
        bits = bits_of(dtype)
        expected = first_error(stacked, compiled.code, stacks, most_steps, bits)
        floats[kind] = expected, found.first_error
    # Where it halts, one moment more was compared.
    halts = exact.first_error is None and exact.num_steps < most_steps
    return Run(
        machine,
        _sizes(program.states, program.symbols, compiled),
        exact.num_steps - halts,
        halts,
        exact.first_error,
        floats,
    )


def _sizes(states: Any, symbols: Any, compiled: Any) -> tuple[int, int, int, int]:
    units = len(compiled.cell.units)
    return len(states), len(symbols), units, compiled.cell_steps


def _run_automaton(name: str, machine: Automaton, num_steps: int) -> Run:
    compiled = compile_automaton(machine)
    rng = np.random.default_rng(0)
    word = [str(x) for x in rng.choice(machine.alphabet, num_steps)]
    wanted = [*run_automaton(machine, word)]

    def differs(found: list) -> int | None:
        pairs = enumerate(zip(wanted, found, strict=True), 1)
        return next((step for step, (a, b) in pairs if a != b), None)

    floats: dict[str, tuple[int | None, int | None]] = {}
    for kind, dtype in FLOATS.items():
        _, outputs = compiled.cell.run(compiled.encode(word), compiled.start(), dtype)
        floats[kind] = None, differs(compiled.decode(outputs))
    return Run(
        name,
        _sizes(machine.states, machine.alphabet, compiled),
        num_steps,
        False,
        differs(compiled.run_exactly(word)),
        floats,
    )


def measure_depth(base: int, pattern: str, num_bits: int) -> Depth:
    """Predicts and measures how many symbols are pushed and popped without fault.

    Args:
      base: of the stack; at the base 2 there is one symbol, else there are two.
      pattern: one of `PATTERNS`.
      num_bits: how many bits to push, at least.
    """
    alphabet = ("1",) if base == 2 else ("1", "2")
    count = num_bits // (base.bit_length() - 1) + 2
    symbols = {
        "all first": [alphabet[0]] * count,
        "all last": [alphabet[-1]] * count,
        "in turn": [alphabet[i % len(alphabet)] for i in range(count)],
        "random": [str(x) for x in np.random.default_rng(base).choice(alphabet, count)],
    }[pattern]
    compiled = compile_stacks(push_and_pop(symbols, alphabet), base)
    return Depth(
        base,
        pattern,
        {k: capacity(compiled.code, symbols, bits_of(d)) for k, d in FLOATS.items()},
        {k: measured_capacity(compiled, d) for k, d in FLOATS.items()},
    )


def tag_steps(num_steps: int) -> int:
    """Returns how many steps of the tag system Minsky's machine makes; checks them.

    Raises:
      RuntimeError: if it writes a word that the tag system does not.
    """
    symbols, head = to_tape(COLLATZ, TAG_WORD)
    machine: Any = load("minsky")
    moments = run_tape(machine, symbols, num_steps, head)
    count, right = 0, run_tag(COLLATZ, TAG_WORD)
    for count, word in enumerate(words_of(COLLATZ, TAG_WORD, moments)):  # noqa: B007
        wanted = next(right)
        if word != wanted:
            raise RuntimeError(f"The universal machine wrote {word} for {wanted}.")
    return count
