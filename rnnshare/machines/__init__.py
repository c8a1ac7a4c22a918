"""What an RNN with shared weights can compute: machines compiled into tied cells.

`load` and `parse` give machines, `run_*` run them, `compile_*` make cells of them, and
`follow_*` run both side by side, in exact arithmetic and in floats.
`compile_with_clock` makes one tied network of the weights of T steps.

References: McCulloch and Pitts, 1943, "A logical calculus of the ideas immanent in
nervous activity" (automata); Siegelmann and Sontag, 1995, "On the computational power
of neural nets" (Turing machines).
"""

from rnnshare.machines.agreement import (
    Agreement,
    Moment,
    follow_exactly,
    follow_in_floats,
    moments_of,
    read_carry,
    stacks_at_start,
)
from rnnshare.machines.automata import CompiledAutomaton, compile_automaton
from rnnshare.machines.clock import compile_with_clock
from rnnshare.machines.clocked import Clocked
from rnnshare.machines.compiler import CompiledStacks, StackCode, compile_stacks
from rnnshare.machines.depth import measured_capacity, push_and_pop
from rnnshare.machines.exact import Dyadic, ExactCell
from rnnshare.machines.interpreters import (
    run_automaton,
    run_stacks,
    run_tape,
    stacks_of_tape,
    tops_of,
)
from rnnshare.machines.machines import (
    Action,
    Automaton,
    Edge,
    Move,
    StackMachine,
    StackRule,
    TuringMachine,
    as_stack_machine,
)
from rnnshare.machines.parsing import load, names, parse
from rnnshare.machines.precision import bits_of, capacity, first_error, fits
from rnnshare.machines.tag import COLLATZ, read_word, run_tag, to_tape, words_of
from rnnshare.machines.wiring import WiredCell, Wiring, saturated_linear

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
