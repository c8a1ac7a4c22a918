"""Workers end with the process that they work for.

A process that is killed tells nobody, and on one machine its workers would train on:
they hold what it locked against its next start, and a pool of them waits for ever.
"""

import functools
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from rnnshare.training.locks import start_of

_EVERY = 0.5  # seconds


class Owner(NamedTuple):
    """A process of this machine.

    Attributes:
      pid: its number.
      started: when it began; None where the system does not tell, and then it is taken
        to be alive.
    """

    pid: int
    started: int | None

    @classmethod
    def of(cls, pid: int) -> "Owner":
        """Returns the process that has a number now."""
        return cls(pid, start_of(pid))

    def is_alive(self) -> bool:
        """Returns whether it has not ended; its number may have been given anew."""
        return start_of(self.pid) == self.started


def work_for(owner: Owner, function: Callable[..., Any], /, *args: Any) -> Any:
    """Calls a function in another process, which ends as soon as its owner does."""
    _end_without(owner.is_alive)
    return function(*args)


@functools.cache  # once a process
def end_with_parent() -> None:
    """Ends a process of `multiprocessing`, as of a pool, when its parent has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        _end_without(parent.is_alive)


def _end_without(is_alive: Callable[[], bool]) -> None:
    def watch() -> None:
        while is_alive():
            time.sleep(_EVERY)
        os._exit(1)  # what is on disk is whole at every moment

    threading.Thread(target=watch, daemon=True).start()
