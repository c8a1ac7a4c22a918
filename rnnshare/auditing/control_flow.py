"""Loops and conditions, as `interpreter` walks through them."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnshare.auditing.events import Event, Path
from rnnshare.auditing.moves import Pick, along
from rnnshare.auditing.origins import Origins, Shape, stacked
from rnnshare.auditing.parts import Unknown
from rnnshare.auditing.values import Value, either, moved

if TYPE_CHECKING:
    from rnnshare.auditing.interpreter import Interpreter

CARRIED = Unknown("what is computed of it is carried from step to step")
COLLECTED = Unknown("what is computed of it is collected in another way at every step")
CHOSEN = Unknown("whether it is read depends on a condition that is not worked out")
_MOST_STEPS = 100_000  # of a while loop that is walked step by step


def scan(walk: "Interpreter", eqn: Any, values: list[Value], path: Path) -> list[Value]:
    """Walks through a scan, step by step."""
    params, length = eqn.params, eqn.params["length"]
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    consts = [_closed_over(value) for value in values[:num_consts]]
    scanned = values[num_consts + num_carry :]
    carry = [_begun(value) for value in values[num_consts : num_consts + num_carry]]
    passed = _passed(params["jaxpr"], num_consts, num_carry)
    loop = walk.loop(eqn, path, "scan", length)
    rows: list[list[Value]] = [[]] * length
    seen: dict[tuple, tuple[list[Value], list[Event]]] = {}
    for step in reversed(range(length)) if params["reverse"] else range(length):
        given = [*carry, *(_at(value, step) for value in scanned)]
        key = tuple(value.key for value in given)
        if key not in seen:
            seen[key] = walk.step(loop, params["jaxpr"], [*consts, *given], path)
        results, events = seen[key]
        walk.events += [event.within(loop, step) for event in events]
        carry = [_carried(*pair) for pair in zip(results, passed, strict=False)]
        rows[step] = results[num_carry:]
    collected = []
    for number, var in enumerate(eqn.outvars[num_carry:]):
        column = [row[number] for row in rows]
        if any(value.is_data for value in column):
            for step, value in enumerate(column):
                walk.events += [] if value.is_data else _events(value, loop, step)
        collected.append(_stack(column, tuple(var.aval.shape)))
    return carry + collected


def while_loop(
    walk: "Interpreter", eqn: Any, values: list[Value], path: Path
) -> list[Value]:
    """Walks through a while loop: step by step as long as its test is known."""
    test, body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
    to_test, to_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    consts = [_closed_over(value) for value in values[: to_test + to_body]]
    start = [_begun(value) for value in values[to_test + to_body :]]
    passed = _passed(body, to_body, len(start))
    loop = walk.loop(eqn, path, "while", None)

    def run(carry: list[Value]) -> tuple[Value, list[Value], list[Event]]:
        asked = [*consts[:to_test], *carry]
        (goes_on,), first = walk.step(loop, test, asked, (*path, "test"))
        results, then = walk.step(loop, body, [*consts[to_test:], *carry], path)
        carried = [_carried(*pair) for pair in zip(results, passed, strict=True)]
        return goes_on, carried, [*first, *then]

    events: list[Event] = []
    carry = start
    for step in range(_MOST_STEPS):
        goes_on, results, noted = run(carry)
        if goes_on.known is None or goes_on.shape:  # under vmap some go on, or none do
            break
        if not goes_on.known:
            walk.loops[loop] = walk.loops[loop].with_length(step)
            walk.events += events
            return carry
        events += [event.within(loop, step) for event in noted]
        carry = results
    return _at_rest(walk, loop, run, start)


def _at_rest(
    walk: "Interpreter", loop: int, run: Any, start: list[Value]
) -> list[Value]:
    """Notes what every step may read, in a loop of which the length is not known."""
    carry, rests = start, False
    while not rests:
        _, results, events = run(carry)
        both = [
            _begun(either(*pair, CARRIED)) for pair in zip(carry, results, strict=True)
        ]
        rests = [value.key for value in both] == [value.key for value in carry]
        carry = both
    walk.loops[loop] = walk.loops[loop].with_length(None)
    walk.events += [event.within(loop, 0) for event in events]
    for before, after in zip(start, carry, strict=True):
        if after.is_data and not before.is_data:
            weights = dataclasses.replace(
                before, sources=dict.fromkeys(before.sources, CARRIED)
            )
            walk.events += _events(weights, loop, 0)
    return carry


def cond(walk: "Interpreter", eqn: Any, values: list[Value], path: Path) -> list[Value]:
    """Walks through the branch that is taken, or through all if that is not known."""
    which, *args = values
    branches = eqn.params["branches"]
    if which.known is not None:
        number = int(np.clip(int(which.known), 0, len(branches) - 1))
        return walk.run(branches[number], args, (*path, number))
    around, results, events = walk.events, [], []
    for number, branch in enumerate(branches):
        walk.events = []
        results.append(walk.run(branch, args, (*path, number)))
        events.append(walk.events)
    walk.events = around + _possible(events)
    if not which.is_data:
        walk.note(dict.fromkeys(which.sources, CHOSEN))
    return [_chosen(walk, which, column) for column in zip(*results, strict=True)]


RULES = {"cond": cond, "scan": scan, "while": while_loop}


def _chosen(walk: "Interpreter", which: Value, results: Sequence[Value]) -> Value:
    """Returns one of the results of branches, nobody knows which."""
    first, *others = results
    if all(value.key == first.key for value in others):
        return first
    if which.is_data or any(value.is_data for value in results):
        for value in results:
            if not value.is_data:
                walk.note(dict.fromkeys(value.sources, CHOSEN))
        return Value(first.shape, None, True)
    for value in others:
        first = either(first, value, CHOSEN)
    return first


def _possible(branches: list[list[Event]]) -> list[Event]:
    """Returns the events of branches, unknown where the branches differ in them."""
    certain: list[Event] = []
    for number in dict.fromkeys(
        event.parameter for events in branches for event in events
    ):
        mine = [[e for e in events if e.parameter == number] for events in branches]
        if len({tuple(event.key for event in events) for events in mine}) == 1:
            certain += mine[0]
        else:
            certain += [
                dataclasses.replace(event, found=CHOSEN)
                for events in mine
                for event in events
            ]
    return certain


def _passed(program: Any, num_consts: int, num_carry: int) -> list[bool]:
    """Returns which leaves of a carry a step hands on as it was given them."""
    given = program.jaxpr.invars[num_consts : num_consts + num_carry]
    handed = program.jaxpr.outvars[:num_carry]
    return [a is b for a, b in zip(given, handed, strict=True)]


def _closed_over(value: Value) -> Value:
    return value.without_sources if value.is_data else value


def _begun(value: Value) -> Value:
    """Returns a leaf of the initial carry: data, unless it is weights or an index.

    The zeros that a hidden state begins with are the first of its values, and no reason
    to say that the first step does not read the recurrent kernel.
    """
    is_index = value.known is not None and value.known.dtype.kind in "iub"
    if value.is_data or not (value.sources or is_index):
        return Value(value.shape, None, True)
    return value


def _carried(value: Value, passed: bool) -> Value:
    """Returns a leaf of the carry as the next step is given it.

    Weights that a step rearranges or rescales are followed; what else it computes of
    them is not, since a step need not read it for the next one to do so.
    """
    if value.is_data or passed or not value.sources:
        return _begun(value)
    (found, *others) = value.sources.values()
    if (
        not others
        and isinstance(found, tuple)
        and len(found) == 1
        and found[0].is_rearranged
    ):
        return value
    return dataclasses.replace(value, sources=dict.fromkeys(value.sources, CARRIED))


def _at(value: Value, step: int) -> Value:
    """Returns what a step is given of an array that is scanned over."""
    shape = value.shape[1:]
    if value.known is None and not value.sources:
        return dataclasses.replace(value, shape=shape)
    rank = len(shape)
    lines = [along(np.arange(n), rank, axis) for axis, n in enumerate(shape)]
    pick = Pick([np.full((1,) * rank, step), *lines], shape)
    known = None if value.known is None else value.known[step]
    sources = moved(pick, value)
    if value.is_data:
        sources = {n: found for n, found in sources.items() if isinstance(found, tuple)}
    return Value(shape, known, value.is_data, sources)


def _stack(column: list[Value], shape: Shape) -> Value:
    """Returns what a scan collects of a result of its steps."""
    if any(value.is_data for value in column):
        return Value(shape, None, True)
    numbers = dict.fromkeys(number for value in column for number in value.sources)
    sources: dict[int, Origins | Unknown] = {}
    for number in numbers:
        found = [value.sources.get(number, ()) for value in column]
        sources[number] = _stacked(found)
    known = [value.known for value in column if value.known is not None]
    complete = len(known) == len(column) > 0
    return Value(shape, np.stack(known) if complete else None, False, sources)


def _stacked(found: Sequence[Origins | Unknown]) -> Origins | Unknown:
    columns = [origins for origins in found if isinstance(origins, tuple)]
    if len(columns) < len(found) or len(set(map(len, columns))) > 1:
        return COLLECTED
    made = [stacked(origins) for origins in zip(*columns, strict=True)]
    return COLLECTED if None in made else tuple(o for o in made if o is not None)


def _events(value: Value, loop: int, step: int) -> list[Event]:
    return [Event((loop,), (step,), n, found) for n, found in value.sources.items()]
