"""Machines and the tied cells made of them: known values, oracles, floats."""

import dataclasses
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments import turing_runs, turing_study
from rnnshare import RNN, Tied, Untied, unroll
from rnnshare.power import (
    COLLATZ,
    Action,
    Automaton,
    Dyadic,
    Edge,
    ExactCell,
    Move,
    StackCode,
    StackMachine,
    StackRule,
    TuringMachine,
    Wiring,
    as_stack_machine,
    bits_of,
    capacity,
    compile_automaton,
    compile_stacks,
    first_error,
    fits,
    follow_exactly,
    follow_in_floats,
    load,
    measured_capacity,
    moments_of,
    names,
    parse,
    push_and_pop,
    read_carry,
    read_word,
    run_automaton,
    run_stacks,
    run_tag,
    run_tape,
    stacks_at_start,
    to_tape,
    tops_of,
)

BEAVERS = {"beaver2": (6, 4), "beaver3": (14, 6), "beaver4": (107, 13)}


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


# Interpreters against what is known of the machines.


@pytest.mark.parametrize(
    ("name", "steps", "ones"), [(n, *v) for n, v in BEAVERS.items()]
)
def test_busy_beavers_halt_when_they_should(name, steps, ones):
    moments = [*run_tape(load(name), [], steps + 5)]
    assert [moment.halted for moment in moments].index(True) == steps
    assert list(moments[-1].tape.values()) == ["1"] * ones
    assert moments[-1].state == "H"


def test_the_five_state_busy_beaver_runs_on():
    *_, last = run_tape(load("beaver5"), [], 20_000)
    assert not last.halted
    # From the table of Marxen and Buntrock, run by itself as two halves of a string.
    rules = ["1RB1LC", "1RC1RB", "1RD0LE", "1LA1LD", "1RH0LA"]
    left, right, state = [], ["0"], "A"
    for _ in range(20_000):
        rule = rules["ABCDE".index(state)][3 * int(right.pop()) :]
        if rule[1] == "R":
            left.append(rule[0])
        else:
            right += [rule[0], left.pop() if left else "0"]
        right, state = right or ["0"], rule[2]
    assert state == last.state
    assert (left + right).count("1") == len(last.tape)


@pytest.mark.parametrize("number", [0, 1, 2, 7, 11, 255, 1023])
def test_increment_adds_one(number):
    machine = load("increment")
    moments = [*run_tape(machine, list(f"{number:b}"), 60)]
    last = moments[-1]
    assert last.halted
    digits = "".join(last.tape[i] for i in sorted(last.tape))
    assert int(digits, 2) == number + 1


def test_the_counter_counts():
    machine, seen = load("counter"), []
    for moment in run_tape(machine, [], 3_000):
        digits = "".join(moment.tape[i] for i in sorted(moment.tape))
        if moment.state == "add" and moment.head == 0 and digits:
            seen.append(int(digits, 2))
    assert not moment.halted
    assert len(seen) > 100
    assert seen == [*range(1, len(seen) + 1)]


@pytest.mark.parametrize(
    ("word", "fine"),
    [("", True), ("()", True), ("([[]()][])", True), ("(]", False), (")", False),
     ("((", False), ("[()", False)],
)  # fmt: skip
def test_brackets(word, fine):
    *_, last = run_stacks(load("brackets"), [list(word)[::-1], []], len(word) + 2)
    assert (last.state == "accept") == fine
    assert last.rule is None


def test_the_doubler_doubles():
    heights = [len(at.stacks[1]) for at in run_stacks(load("doubler"), [["1"], []], 60)]
    turns = [h for h in heights if h]
    assert max(turns) == 32  # 2, 8 and 32 on this side; 4 and 16 on the other
    assert heights[1] == 2


def test_the_adder_adds():
    for a, b in ((0, 0), (5, 9), (1023, 1), (700, 877)):
        word = [f"{a >> i & 1}{b >> i & 1}" for i in range(12)]
        bits = [int(output) for _, output in run_automaton(load("adder"), word)]
        assert sum(bit << i for i, bit in enumerate(bits)) == a + b


@pytest.mark.parametrize(
    ("rules", "word"), [(COLLATZ, [0] * 3), ([[1], [1, 0, 1]], [1, 0, 0, 1, 1, 1])]
)
def test_the_universal_machine_runs_tag_systems(rules, word):
    tape, found = to_tape(rules, word), [word]
    for moment in run_tape(load("minsky"), tape.symbols, 6_000, tape.head):
        if moment.state in ("q1", "q2") and moment.tape.get(moment.head) == "y":
            text = "".join(moment.tape.get(i, "0") for i in range(max(moment.tape) + 1))
            now = read_word(rules, text)
            if now is not None and now != found[-1]:
                found.append(now)
    assert len(found) > 5
    words = run_tag(rules, word)
    assert found == [next(words) for _ in found]


