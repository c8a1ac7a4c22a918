"""Finite automata and transducers as tied cells: one step of the cell a symbol.

There is a unit for each rule (q, x), and one for the start. With t the rules that lead
to q, and the start among them if q is where the automaton starts,

    h'[q, x] = clip(sum_{r in t(q)} h[r] + x - 1, 0, 1)

Exactly one unit is 1 after every symbol: the rule that was followed. It says where the
automaton is, and what it writes. All numbers are 0 or 1, so floats make no error.

Reference: Minsky, 1967, "Computation: Finite and Infinite Machines", chapter 3.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from rnnshare.machines.exact import ONE, Carry, ExactCell
from rnnshare.machines.machines import Automaton
from rnnshare.machines.wiring import WiredCell, Wiring

_START = "at the start"  # no name of a symbol or a rule


@dataclasses.dataclass(frozen=True, eq=False)
class CompiledAutomaton:
    """An automaton as a cell: (D) symbols in, (H) rules and the start.

    Attributes:
      machine: the automaton.
      cell: the cell.
    """

    machine: Automaton
    cell: WiredCell
    cell_steps = 1

    def start(self) -> np.ndarray:
        """Returns the initial carry [H]."""
        carry = np.zeros(len(self.cell.units))
        carry[self.cell.index[_START]] = 1
        return carry

    def encode(self, word: Sequence[str]) -> np.ndarray:
        """Returns a word as inputs [T, D], one of D is 1.

        Raises:
          ValueError: if a symbol is not of the alphabet.
        """
        unknown = set(word) - set(self.cell.inputs)
        if unknown:
            raise ValueError(
                f"The word holds {sorted(unknown)}, but the automaton reads "
                f"{', '.join(self.cell.inputs)} only."
            )
        places = [self.cell.inputs.index(symbol) for symbol in word]
        return np.eye(len(self.cell.inputs))[places]

    def decode(self, outputs: np.ndarray) -> list[tuple[str, str | None] | None]:
        """Returns (state, output) of each of the outputs [T, H], None for a broken one.

        Broken is whatever is not exactly one 1 among zeros.
        """
        edges = [*self.machine.edges.values()]
        found: list[tuple[str, str | None] | None] = []
        for row in outputs:
            at = np.flatnonzero(row)
            fine = len(at) == 1 and row[at[0]] == 1 and at[0] < len(edges)
            found.append(tuple(edges[at[0]]) if fine else None)
        return found

    def run_exactly(self, word: Sequence[str]) -> list[tuple[str, str | None] | None]:
        """Returns what `decode` does, of the cell in exact arithmetic."""
        step, edges = ExactCell(self.cell), [*self.machine.edges.values()]
        carry: Carry = {self.cell.index[_START]: ONE}
        places = {symbol: i for i, symbol in enumerate(self.cell.inputs)}
        found: list[tuple[str, str | None] | None] = []
        for symbol in word:
            carry = step(carry, (places[symbol],))
            fine = list(carry.values()) == [ONE] and min(carry) < len(edges)
            found.append(tuple(edges[min(carry)]) if fine else None)  # type: ignore[arg-type]
        return found


def compile_automaton(machine: Automaton) -> CompiledAutomaton:
    """Returns a finite automaton or transducer as a tied cell of |Q| |alphabet| + 1.

    Args:
      machine: the automaton.
    """
    wiring = Wiring(machine.alphabet)
    rules = {at: wiring.add(f"rule {' '.join(at)}", bias=-1) for at in machine.edges}
    wiring.add(_START)
    for (state, symbol), unit in rules.items():
        sources = [
            rules[at] for at, edge in machine.edges.items() if edge.state == state
        ]
        if state == machine.start:
            sources.append(_START)
        wiring.join(unit, {symbol: 1, **dict.fromkeys(sources, 1)})
    return CompiledAutomaton(machine, wiring.build())
