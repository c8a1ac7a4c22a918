"""The sentences in which an audit says how parameters are read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rnnshare.auditing.parts import Part, Unknown

if TYPE_CHECKING:
    from rnnshare.auditing.report import Found, Read

_MOST_SHOWN = 12


def described(read: "Read") -> str:
    """Returns the sentence, without a subject, that says how a parameter is read."""
    if read.how == "unknown":
        reason = next(part.reason for part in read.parts if isinstance(part, Unknown))
        place = "outside of loops" if read.loop is None else f"in loop {read.loop}"
        return f"unknown {place}: {reason}"
    text = _outside(read) if read.loop is None else _inside(read)
    if read.how == "by index" and read.index is not None:
        text += f": {shortened([_shown(i) for i in read.index])}"
    return text + (" (by what is computed before the loop)" if read.ahead else "")


def sequence_of(
    parts: "Sequence[Found]",
) -> tuple[int | None, tuple[int | None, ...] | None]:
    """Returns the axis that every step indexes, and the index; None, None if none does.

    At least one step reads something, and each that does reads all at one index.
    """
    found = [part.index for part in parts if isinstance(part, Part)]
    pairs = [pair for pair in found if pair is not None]
    axes = {axis for axis, _ in pairs}
    if len(pairs) < len(found) or len(axes) != 1:
        return None, None
    line = iter(pairs)
    return axes.pop(), tuple(None if part is None else next(line)[1] for part in parts)


def shortened(items: Sequence[str]) -> str:
    """Returns items with commas; the middle of many is left out."""
    if len(items) > _MOST_SHOWN:
        items = [*items[: _MOST_SHOWN - 2], "...", items[-1]]
    return ", ".join(items)


def _outside(read: "Read") -> str:
    known = [part for part in read.parts if isinstance(part, Part)]
    times = f"{len(read.parts)} times outside of loops"
    if read.how == "once":
        return f"{_what(known[0])}once, outside of loops"
    if read.how == "the same":
        return f"{_what(known[0])}{times}, the same numbers each time: shared"
    if read.how == "by index":
        return f"{times}, by index along axis {read.axis}"
    return f"{times}, {len(set(known))} different parts"


def _inside(read: "Read") -> str:
    loop, count = f"loop {read.loop}", len(read.parts)
    known = [part for part in read.parts if isinstance(part, Part)]
    at = [step for step, part in enumerate(read.parts) if part is not None]
    if read.how == "the same":
        return f"{_what(known[0])}the same numbers at every step of {loop}: shared"
    if read.how == "a slice a step":
        return f"a slice of axis {read.axis} at each step of {loop}: not shared"
    if len(at) == 1:
        return f"{_what(known[0])}at step {at[0]} of {loop} alone"
    steps = f"the {count} steps of {loop}"
    if len(at) < count:
        steps = f"{len(at)} of {steps}"
        if len(set(known)) == 1:
            shown = shortened([str(step) for step in at])
            return f"{_what(known[0])}the same numbers at {steps} ({shown})"
    if read.how == "by index":
        return f"by index along axis {read.axis} at {steps}"
    return f"in {len(set(known))} different parts at {steps}"


def _what(part: Part) -> str:
    if part.is_all:
        return ""
    if part.index is not None:
        return f"index {part.index[1]} of axis {part.index[0]} of it, "
    return "a part of it, "


def _shown(index: int | None) -> str:
    return "-" if index is None else str(index)