# Compiled cells against interpreters.


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
    start = rules[0].state if rules else states[0]
    return StackMachine(start, "_", tuple(rules)) if rules else None


@pytest.mark.parametrize("seed", range(40))
def test_random_stack_machines(seed):
    rng = np.random.default_rng(seed)
    machine = random_stack_machine(rng, int(rng.integers(1, 4)))
    if machine is None:
        pytest.skip("drew no rule")
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
    from rnnshare.rnn import step_of

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


# Exact arithmetic.


def test_dyadic_numbers_are_fractions_and_round_as_floats():
    rng = np.random.default_rng(0)
    for _ in range(200):
        number = Dyadic.lowest(int(rng.integers(1, 2**62)), int(rng.integers(80)))
        fraction = Fraction(number.mantissa, 2**number.exponent)
        assert float(number) == float(fraction)
        wide = np.float64(number.rounded(40))
        assert np.float32(wide) == np.float32(float(Dyadic.of(wide).rounded(24)))
    for tie, even in ((5, 4), (7, 8), (9, 8)):
        assert Dyadic(tie, 3).rounded(tie.bit_length() - 1) == Dyadic.lowest(even, 3)


def test_the_exact_cell_is_its_formula():
    rng = np.random.default_rng(1)
    wiring = Wiring(["x"])
    units = [wiring.add(f"u{i}", float(rng.integers(-2, 3)) / 4) for i in range(6)]
    for unit in units:
        sources = rng.choice([*units, "x"], 3, replace=False)
        wiring.join(unit, {str(s): float(rng.integers(-8, 9)) / 8 for s in sources})
    cell = wiring.build()
    values = [Fraction(int(n), 16) for n in rng.integers(0, 17, 6)]
    carry = {i: Dyadic.of(float(v)) for i, v in enumerate(values) if v}
    step = ExactCell(cell)
    for x in (0, 1, 1, 0, 1):
        values = [
            min(max(Fraction(cell.bias[j]) + x * Fraction(cell.input_kernel[0, j])
                    + sum(v * Fraction(w) for v, w in
                          zip(values, cell.recurrent_kernel[:, j], strict=True)),
                    Fraction(0)), Fraction(1))
            for j in range(6)
        ]  # fmt: skip
        carry = step(carry, [0] if x else [])
        found = {i: Fraction(m, 2**e) for i, (m, e) in carry.items()}
        assert found == {i: v for i, v in enumerate(values) if v}


# Floats: what is predicted, and what happens.


@pytest.mark.parametrize("base", [4, 16])
def test_capacity_is_predicted(base):
    for symbols in ("1" * 30, "2" * 30, "12" * 15):
        compiled = compile_stacks(push_and_pop(symbols, "12"), base)
        for dtype in (np.float32, np.float64):
            predicted = capacity(compiled.code, symbols, bits_of(dtype))
            assert measured_capacity(compiled, dtype) == predicted
            assert 0 < predicted < 30


def test_capacity_of_few_bits_by_hand():
    code = StackCode(4, {"_": 0, "1": 1, "2": 3})
    assert capacity(code, "1111", 5) == 3  # 10101
    assert capacity(code, "2222", 5) == 2  # 1111, and 111111 is too long
    assert capacity(code, "2221", 5) == 3  # 11111, but 111111 comes before 1111111
    assert capacity(code, "1112", 5) == 2  # 1101, and 110101 is too long
    assert [fits(code, "2" * n, 5) for n in range(4)] == [True, True, True, False]
    with pytest.raises(ValueError, match=r"odd digits, but there are \[2\]"):
        capacity(StackCode(4, {"_": 0, "1": 2}), "1", 24)


@pytest.mark.parametrize("name", ["beaver5", "doubler", "minsky"])
def test_first_errors_are_predicted(name):
    machine, start = load(name), turing_runs.STARTS.get(name, ([], 0))
    stacked, stacks = stacks_at_start(machine, start)
    compiled = compile_stacks(stacked)
    (found,) = follow_in_floats(
        compiled, [moments_of(machine, start, 400)], np.float32, 100
    )
    step = first_error(stacked, compiled.code, stacks, 400, 24)
    assert found == (step, step)
    assert 0 < step < 100
    # With bits enough nothing is ever lost.
    assert first_error(stacked, compiled.code, stacks, 400, 10_000) is None


