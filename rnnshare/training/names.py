"""Public names of classes and functions, and `Call`, a partial that compares."""

import functools
import operator
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

WAY_OUT = (
    "Use a function or class at module level, functools.partial or "
    "rnnshare.training.Call of one, or a frozen dataclass."
)
# What jax.jit and functools.cache return: they change nothing of what is computed.
_TRANSPARENT: Any = (type(jax.jit(lambda: None)), type(functools.cache(lambda: None)))


class Call:
    """A function with some of its arguments, as `functools.partial`, that compares.

    Two of the same function and arguments are equal and hash equal, so they are one
    setting of a study, and the models that they make share their compilation. Two
    partials never are equal.

        Call(optax.adamw, weight_decay=0.1)(1e-3) == optax.adamw(1e-3, weight_decay=0.1)

    Attributes:
      func, args, keywords: as those of a partial.
    """

    __slots__ = ("_hash", "args", "func", "keywords")
    func: Callable[..., Any]
    args: tuple[Any, ...]
    keywords: Mapping[str, Any]
    _hash: int

    def __init__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any):
        """Takes a function, and arguments that hash.

        Raises:
          TypeError: if the function cannot be called, or an argument does not hash.
        """
        if not callable(function):
            raise TypeError(f"Call: {function!r} is no function.")
        named = {f"argument {i}": value for i, value in enumerate(args)} | kwargs
        for name, value in named.items():
            try:
                hash(value)
            except TypeError:
                raise TypeError(
                    f"Call: {name} is {value!r}, which does not hash. Give a tuple in "
                    "place of a list, pairs in place of a dict, or call a function at "
                    "module level that makes it."
                ) from None
        keywords = dict(sorted(kwargs.items()))
        if isinstance(function, functools.partial | Call):  # as partials of partials
            args = (*function.args, *args)
            keywords = dict(sorted({**function.keywords, **keywords}.items()))
            function = function.func
        object.__setattr__(self, "func", function)
        object.__setattr__(self, "args", args)
        object.__setattr__(self, "keywords", types.MappingProxyType(keywords))
        object.__setattr__(self, "_hash", hash((function, args, *keywords.items())))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function with these arguments as well; a later keyword wins."""
        return self.func(*self.args, *args, **{**self.keywords, **kwargs})

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self!r} does not change. Make another Call.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Call):
            return NotImplemented
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        parts = [shown(value) for value in (self.func, *self.args)]
        parts += [f"{name}={shown(value)}" for name, value in self.keywords.items()]
        return f"Call({', '.join(parts)})"

    def __reduce__(self) -> Any:
        return _call, self._parts()

    def _parts(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        return self.func, self.args, dict(self.keywords)


def _call(function: Callable[..., Any], args: Any, keywords: Any) -> Call:
    return Call(function, *args, **keywords)


def shown(value: Any) -> str:
    """Returns the public name of what has one, and the repr of anything else."""
    try:
        return public_name(value)
    except TypeError:
        return repr(value)


def public_name(thing: Any) -> str:
    """Returns the name under which a class or function is public.

    Of the packages that its module is in, from the outermost on, and of the module
    itself, it is the first that has it: `rnnshare.LSTMCell`, `flax.nnx.LSTMCell`,
    `optax.adam`. A class that moves to another module keeps its name, as long as the
    package still exports it; one that no package exports may say its own name in
    `__public_name__`.

    Raises:
      TypeError: if it is found nowhere, as a lambda, or a class or function inside of a
        function.
    """
    own = getattr(thing, "__dict__", {}).get("__public_name__")
    if isinstance(own, str):
        return own
    owner = getattr(thing, "__self__", None)
    if isinstance(thing, types.MethodType) and isinstance(owner, type):
        # By the class that it was taken from, which may have inherited it.
        return f"{public_name(owner)}.{thing.__name__}"
    for layer in _layers(thing):
        module = getattr(layer, "__module__", None)
        name = getattr(layer, "__qualname__", None)
        if not isinstance(module, str) or not isinstance(name, str):
            continue
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            prefix = ".".join(parts[:count])
            if any(found is layer for found in _layers(_look_up(prefix, name))):
                return f"{prefix}.{name}"
    raise TypeError(f"{thing!r} has no public name. {WAY_OUT}")


def _layers(thing: Any) -> Iterator[Any]:
    """Yields a function, and what it compiles or caches; other wrappers may change it.

    `generated` hides behind a cache, so what is wrapped counts as found there.
    """
    yield thing
    while isinstance(thing, _TRANSPARENT):
        thing = thing.__wrapped__
        yield thing


def _look_up(module: str, name: str) -> Any:
    with warnings.catch_warnings():  # a package may warn of names that it gives up
        warnings.simplefilter("ignore")
        try:
            return operator.attrgetter(name)(sys.modules[module])
        except (AttributeError, KeyError):
            return None
