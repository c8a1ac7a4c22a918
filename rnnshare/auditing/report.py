"""What an audit returns: which loops a program has, and which numbers each step reads.

Shape letters: T steps.
"""

import dataclasses
import html
import math
from collections.abc import Sequence

import numpy as np

from rnnshare.auditing.origins import Shape
from rnnshare.auditing.parts import Part, Unknown
from rnnshare.auditing.sentences import described, sequence_of, shortened

Found = Part | Unknown | None


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop of a program, all of its runs one after another.

    Attributes:
      number: what it is called by.
      kind: 'scan' (of which static `fori_loop`s are) or 'while'.
      length: the steps of one run; None where the program computes it of its inputs.
      num_steps: the steps of all runs: T, several times `length` of a loop that stands
        inside of another; None where they are not known.
      parent: the number of the loop that it stands in.
      where: in the source.
    """

    number: int
    kind: str
    length: int | None
    num_steps: int | None
    parent: int | None
    where: str

    def __str__(self) -> str:
        length = "a number of steps that is not known"
        if self.length is not None:
            length = f"{self.length} step{'s' * (self.length != 1)}"
        inside = "" if self.parent is None else f", inside of loop {self.parent}"
        return f"loop {self.number}: {self.kind}, {length}{inside} ({self.where})"


@dataclasses.dataclass(frozen=True)
class Read:
    """How one parameter is read at one place.

    Attributes:
      loop: the loop's number; None outside of all loops.
      how: 'the same' at every step (tied), 'a slice a step' (index t along an axis at
        step t: untied), 'by index' (an index s_t along an axis at step t), 'in parts'
        (anything else that is known), or 'unknown'. Outside of loops a step is one
        reading, and `how` is 'once' where there is but one.
      parts: of each step what is read: a `Part`, an `Unknown`, or None for nothing.
      axis: the axis that is indexed, of the parameter.
      index: s_t of each step; None for a step that does not read it.
      ahead: whether it is read before the loop for all of its steps at once.
    """

    loop: int | None
    how: str
    parts: tuple[Found, ...] = dataclasses.field(repr=False)
    axis: int | None = None
    index: tuple[int | None, ...] | None = None
    ahead: bool = False

    def __str__(self) -> str:
        return described(self)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter, and how it is read.

    Attributes:
      path: its keys, joined by '/'.
      shape: of the array.
      reads: outside of loops first, then by loop; empty where it is not read.
    """

    path: str
    shape: Shape
    reads: tuple[Read, ...]

    def __str__(self) -> str:
        reads = "; ".join(map(str, self.reads)) or "not read"
        return f"{self.path} {list(self.shape)}: {reads}"


