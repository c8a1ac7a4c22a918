"""Flags that say in one line what is wrong with a value, and what they are read with.

Nothing heavy is imported, so that --help answers at once.
"""

import difflib
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

# Flags that are defined here belong to the script that asked for them.
flags.disclaim_key_flags()


class _Integer(flags.IntegerParser):
    """A whole number."""

    def convert(self, argument: Any) -> int:
        try:
            return super().convert(argument)
        except (TypeError, ValueError):
            raise ValueError(f"must be a whole number, not {argument!r}") from None


class _Float(flags.FloatParser):
    """A finite float; absl's own bounds let nan through."""

    def convert(self, argument: Any) -> float:
        try:
            value = super().convert(argument)
        except (TypeError, ValueError):
            raise ValueError(f"must be a number, not {argument!r}") from None
        if not math.isfinite(value):
            raise ValueError(f"must be a finite number, not {argument}")
        return value


class _Choice(flags.ArgumentParser):
    """One of some names; the nearest is suggested for another."""

    syntactic_help = "a name"

    def __init__(self, names: Sequence[str]):
        self.names = tuple(names)

    def parse(self, argument: Any) -> str:
        if argument not in self.names:
            near = difflib.get_close_matches(argument, self.names, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ValueError(f"unknown name.{hint} Use one of {', '.join(self.names)}")
        return argument

    def flag_type(self) -> str:
        return "choice"


class _Path(flags.ArgumentParser):
    """A path, of which ~ is a home."""

    syntactic_help = "a path"

    def __init__(self, none: bool):
        self.none = none  # whether '' is none

    def parse(self, argument: Any) -> Any:
        if not (argument or self.none):
            raise ValueError("names no path")
        try:
            return argument and pathlib.Path(argument).expanduser()
        except RuntimeError:
            raise ValueError(f"{argument} is of a user who has no home") from None

    def flag_type(self) -> str:
        return "path"


class _Shard(flags.ArgumentParser):
    """One of several processes: 'i/n'."""

    syntactic_help = "i/n"
    most = 10_000

    def parse(self, argument: Any) -> tuple[int, int] | None:
        if argument is None or isinstance(argument, tuple):
            return argument
        index, _, count = argument.partition("/")
        numbers = index.isdecimal() and count.isdecimal() and len(argument) < 12
        if not numbers or not int(index) < int(count) <= self.most:
            raise ValueError(
                f"must be i/n, i counted from 0 and below n, n at most {self.most:,}"
            )
        return int(index), int(count)

    def flag_type(self) -> str:
        return "shard"


# Of a flag: which values of another give it a meaning; True: any, False: none.
Only = Mapping[str, Sequence[Any] | bool]
_ONLY: dict[str, dict[str, Sequence[Any] | bool]] = {}


def only(name: str, others: Only) -> None:
    """Says that a flag may be given only where others have some values."""
    _ONLY.setdefault(name, {}).update(others)


def _words(other: str, values: Sequence[Any] | bool) -> str:
    """Returns which values of another flag are meant, in words."""
    if isinstance(values, bool):
        return f"--{other}"
    if isinstance(values, range):
        return f"--{other}={values[0]} or more"
    return f"--{other}={' or '.join(map(str, values))}"


def refuse_what_is_not_read() -> None:
    """Raises on a flag that was given, and that the others make irrelevant."""
    for name, others in _ONLY.items():
        for other, values in others.items():
            given = name in flags.FLAGS and flags.FLAGS[name].present
            if not given or other not in flags.FLAGS:  # in one process, of a script
                continue
            value = flags.FLAGS[other].value
            if isinstance(values, bool):
                is_read = (value not in (None, "", False)) == values
            else:
                several = value if isinstance(value, list) else [value]
                is_read = any(one in values for one in several)
            if not is_read:
                how = "not read with" if values is False else "only read with"
                raise ValueError(
                    f"--{name} is {how} {_words(other, values)}. Leave --{name} out, "
                    f"or change --{other}."
                )


def _define(
    parser: Any, name: str, default: Any, text: str, others: Only | None
) -> flags.FlagHolder[Any]:
    if others:
        only(name, others)
        text = f"With {' and '.join(_words(*one) for one in others.items())}: {text}"
    if parser is None:
        return flags.DEFINE_bool(name, default, text)
    serializer: Any = flags.ArgumentSerializer()
    return flags.DEFINE(parser, name, default, text, serializer=serializer)


def define_integer(
    name: str,
    default: int | None,
    text: str,
    *,
    least: int = 1,
    most: int,
    only: Only | None = None,
) -> flags.FlagHolder[int]:
    """Defines a flag that takes a whole number between bounds."""
    return _define(_Integer(least, most), name, default, text, only)


def define_float(
    name: str,
    default: float | None,
    text: str,
    *,
    least: float | None = None,
    most: float | None = None,
    only: Only | None = None,
) -> flags.FlagHolder[float]:
    """Defines a flag that takes a finite number between bounds."""
    return _define(_Float(least, most), name, default, text, only)


def define_choice(
    name: str, default: str | None, names: Sequence[str], text: str
) -> flags.FlagHolder[str]:
    """Defines a flag that takes one of some names."""
    text = f"{text} One of: {', '.join(names)}."
    return _define(_Choice(names), name, default, text, None)


def define_bool(
    name: str, default: bool, text: str, *, only: Only | None = None
) -> flags.FlagHolder[bool]:
    """Defines a flag that is true or false."""
    return _define(None, name, default, text, only)


def define_path(
    name: str,
    default: str | None,
    text: str,
    *,
    none: bool = False,
    only: Only | None = None,
) -> flags.FlagHolder[pathlib.Path]:
    """Defines a flag that takes a path; if it may be `none`, '' is that."""
    return _define(_Path(none), name, default, text, only)


def define_shard(
    name: str, text: str, *, only: Only | None = None
) -> flags.FlagHolder[tuple[int, int] | None]:
    """Defines a flag that takes i/n: one of n processes, counted from 0."""
    return _define(_Shard(), name, None, text, only)
