"""From the readings of a program to an `Audit`."""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from rnnshare.auditing.events import Event, FoundLoop
from rnnshare.auditing.origins import Shape
from rnnshare.auditing.parts import Unknown, part_of
from rnnshare.auditing.report import (
    Audit,
    Found,
    Loop,
    Parameter,
    Read,
    classify,
    num_steps_of,
)


def collect(
    events: Sequence[Event],
    walked: Sequence[FoundLoop],
    paths: Sequence[str],
    shapes: Sequence[Shape],
) -> Audit:
    """Returns what a walk has noted, by parameter and by loop.

    Args:
      events: the readings.
      walked: the loops.
      paths: of the parameters.
      shapes: of the parameters.
    """
    chains = [_chain(walked, number) for number in range(len(walked))]
    loops = tuple(
        Loop(
            number,
            loop.kind,
            loop.length,
            num_steps_of([walked[outer].length for outer in chains[number]]),
            loop.parent,
            loop.where,
        )
        for number, loop in enumerate(walked)
    )
    cache: dict[tuple, Found] = {}
    parameters = []
    for number, (path, shape) in enumerate(zip(paths, shapes, strict=True)):
        mine = [event for event in events if event.parameter == number]
        read = functools.partial(_part, cache, number, shape)
        reads = [_outside([read([event]) for event in mine if not event.loops], shape)]
        for loop, chain in enumerate(chains):
            inside = [event for event in mine if event.loops[: len(chain)] == chain]
            reads.append(_inside(loop, chain, inside, loops, read, shape))
        found = tuple(one for one in reads if one is not None)
        parameters.append(Parameter(path, shape, found))
    return Audit(loops, tuple(parameters))


def _outside(parts: list[Found], shape: Shape) -> Read | None:
    parts = [part for part in parts if part is not None]
    return classify(None, parts, shape) if parts else None


def _inside(
    loop: int,
    chain: tuple[int, ...],
    events: list[Event],
    loops: Sequence[Loop],
    read: Callable[[list[Event]], Found],
    shape: Shape,
) -> Read | None:
    """Returns how a loop reads a parameter; None if it does not."""
    by_step: dict[tuple[int, ...], list[Event]] = {}
    for event in events:
        by_step.setdefault(event.steps[: len(chain)], []).append(event)
    lengths = [loops[number].length for number in chain]
    if None in lengths:  # the steps that were met stand for all
        parts = [read(by_step[steps]) for steps in sorted(by_step)]
    else:
        sizes = [length for length in lengths if length is not None]
        parts = [read(by_step.get(steps, [])) for steps in np.ndindex(*sizes)]
    if not any(part is not None for part in parts):
        return None
    return classify(loop, parts, shape, all(event.ahead for event in events))


def _part(
    cache: dict[tuple, Found], number: int, shape: Shape, events: list[Event]
) -> Found:
    """Returns what events read of a parameter, all together."""
    key = (number, *dict.fromkeys(event.found_key for event in events))
    if key not in cache:
        found = [event.found for event in events]
        unknown = [one for one in found if isinstance(one, Unknown)]
        origins = {o.key: o for one in found if isinstance(one, tuple) for o in one}
        cache[key] = unknown[0] if unknown else part_of(origins.values(), shape)
    return cache[key]


def _chain(loops: Sequence[FoundLoop], number: int) -> tuple[int, ...]:
    """Returns the numbers of a loop and those around it, the outermost first."""
    parent = loops[number].parent
    return (*(() if parent is None else _chain(loops, parent)), number)
