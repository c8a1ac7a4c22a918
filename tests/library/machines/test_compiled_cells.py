"""The tied cells made of machines, against interpreters."""

import dataclasses
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import RNN, Tied, Untied, unroll
from rnnshare.machines import (
    Action,
    Automaton,
    Edge,
    ExactCell,
    Move,
    StackMachine,
    StackRule,
    TuringMachine,
    as_stack_machine,
    compile_automaton,
    compile_stacks,
    follow_exactly,
    follow_in_floats,
    load,
    moments_of,
    read_carry,
    run_automaton,
    run_stacks,
    stacks_at_start,
    tops_of,
)
from tests.library.machines.test_machines import BEAVERS


def exact_end(compiled, stacks, num_steps):
    """Returns (state, numbers) of the exact cell after so many steps of the machine."""
    step, carry = ExactCell(compiled.cell), compiled.encode(stacks)
    for _ in range(3 * num_steps):
        carry = step(carry)
    return read_carry(compiled, carry)


def written(code, number):
    """Returns the symbols of a number, the top first: digits by division."""
    value, found = Fraction(number.mantissa, 2**number.exponent), []
    symbols = {digit: symbol for symbol, digit in code.digits.items()}
    while value:
        digit = int(value * code.base)
        value = value * code.base - digit
        found.append(symbols[digit])
    return found


@pytest.mark.parametrize("seed", range(5))
def test_random_automata(seed):
    rng = np.random.default_rng(seed)
    states = [f"s{i}" for i in range(rng.integers(1, 6))]
    alphabet = [f"x{i}" for i in range(rng.integers(1, 4))]
    writes = seed % 2 == 0
    edges = {
        (s, x): Edge(str(rng.choice(states)), str(rng.integers(3)) if writes else None)
        for s in states
        for x in alphabet
    }
    machine = Automaton(states[0], edges)
    compiled = compile_automaton(machine)
    assert len(compiled.cell.units) == len(states) * len(alphabet) + 1
    word = [str(x) for x in rng.choice(alphabet, 100)]
    wanted = [*run_automaton(machine, word)]
    assert compiled.run_exactly(word) == wanted
    if seed < 2:
        _, outputs = compiled.cell.run(compiled.encode(word), compiled.start())
        assert outputs.dtype == np.float32
        assert compiled.decode(outputs) == wanted


def random_stack_machine(rng, num_stacks=2):
    """Draws a machine of some states whose rules leave some tops out."""
    states = [f"s{i}" for i in range(rng.integers(1, 5))]
    symbols = ["_", "a", "b", "c"][: rng.integers(2, 5)]
    pushed = symbols[rng.integers(2) :]  # with or without the blank

    def action():
        count = rng.choice([0, 0, 1, 2])
        return Action(bool(rng.integers(2)), tuple(map(str, rng.choice(pushed, count))))

    rules = []
    for state in states:
        any_top = rng.integers(2, size=num_stacks).astype(bool)
        choices = [[None] if free else symbols for free in any_top]
        for tops in np.stack(np.meshgrid(*choices), -1).reshape(-1, num_stacks):
            if rng.random() < 0.9:
                actions = tuple(action() for _ in range(num_stacks))
                rules.append(
                    StackRule(state, tuple(tops), str(rng.choice(states)), actions)
                )
    return StackMachine(rules[0].state, "_", tuple(rules))


@pytest.mark.parametrize("seed", range(40))
def test_random_stack_machines(seed):
    rng = np.random.default_rng(seed)
    machine = random_stack_machine(rng, int(rng.integers(1, 4)))
    fill = machine.symbols[1:]
    stacks = [
        [str(x) for x in rng.choice(fill, rng.integers(6))] if fill else []
        for _ in range(machine.num_stacks)
    ]
    compiled = compile_stacks(machine)
    found = follow_exactly(compiled, moments_of(machine, stacks, 80))
    assert found.first_error is None
    assert found.num_steps > 0


@pytest.mark.parametrize("seed", range(20))
def test_random_turing_machines(seed):
    rng = np.random.default_rng(seed)
    states, symbols = list("ABCD"), list("_xyz")[: rng.integers(2, 5)]
    moves = {
        (s, x): Move(str(rng.choice(symbols)), "LR"[rng.integers(2)],
                     str(rng.choice(states)))
        for s in states for x in symbols if (s, x) == ("A", "_") or rng.random() < 0.95
    }  # fmt: skip
    machine = TuringMachine("A", "_", moves)
    tape = [str(x) for x in rng.choice(symbols, 9)]
    stacked, stacks = stacks_at_start(machine, (tape, 4))
    # Three ways: the tape, the two stacks, and the cell.
    for one, other in zip(
        moments_of(machine, (tape, 4), 60),
        run_stacks(stacked, stacks, 60),
        strict=False,
    ):
        assert one[0] == other.state
        assert tops_of(stacked, one[1]) == tops_of(stacked, other.stacks)
    found = follow_exactly(compile_stacks(stacked), moments_of(machine, (tape, 4), 60))
    assert found.first_error is None