# Errors.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start: A", "no line 'kind: ...'"),
        ("kind: pushdown", "kind is 'pushdown'. Use one of automaton, stack, turing"),
        ("kind: turing\nA 0 -> 1 R", r"line 2: 'A 0 -> 1 R' does not have the form"),
        ("kind: turing\n\n# x\nA 0 -> 1 S B", "line 4: the move is 'S', but can be"),
        ("kind: turing\nA 0 -> 1 R B\nA 0 -> 1 L B", "line 3: there is another rule"),
        ("kind: turing\nhello", "line 2: 'hello' is no rule"),
        ("kind: turing\nstart: A\nA 0 -> 1 R B", "no line 'blank: ...'"),
        ("kind: turing\nblank: 0\nstart: Z\nA 0 -> 1 R B", "the start is 'Z', but"),
        ("kind: turing\nkind: turing", "line 2: 'kind' is given twice"),
        ("kind: turing\nblank: 0\nstart: A\nfoo: 1\nA 0 -> 1 R B", "has no foo"),
        ("kind: stack\nstacks: no", "stacks is 'no'"),
        ("kind: stack\nstacks: 2\nA 1 -> A .", "does not have the form 'state top top"),
        ("kind: stack\nstacks: 1\nA 1 -> A push", "line 3: 'push' is no action"),
        ("kind: stack\nstacks: 1\nblank: _\nstart: A\nA 1 -> A .\nA * -> A pop",
         "fit the same tops"),
        ("kind: automaton\nstart: a\na 0 -> b\nb 0 -> a x", "some rules write and"),
        ("kind: automaton\nstart: a\na 0 -> b", "no rule for the symbol '0' in the"),
    ],
)  # fmt: skip
def test_the_parser_says_what_is_wrong(text, message):
    with pytest.raises(ValueError) as error:
        parse(text)
    assert message in str(error.value)


def test_every_text_is_a_machine():
    assert set(turing_study.PLANS["quick"].machines) == set(names())
    with pytest.raises(ValueError, match="no machine 'beaver6'"):
        load("beaver6")


def test_other_errors():
    machine = load("brackets")
    with pytest.raises(ValueError, match=r"base is 6.*power of 2 of at least 8"):
        compile_stacks(machine, 6)
    with pytest.raises(ValueError, match="has 2 stacks, but 1 are given"):
        next(run_stacks(machine, [[]], 1))
    with pytest.raises(
        ValueError, match=r"holds \['2'\], but the automaton reads 0, 1"
    ):
        compile_automaton(load("parity")).encode("012")
    with pytest.raises(ValueError, match="not have 1 tops and 1 actions"):
        StackMachine("A", "_", (
            StackRule("A", ("_",), "A", (Action(),)),
            StackRule("A", ("a", "a"), "A", (Action(),)),
        ))  # fmt: skip
    wiring = Wiring(["x"])
    wiring.add("u", 1 + 2.0**-40)
    with pytest.raises(ValueError, match="has a unit 'u' already"):
        wiring.add("u")
    with pytest.raises(ValueError, match="has an input 'x' already"):
        wiring.add("x")
    with pytest.raises(ValueError, match="not exact in"):
        wiring.build().stored(np.float32)


# The study.


def test_the_verdict():
    run = turing_runs.Run("beaver2", (3, 2, 25, 3), 10_000, False, None, {})
    depth = turing_runs.Depth(
        4, "random", {"float32": 12, "float64": 27}, {"float32": 12, "float64": 26}
    )
    assert turing_study.judge([run], [depth]) == "supported"
    wrong = dataclasses.replace(run, differs=9_999)
    assert turing_study.judge([run, wrong], [depth]) == "refuted"
    short = dataclasses.replace(run, num_steps=9_999)
    assert turing_study.judge([short], [depth]) == "inconclusive"
    assert turing_study.judge(
        [dataclasses.replace(short, halts=True)], [depth]
    ) == "supported"  # fmt: skip
    far = dataclasses.replace(depth, measured={"float32": 12, "float64": 25})
    assert turing_study.judge([run], [depth, far]) == "inconclusive"


def test_the_meaning_counts_what_is_as_predicted():
    floats = {"float64": (None, None), "float32": (40, 40)}
    run = turing_runs.Run("beaver2", (3, 2, 25, 3), 10_000, False, None, floats)
    holds = {"float32": 12, "float64": 26}
    depth = turing_runs.Depth(4, "random", holds, holds)
    told = turing_study._meaning([run], [depth])
    assert "(the base decides), as predicted from the mantissa;" in told
    assert (
        "of 1 machines 1 go wrong in float32 and 0 in float64, as predicted in 2 of 2"
        in told
    )
    missed = dataclasses.replace(run, floats={**floats, "float32": (40, None)})
    far = dataclasses.replace(depth, measured={"float32": 12, "float64": 23})
    told = turing_study._meaning([run, missed], [depth, far])
    assert "in 3 of 4 cases, and at most 3 off in the others;" in told
    assert (
        "of 2 machines 1 go wrong in float32 and 0 in float64, as predicted in 3 of 4"
        in told
    )


def test_the_finding(tmp_path):
    found = turing_study.finding("smoke", tmp_path, "a rule")
    assert found.verdict == "inconclusive"  # it runs too few steps
    assert found.exact
    assert (tmp_path / found.figure).stat().st_size > 10_000
    assert [row[5] for row in found.table[1:]] == ["yes"] * 4
    assert found.effect == 300 + 11 + 14 + 300