@dataclasses.dataclass(frozen=True)
class Audit:
    """Which parameters of a program are read at which steps of which loop.

    Printed, it is a sentence for each loop and each parameter.

    Attributes:
      loops: in the order in which they are met.
      parameters: in the order of the pytree.
    """

    loops: tuple[Loop, ...]
    parameters: tuple[Parameter, ...]

    def __getitem__(self, path: str) -> Parameter:
        """Returns the parameter at a path.

        Raises:
          KeyError: if there is none.
        """
        for parameter in self.parameters:
            if parameter.path == path:
                return parameter
        paths = shortened([repr(parameter.path) for parameter in self.parameters])
        raise KeyError(f"There is no parameter {path!r}. Use one of {paths}.")

    def tying(self, path: str | None = None, loop: int | None = None) -> np.ndarray:
        """Returns which steps read the same numbers of a parameter.

        `M[s, t]` says whether steps s and t read the same set of the parameter's
        numbers, in whatever arrangement: all True for tied weights, the identity for
        untied ones. A step that reads nothing of it has False everywhere.

        Args:
          path: of a parameter; by default all that the loop reads, for which two steps
            are the same if they read the same of each.
          loop: its number; by default the only one that reads the parameter, or, where
            no loop does, the readings outside of loops, in the order of the program.

        Returns:
          bool[T, T].

        Raises:
          KeyError: if there is no such parameter.
          ValueError: if a reading or the number of steps is not known, there are
            several loops to choose from, or the parameter is not read there.
        """
        chosen = self.parameters if path is None else (self[path],)
        found = [(p.path, read) for p in chosen for read in p.reads]
        loop = self._loop_of(found, "the parameters" if path is None else path, loop)
        reads = [(name, read) for name, read in found if read.loop == loop]
        for name, read in reads:
            unknown = [part for part in read.parts if isinstance(part, Unknown)]
            if unknown:
                raise ValueError(
                    f"{name}: which of its numbers a step reads is not known: "
                    f"{unknown[0].reason}."
                )
        if loop is not None and self.loops[loop].num_steps is None:
            raise ValueError(
                f"{self.loops[loop]}: there is no matrix over steps whose number is "
                "computed of the inputs. Audit it with a static number of steps."
            )
        if loop is None and path is None:
            raise ValueError(
                "Outside of loops each parameter has its own readings. Pass a path."
            )
        columns = list(zip(*(read.parts for _, read in reads), strict=True))
        keys = [
            tuple(part if part is None else part.key for part in c) for c in columns
        ]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        line = np.array([numbers[key] for key in keys], int)
        read_at = np.array([any(part is not None for part in c) for c in columns], bool)
        return (line[:, None] == line) & read_at[:, None]

    def _loop_of(
        self, found: Sequence[tuple[str, Read]], name: str, loop: int | None
    ) -> int | None:
        there = list(dict.fromkeys(read.loop for _, read in found))
        loops = [number for number in there if number is not None]
        if not there or (loop is not None and loop not in there):
            where = "" if loop is None else f" in loop {loop}"
            raise ValueError(
                f"{name}: not read{where}. Print the audit to see what is."
            )
        if loop is None and len(loops) > 1:
            raise ValueError(
                f"{name}: read in the loops {', '.join(map(str, loops))}. Choose one: "
                f"tying(..., loop={loops[0]})."
            )
        return loops[0] if loop is None and loops else loop

    def __str__(self) -> str:
        lines = [str(loop) for loop in self.loops] or ["no loops"]
        return "\n".join(lines + [str(parameter) for parameter in self.parameters])

    def _repr_html_(self) -> str:
        loops = "".join(f"<li>{html.escape(str(loop))}</li>" for loop in self.loops)
        rows = "".join(
            f"<tr><td>{html.escape(p.path)}</td><td>{list(p.shape)}</td><td>"
            f"{html.escape('; '.join(map(str, p.reads)) or 'not read')}</td></tr>"
            for p in self.parameters
        )
        head = "<tr><th>parameter</th><th>shape</th><th>is read</th></tr>"
        return f"<ul>{loops}</ul><table>{head}{rows}</table>"


def classify(
    loop: int | None, parts: Sequence[Found], shape: Shape, ahead: bool = False
) -> Read:
    """Returns how a parameter is read, by what each step reads of it.

    Args:
      loop: the loop's number, or None.
      parts: of each step.
      shape: of the parameter.
      ahead: see `Read`.
    """
    parts = tuple(parts)
    known = [part for part in parts if isinstance(part, Part)]
    if any(isinstance(part, Unknown) for part in parts):
        return Read(loop, "unknown", parts, ahead=ahead)
    if loop is None and len(parts) == 1:
        how = "once"
    elif len(known) == len(parts) and len(set(known)) == 1:
        how = "the same"
    else:
        how = "in parts"
    axis, index = sequence_of(parts)
    if axis is not None and how == "in parts":
        whole = index == tuple(range(shape[axis])) and len(parts) == shape[axis]
        how = "a slice a step" if whole and loop is not None else "by index"
    return Read(loop, how, parts, axis, index, ahead)


def num_steps_of(lengths: Sequence[int | None]) -> int | None:
    """Returns the steps of all runs of a loop, by its length and those around it."""
    known = [length for length in lengths if length is not None]
    return math.prod(known) if len(known) == len(lengths) else None