@pytest.mark.parametrize(
    ("name", "steps", "ones"), [(n, *v) for n, v in BEAVERS.items()]
)
def test_busy_beavers_on_the_exact_cell(name, steps, ones):
    machine = load(name)
    compiled = compile_stacks(as_stack_machine(machine))
    for count in (steps, steps + 20):  # and there it stays
        state, numbers = exact_end(compiled, [[], []], count)
        assert state == "H"
        symbols = [x for number in numbers for x in written(compiled.code, number)]
        assert symbols.count("1") == ones
    assert exact_end(compiled, [[], []], steps - 1)[0] != "H"


@pytest.mark.parametrize("number", [5, 255])
def test_increment_on_the_exact_cell(number):
    stacked, stacks = stacks_at_start(load("increment"), (list(f"{number:b}"), 0))
    compiled = compile_stacks(stacked)
    state, numbers = exact_end(compiled, stacks, 40)
    assert state == "halt"
    left, right = (written(compiled.code, number) for number in numbers)
    assert int("".join([*reversed(left), *right]), 2) == number + 1


def test_the_float_cell_is_the_exact_cell_where_floats_suffice():
    compiled = compile_stacks(load("brackets"))
    stacks = [list("([])")[::-1], []]
    carry = compiled.encode_floats(stacks, 24)
    _, outputs = compiled.cell.run(np.zeros((18, 0)), carry)
    step, exact = ExactCell(compiled.cell), compiled.encode(stacks)
    for row in outputs:
        exact = step(exact)
        wanted = np.zeros(len(row), np.float32)
        for unit, value in exact.items():
            wanted[unit] = float(value)
        # No rounding: these are fractions of few bits, which every program adds alike.
        np.testing.assert_array_equal(row, wanted)
    assert read_carry(compiled, exact)[0] == "accept"


def test_the_cell_is_one_of_rnn_and_of_unroll():
    compiled = compile_stacks(as_stack_machine(load("beaver2")))
    rnn = RNN(compiled.cell.make_cell, Tied(), rngs=nnx.Rngs(0))
    stored = compiled.cell.stored()
    for name, weights in rnn.stored.items():
        assert weights.keys() == stored[name].keys()
        for key, w in weights.items():
            np.testing.assert_array_equal(w, stored[name][key])
    carry = jnp.asarray(compiled.encode_floats([[], []], 24), jnp.float32)
    last, outputs = rnn(
        jnp.zeros((18, 0)), initial_carry=carry, return_carry=True, time_major=True
    )
    own_last, own_outputs = compiled.cell.run(np.zeros((18, 0)), carry)
    # Fractions of few bits again: no sum of them is rounded.
    np.testing.assert_array_equal(last, own_last)
    np.testing.assert_array_equal(outputs, own_outputs)
    halted = compiled.machine.states.index("H")
    assert last[compiled.state_units[halted]] == 1


@pytest.mark.parametrize("sharing", [Tied(), Untied(3)])
def test_inputs_without_features(sharing):
    rnn = RNN(compile_stacks(load("doubler")).cell.make_cell, sharing, rngs=nnx.Rngs(0))
    carry = jnp.linspace(0.0, 1.0, rnn.cell.bind().hidden_features)
    ways = [
        unroll(_step(rnn), sharing, rnn.stored, jnp.zeros((3, 0)), carry,
               implementation=name)[1]
        for name in ("fused", "scan")
    ]  # fmt: skip
    np.testing.assert_allclose(*ways, atol=1e-6)


def _step(rnn):
    from rnnshare.models.rnn import step_of

    return step_of(rnn.cell)


def test_a_wrong_weight_is_found():
    machine = load("beaver4")
    compiled = compile_stacks(as_stack_machine(machine))
    kernel = compiled.cell.recurrent_kernel.copy()
    kernel[np.nonzero(kernel == 0.5)] = 0.25
    kernel[np.nonzero(kernel == 0.125)] = 0.25
    broken = dataclasses.replace(
        compiled, cell=dataclasses.replace(compiled.cell, recurrent_kernel=kernel)
    )
    assert follow_exactly(broken, moments_of(machine, ([], 0), 107)).first_error > 0
    (found,) = follow_in_floats(
        broken, [moments_of(machine, ([], 0), 107)], np.float32, 50
    )
    assert found.first_error > 0


def test_runs_of_unequal_length_are_followed_in_chunks():
    machine = load("counter")
    compiled = compile_stacks(as_stack_machine(machine))
    lengths = (5, 40, 10)

    def runs():
        return [moments_of(machine, ([], 0), length) for length in lengths]

    for chunk in (10, 100):
        found = follow_in_floats(compiled, runs(), np.float64, chunk)
        assert found == [(None, length) for length in lengths]


def test_symbols_may_have_any_name():
    plain, renamed = "01", ("start", "a start")
    edges = {
        (state, symbol): Edge("ab"[(state == "b") != (symbol == "1")], symbol)
        for state in "ab" for symbol in plain
    }  # fmt: skip
    names = dict(zip(plain, renamed, strict=True))
    other = {
        (state, names[symbol]): edge for (state, symbol), edge in edges.items()
    }  # fmt: skip
    word = "0110100"
    wanted = [*run_automaton(Automaton("a", edges), word)]
    compiled = compile_automaton(Automaton("a", other))
    spoken = [names[symbol] for symbol in word]
    assert compiled.run_exactly(spoken) == wanted
    _, outputs = compiled.cell.run(compiled.encode(spoken), compiled.start())
    assert compiled.decode(outputs) == wanted
