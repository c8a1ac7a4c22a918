"""The machine that measures a float: it pushes some symbols and pops them all."""

from collections.abc import Sequence
from typing import Any

from rnnshare.machines.agreement import follow_in_floats
from rnnshare.machines.compiler import CompiledStacks
from rnnshare.machines.interpreters import run_stacks
from rnnshare.machines.machines import Action, StackMachine, StackRule


def push_and_pop(
    symbols: Sequence[str], alphabet: Sequence[str], blank: str = "_"
) -> StackMachine:
    """Returns the machine that pushes these symbols in their order, then pops them.

    Started in `push i`, it pushes those from i on only. It halts in `pop`.

    Args:
      symbols: what to push.
      alphabet: what it pops, in the order of the digits.
      blank: what the empty stack reads as.
    """
    names = [*map(_push_state, range(len(symbols))), "pop"]
    rules = [
        StackRule("pop", (symbol,), "pop", (Action(pop=True),)) for symbol in alphabet
    ]
    rules += [
        StackRule(names[i], (None,), names[i + 1], (Action(push=(symbol,)),))
        for i, symbol in enumerate(symbols)
    ]
    return StackMachine(names[0], blank, tuple(rules))


def measured_capacity(compiled: CompiledStacks, dtype: Any) -> int:
    """Returns how many symbols a float cell pushes and pops without fault.

    The largest n such that the last 1, 2, ..., n of its symbols all go well.

    Args:
      compiled: a cell made of `push_and_pop(symbols, alphabet)`.
      dtype: float32 or float64.
    """
    most = len(compiled.machine.states) - 1
    num_steps = 2 * most + 1
    runs = [
        (
            (at.state, at.stacks)
            for at in run_stacks(
                compiled.machine, [[]], num_steps, _push_state(most - count)
            )
        )
        for count in range(1, most + 1)
    ]
    found = follow_in_floats(compiled, runs, dtype, chunk=num_steps + 1)
    wrong = [i for i, one in enumerate(found) if one.first_error is not None]
    return min(wrong, default=most)


def _push_state(i: int) -> str:
    return f"push {i}"
