"""What a walk through a program notes: readings of parameters, and loops."""

import dataclasses

from rnnshare.auditing.origins import Origins
from rnnshare.auditing.parts import Unknown

Path = tuple[int | str, ...]


@dataclasses.dataclass(frozen=True)
class Event:
    """One reading of a parameter.

    Attributes:
      loops: the loops around it, by their numbers, the outermost first.
      steps: the step of each.
      parameter: its number.
      found: which of its numbers.
      ahead: whether it was done before the loop for all steps at once, so that the step
        gets what came of it.
    """

    loops: tuple[int, ...]
    steps: tuple[int, ...]
    parameter: int
    found: Origins | Unknown
    ahead: bool = False

    def within(self, loop: int, step: int) -> "Event":
        """Returns the event as it is seen from outside of the loop around it."""
        return dataclasses.replace(
            self, loops=(loop, *self.loops), steps=(step, *self.steps)
        )

    @property
    def found_key(self) -> tuple:
        """What events have in common that found the same."""
        if isinstance(self.found, tuple):
            return tuple(origin.key for origin in self.found)
        return (self.found,)

    @property
    def key(self) -> tuple:
        """What equal events of one parameter have in common."""
        return (self.loops, self.steps, self.ahead, self.found_key)


@dataclasses.dataclass(frozen=True)
class FoundLoop:
    """A loop of a program.

    Attributes:
      kind: 'scan' (of which static `fori_loop`s are) or 'while'.
      length: None where it depends on the inputs.
      parent: the number of the loop around it.
      where: in the source.
    """

    kind: str
    length: int | None
    parent: int | None
    where: str
    varies: bool = False  # from run to run

    def with_length(self, length: int | None) -> "FoundLoop":
        """Returns the loop after a run of a length."""
        if not self.varies and self.length in (None, length) and length is not None:
            return dataclasses.replace(self, length=length)
        return dataclasses.replace(self, length=None, varies=True)
