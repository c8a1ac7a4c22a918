"""What a sharing stores, drawn by one program."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from rnnshare.cells.blueprint import MakeModule, pure_params
from rnnshare.sharing.base import InitCell, Sharing, Stored
from rnnshare.unrolling.compiling import short_compilation


def init_stored(sharing: Sharing, init_cell: InitCell, key: jax.Array) -> Stored:
    """Returns `sharing.init(key, init_cell)`, drawn by one program.

    Operation by operation it would be dozens of small ones, which take seconds to
    compile. Programs are kept for equal sharings and equal dataclasses as
    `init_cell`; see `cell_init`.
    """
    # JAX takes options of outermost programs alone.
    outermost = not isinstance(key, jax.core.Tracer)
    make = _kept_program if dataclasses.is_dataclass(init_cell) else _program
    try:
        program = make(sharing, init_cell, outermost)
    except TypeError:  # one of them does not hash
        program = _program(sharing, init_cell, outermost)
    return program(key)


def cell_init(make_cell: MakeModule) -> InitCell:
    """Returns `init_cell` of a cell's factory.

    Those of a class, of equal dataclasses of classes, and of `functools.partial`s of a
    class with equal arguments are equal. Any other function may read what changes: it
    equals nothing.
    """
    if dataclasses.is_dataclass(make_cell) and not isinstance(make_cell, type):
        held = (getattr(make_cell, f.name) for f in dataclasses.fields(make_cell))
        if all(map(_is_of_a_class, filter(callable, held))):
            return _CellInit(make_cell)
    if not _is_of_a_class(make_cell):
        return lambda key: _init(make_cell, key)
    if not isinstance(make_cell, functools.partial):
        return _CellInit(make_cell)
    keywords = tuple(sorted(make_cell.keywords.items()))
    return _CellInit(make_cell.func, make_cell.args, keywords)


def _is_of_a_class(function: Any) -> bool:
    """Whether it is a class, a class method, or a partial of one."""
    while hasattr(function, "func"):
        function = function.func
    return isinstance(getattr(function, "__self__", function), type)


@dataclasses.dataclass(frozen=True)
class _CellInit:
    function: Any
    args: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    def __call__(self, key: jax.Array) -> Any:
        make = functools.partial(self.function, *self.args, **dict(self.keywords))
        return _init(make, key)


def _init(make_cell: MakeModule, key: jax.Array) -> Any:
    return pure_params(make_cell(rngs=nnx.Rngs(key)))


def _program(
    sharing: Sharing, init_cell: InitCell, outermost: bool
) -> Callable[[jax.Array], Stored]:
    options = short_compilation() if outermost else None  # it runs once
    return jax.jit(lambda key: sharing.init(key, init_cell), compiler_options=options)


_kept_program = functools.lru_cache(maxsize=64)(_program)
