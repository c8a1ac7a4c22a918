"""Who a value is: descriptions and digests that say the same in every process.

A row of a study is recognised by the key of what made it. Two things follow. Values
that differ must be described differently, so nothing is described by a name that two
may have, nor by a `repr` that shows an address. And a description outlasts the process,
the machine, and the module that a class or function lives in: these go by their public
names, and what stands at its default is left out.
"""

import dataclasses
import functools
import hashlib
import inspect
import json
import math
import operator
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import Origin, Task

_WAY_OUT = (
    "Use a function or class at module level, functools.partial or "
    "rnnshare.training.Call of one, or a frozen dataclass."
)
# What jax.jit and functools.cache return: they change nothing of what is computed.
_TRANSPARENT: Any = (type(jax.jit(lambda: None)), type(functools.cache(lambda: None)))
_SCALAR_TYPE: type = type(jnp.float32)


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
        shown = [_shown(value) for value in (self.func, *self.args)]
        shown += [f"{name}={_shown(value)}" for name, value in self.keywords.items()]
        return f"Call({', '.join(shown)})"

    def __reduce__(self) -> Any:
        return _call, self._parts()

    def _parts(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        return self.func, self.args, dict(self.keywords)


def _call(function: Callable[..., Any], args: Any, keywords: Any) -> Call:
    return Call(function, *args, **keywords)


def _shown(value: Any) -> str:
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
    raise TypeError(f"{thing!r} has no public name. {_WAY_OUT}")


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


def describe(value: Any) -> Any:
    """Returns a canonical description of a value, as JSON holds it.

    Numbers that are equal are described alike, Python's, NumPy's and JAX's; so are a
    list and a tuple, and `functools.partial` and `Call`. Classes and functions go by
    their public names, instances of frozen dataclasses by their class and the fields
    that are not at their default, arrays by a digest, and a task that knows its origin
    by that.

    Raises:
      TypeError: of what it is, for anything else.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.dtype | _SCALAR_TYPE) or _is_subclass(value, np.generic):
        return {"dtype": jnp.dtype(value).name}
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _describe_float(value)
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return _describe_array(value)
    if isinstance(value, Task) and value.origin is not None:
        return _describe_origin(value.origin)
    if isinstance(value, functools.partial | Call):
        return _describe_call(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if not value.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise TypeError(f"{value!r} is a dataclass that may change. {_WAY_OUT}")
        return {"class": public_name(type(value)), "fields": describe_fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _describe_named_tuple(value)
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, Mapping):
        pairs = [[describe(key), describe(item)] for key, item in value.items()]
        return {"dict": sorted(pairs, key=_canonical)}
    if isinstance(value, types.MethodType) and not isinstance(value.__self__, type):
        return {"method": value.__name__, "of": describe(value.__self__)}
    if not callable(value):
        raise TypeError(f"{value!r} cannot be described. {_WAY_OUT}")
    return {"name": public_name(value)}


def describe_fields(value: Any, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """Returns the descriptions of a dataclass's fields that are not at their default.

    Args:
      value: an instance.
      leave_out: names of fields that are not to be described.
    """
    fields = [f for f in dataclasses.fields(value) if f.name not in leave_out]
    defaults = {}
    for field in fields:
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = field.default_factory()
    given = {field.name: getattr(value, field.name) for field in fields}
    return _but_defaults(type(value).__name__, given, defaults)


def key_of(*values: Any) -> str:
    """Returns the digest of some values' descriptions, 20 hexadecimal digits."""
    return _digest(_canonical(describe(values)).encode())[:20]


def _but_defaults(
    owner: str, given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the descriptions of what is given, but of what is as by default."""
    described = {}
    for name, value in given.items():
        try:
            found = describe(value)
        except TypeError as error:
            raise TypeError(f"{owner}.{name}: {error}") from None
        # As text, since True is no 1 here.
        if name not in defaults or _canonical(found) != _canonical(
            describe(defaults[name])
        ):
            described[name] = found
    return described


def _describe_float(value: float) -> Any:
    if not math.isfinite(value):
        return {"float": str(float(value))}
    return int(value) if value.is_integer() else float(value)


def _describe_array(value: Any) -> Any:
    if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        return {"key": describe(jax.random.key_data(value))}
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(f"{value!r} holds objects, not numbers. {_WAY_OUT}")
    if array.ndim == 0 and isinstance(array.item(), bool | int | float):
        return describe(array.item())
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    return {
        "array": _digest(little.tobytes()),
        "dtype": array.dtype.name,
        "shape": list(array.shape),
    }


def _describe_named_tuple(value: Any) -> Any:
    given = dict(zip(value._fields, value, strict=True))
    fields = _but_defaults(type(value).__name__, given, value._field_defaults)
    return {"class": public_name(type(value)), "fields": fields}


def _describe_call(value: Any) -> Any:
    function, args, keywords = value.func, value.args, dict(value.keywords)
    if isinstance(function, functools.partial | Call):
        args = (*function.args, *args)
        keywords = {**function.keywords, **keywords}
        return _describe_call(functools.partial(function.func, *args, **keywords))
    if not args and not keywords:
        return describe(function)
    return {
        "call": describe(function),
        "args": describe(args),
        "kwargs": _but_defaults(_shown(function), keywords, {}),
    }


def _describe_origin(origin: Origin) -> Any:
    name = public_name(origin.function)
    parameters = inspect.signature(origin.function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return {
        "made by": name,
        "source": origin.source,
        "kwargs": _but_defaults(name, origin.arguments, defaults),
    }


def _is_subclass(value: Any, kind: type) -> bool:
    return isinstance(value, type) and issubclass(value, kind)


def _canonical(description: Any) -> str:
    return json.dumps(
        description, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
