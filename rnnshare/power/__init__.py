"""What an RNN with shared weights can compute: machines compiled into tied cells.

`load` and `parse` give machines, `run_*` run them, `compile_*` make cells of them, and
`follow_*` run both side by side, in exact arithmetic and in floats.
`compile_with_clock` makes one tied network of the weights of T steps.

References: McCulloch and Pitts, 1943, "A logical calculus of the ideas immanent in
nervous activity" (automata); Siegelmann and Sontag, 1995, "On the computational power
of neural nets" (Turing machines).
"""

from rnnshare.power.agreement import (
    Agreement,
    Moment,
    follow_exactly,
    follow_in_floats,
    moments_of,
    read_carry,
    stacks_at_start,
)
from rnnshare.power.automata import CompiledAutomaton, compile_automaton
from rnnshare.power.clock import compile_with_clock
from rnnshare.power.clocked import Clocked
from rnnshare.power.compiler import CompiledStacks, StackCode, compile_stacks
from rnnshare.power.depth import measured_capacity, push_and_pop
from rnnshare.power.exact import Dyadic, ExactCell
from rnnshare.power.interpreters import (
    run_automaton,
    run_stacks,
    run_tape,
    stacks_of_tape,
    tops_of,
)
from rnnshare.power.machines import (
    Action,
    Automaton,
    Edge,
    Move,
    StackMachine,
    StackRule,
    TuringMachine,
    as_stack_machine,
)
from rnnshare.power.parsing import load, names, parse
from rnnshare.power.precision import bits_of, capacity, first_error, fits
from rnnshare.power.tag import COLLATZ, read_word, run_tag, to_tape, words_of
from rnnshare.power.wiring import WiredCell, Wiring, saturated_linear

__all__ = [
    "COLLATZ",
    "Action",
    "Agreement",
    "Automaton",
    "Clocked",
    "CompiledAutomaton",
    "CompiledStacks",
    "Dyadic",
    "Edge",
    "ExactCell",
    "Moment",
    "Move",
    "StackCode",
    "StackMachine",
    "StackRule",
    "TuringMachine",
    "WiredCell",
    "Wiring",
    "as_stack_machine",
    "bits_of",
    "capacity",
    "compile_automaton",
    "compile_stacks",
    "compile_with_clock",
    "first_error",
    "fits",
    "follow_exactly",
    "follow_in_floats",
    "load",
    "measured_capacity",
    "moments_of",
    "names",
    "parse",
    "push_and_pop",
    "read_carry",
    "read_word",
    "run_automaton",
    "run_stacks",
    "run_tag",
    "run_tape",
    "saturated_linear",
    "stacks_at_start",
    "stacks_of_tape",
    "to_tape",
    "tops_of",
    "words_of",
]
