"""Train steps in two processes: one keeps freed memory, one is as its users run it.

What the C library does with freed memory is a choice of a process, made at its start;
see `rnnshare.training.keep_memory`.
"""

import contextlib
import functools
import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from experiments.lab.racing import Contender
from rnnshare.training import keep_memory

KEPT = ", memory kept"  # after a contender's name


class Racer:
    """A process that runs a contender when it is told to."""

    def __init__(self, keep: bool):
        """Starts it; with `keep` it keeps freed memory."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._ending = KEPT if keep else ""
        self._process = context.Process(target=serve, args=(theirs, keep), daemon=True)
        self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe

    def contenders(self, cell: str, shape: tuple[int, ...]) -> dict[str, Contender]:
        """Returns ours and the peers' train steps; those of another shape are let go.

        Args:
          cell: see `peers`.
          shape: see there.
        """
        return {
            name + self._ending: Contender(functools.partial(self._ask, name), *told)
            for name, told in self._ask((cell, shape)).items()
        }

    def _ask(self, what: Any) -> Any:
        self._pipe.send(what)
        return self._pipe.recv()

    def end(self) -> None:
        """Ends the process."""
        self._pipe.close()
        self._process.join()


@contextlib.contextmanager
def processes() -> Iterator[tuple[Racer, Racer]]:
    """Starts and ends two processes: as it is by default, and with memory kept."""
    with contextlib.ExitStack() as stack:
        both = Racer(keep=False), Racer(keep=True)
        for racer in both:
            stack.callback(racer.end)
        yield both


def serve(pipe: Connection, keep: bool) -> None:
    """Makes the train steps of (cell, shape), or runs the one of a name, as asked."""
    if keep:
        keep_memory()
    from experiments.benchmark import peers
    from rnnshare import Tied

    found: dict[str, Contender] = {}
    with contextlib.suppress(EOFError):  # the one who asks has ended
        while True:
            asked = pipe.recv()
            if isinstance(asked, str):
                found[asked].run()
                pipe.send(None)
                continue
            cell, shape = asked
            own = peers.ours(cell, shape, Tied(), ("auto",))
            found = {**own, **peers.tied_peers(cell, shape)}
            facts = {
                n: (c.compile_seconds, c.temporary_bytes) for n, c in found.items()
            }
            pipe.send(facts)
