"""Machines: their interpreters against known values, their texts and errors."""

import numpy as np
import pytest

from rnnshare.machines import (
    COLLATZ,
    Action,
    StackMachine,
    StackRule,
    Wiring,
    compile_automaton,
    compile_stacks,
    load,
    names,
    parse,
    run_automaton,
    run_stacks,
    run_tag,
    run_tape,
    to_tape,
    words_of,
)

BEAVERS = {"beaver2": (6, 4), "beaver3": (14, 6), "beaver4": (107, 13)}


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
    tape = to_tape(rules, word)
    moments = run_tape(load("minsky"), tape.symbols, 6_000, tape.head)
    found = [*words_of(rules, word, moments)]
    assert len(found) > 5
    words = run_tag(rules, word)
    assert found == [next(words) for _ in found]


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
    assert all(load(name) for name in names())
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
