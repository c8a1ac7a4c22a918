"""Walks through a program, and notes where it reads which numbers of its parameters.

An array that comes of parameters and constants alone is still weights. A parameter is
*read* where weights meet data: by the primitive that makes data of them. Loops are
walked step by step, so an index that a step computes of its number is known; a step
that is given what an earlier one was given is not walked again.
"""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax.extend.core as jex
import numpy as np
from jax.extend import source_info_util

from rnnshare.auditing import control_flow
from rnnshare.auditing.events import Event, FoundLoop, Path
from rnnshare.auditing.known import evaluate
from rnnshare.auditing.moves import Move
from rnnshare.auditing.rules import ONE_OF_MANY, SAME, Moves, moves_of
from rnnshare.auditing.values import (
    Sources,
    Value,
    constant,
    keep_small,
    merged,
    moved,
)

_PICKING = {
    "broadcast_in_dim", "dynamic_slice", "gather", "reshape", "rev", "slice", "split",
    "squeeze", "tile", "transpose",
}  # fmt: skip
_STACKING: dict[str, Callable[..., np.ndarray]] = {
    "concatenate": lambda arrays, dimension, **_: np.concatenate(arrays, dimension),
    "stack": lambda arrays, axis, **_: np.stack(arrays, axis),
}
_LINEAR = (
    _PICKING | _STACKING.keys() | SAME | {"convert_element_type", "neg", "reduce_sum"}
)
_CALLS = {
    "checkpoint", "closed_call", "composite", "core_call", "custom_jvp_call",
    "custom_vjp_call", "custom_vjp_call_jaxpr", "jit", "pjit", "remat", "remat2",
}  # fmt: skip


class Interpreter:
    """Walks through programs; `events` and `loops` hold what it found."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.loops: list[FoundLoop] = []
        self._numbers: dict[Path, int] = {}
        self._inside: list[int] = []

    def run(self, program: Any, args: Sequence[Value], path: Path) -> list[Value]:
        """Returns the values of a program's results.

        Args:
          program: a closed jaxpr.
          args: the values of its arguments.
          path: where it stands in the whole program.
        """
        jaxpr = program.jaxpr
        values: dict[Any, Value] = dict(zip(jaxpr.invars, args, strict=True))
        values.update(zip(jaxpr.constvars, map(constant, program.consts), strict=True))

        def read(atom: Any) -> Value:
            if isinstance(atom, jex.Literal):
                return constant(np.asarray(atom.val, _dtype_of(atom)))
            return values[atom]

        for place, eqn in enumerate(jaxpr.eqns):
            results = self._equation(eqn, [read(a) for a in eqn.invars], (*path, place))
            values.update(zip(eqn.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def step(
        self, loop: int, program: Any, args: Sequence[Value], path: Path
    ) -> tuple[list[Value], list[Event]]:
        """Walks through one step of a loop; returns its results, and what it read.

        Data among what it is given may have been made of weights for all steps at once.
        """
        around, self.events = self.events, []
        self._inside.append(loop)
        for value in args:
            if value.is_data:
                self.note(value.sources, ahead=True)
        args = [value.without_sources if value.is_data else value for value in args]
        results = self.run(program, args, path)
        self._inside.pop()
        events, self.events = self.events, around
        return results, events

    def note(self, sources: Sources, ahead: bool = False) -> None:
        """Notes a reading."""
        self.events += [Event((), (), n, found, ahead) for n, found in sources.items()]

    def loop(self, eqn: Any, path: Path, kind: str, length: int | None) -> int:
        """Returns the number of the loop at a path."""
        number = self._numbers.setdefault(path, len(self.loops))
        if number == len(self.loops):
            parent = self._inside[-1] if self._inside else None
            where = _shortened(source_info_util.summarize(eqn.source_info))
            self.loops.append(FoundLoop(kind, length, parent, where))
        return number

    def _equation(self, eqn: Any, values: list[Value], path: Path) -> list[Value]:
        name = eqn.primitive.name
        rule = control_flow.RULES.get(name)
        if rule is not None:
            return rule(self, eqn, values, path)
        inner = _subprogram(eqn)
        if inner is not None:
            return self.run(inner, values, (*path, name))
        shapes = [tuple(var.aval.shape) for var in eqn.outvars]
        return [
            self._primitive(name, eqn.params, values, shapes, number)
            for number in range(len(shapes))
        ]

    def _primitive(
        self, name: str, params: Any, values: list[Value], shapes: list, number: int
    ) -> Value:
        """Returns one result of a primitive, and notes what weights it made data of."""
        moves = moves_of(name, params, values, shapes, number)
        shape = shapes[number]
        both = [
            (moved(m, v), v.is_data)
            for m, v in zip(moves, values, strict=True)
            if m is not None
        ]
        weights = merged(sources for sources, is_data in both if not is_data)
        of_data = [sources for sources, is_data in both if is_data]
        if not of_data:
            known = keep_small(_known(name, params, values, moves, number))
            return Value(shape, known, False, weights if 0 not in shape else {})
        if number == 0 or name in ONE_OF_MANY:
            self.note(weights)
        keeps = _keeps(name, of_data) and 0 not in shape
        kept = merged([weights, *of_data]) if keeps else {}
        followed = {n: found for n, found in kept.items() if isinstance(found, tuple)}
        return Value(shape, None, True, followed)


def _keeps(name: str, of_data: Sequence[Sources]) -> bool:
    """Whether data are still sums of products with weights: those are followed."""
    if name in ("add", "add_any", "sub"):
        return all(of_data)
    if name in ("dot_general", "mul"):
        return len(of_data) == 1
    return name in _LINEAR


def _known(
    name: str, params: Any, values: list[Value], moves: Moves, number: int
) -> np.ndarray | None:
    """Returns the numbers of a primitive's result, if they are known."""
    if name in ONE_OF_MANY:
        return values[number].known
    if name in SAME:
        return values[0].known
    numbers = [value.known for value in values]
    if name in _PICKING:
        first, move = numbers[0], moves[0]
        return (
            move.numbers(first)
            if first is not None and isinstance(move, Move)
            else None
        )
    known = [array for array in numbers if array is not None]
    if len(known) < len(numbers):
        return None
    if name in _STACKING:
        return _STACKING[name](known, **params)
    return evaluate(name, params, known)


def _subprogram(eqn: Any) -> Any:
    """Returns the program that a primitive calls on its operands, or None."""
    if eqn.primitive.name not in _CALLS:
        return None
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        inner = eqn.params.get(name)
        jaxpr = getattr(inner, "jaxpr", inner)
        if isinstance(jaxpr, jex.Jaxpr) and len(jaxpr.invars) == len(eqn.invars):
            return jex.ClosedJaxpr(jaxpr, ()) if inner is jaxpr else inner
    return None


def _dtype_of(atom: Any) -> Any:
    return atom.aval.dtype


def _shortened(where: str) -> str:
    """Returns a place in the source with the last of its folders only."""
    file, opened, function = where.partition(" (")
    return "/".join(pathlib.PurePath(file).parts[-2:]) + opened + function
