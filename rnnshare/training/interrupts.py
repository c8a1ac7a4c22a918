"""SIGTERM and Ctrl-C: what is being done is kept, and the process ends in time.

A script runs inside `handle_signals`. A signal then raises `Interrupted` where the main
thread is; inside `deferred`, as between the steps of a training, it is a request that
the loop reads at its next safe point. Python runs signal handlers between two byte
codes of the main thread, so never within a compilation or a long chunk: a thread of
its own hears of the signal at once, and ends the process when its time is up.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 4.0  # seconds from the first signal to the end, whatever is going on
# Signals within so many seconds are one: a terminal and a parent may both send it.
_SAME = 1.0


class Interrupted(KeyboardInterrupt):
    """A signal asked the process to end.

    Attributes:
      signum: which.
      exit_code: 128 + signum, as a shell tells it: 130 of Ctrl-C, 143 of SIGTERM.
    """

    def __init__(self, signum: int):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum
        self.exit_code = 128 + signum


_requested: int | None = None  # the first signal that came
_depth = 0  # of `deferred` blocks


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], int | None]]:
    """Holds signals back until a loop asks for them, or the block ends.

    A loop asks between its steps, keeps what it has, and raises `Interrupted`. Without
    `handle_signals`, as in a notebook, Ctrl-C is what it always is.

    Yields:
      `requested()`: the signal that came, or None.

    Raises:
      Interrupted: at the end of the outermost block, if a signal came.
    """
    global _depth
    _depth += 1
    try:
        yield lambda: _requested
    finally:
        _depth -= 1
    if _requested is not None and not _depth:
        raise Interrupted(_requested)


@contextlib.contextmanager
def handle_signals(tell: Callable[[], str], *, grace: float = GRACE) -> Iterator[None]:
    """Ends the process in order when SIGINT or SIGTERM comes; of the main thread.

    On `Interrupted` one line is written to stderr, and the exit code is 130 or 143.
    That is so too where the main thread does not get to it within `grace` seconds, from
    what is on disk by then; a second signal, a second or more after the first, ends the
    process at once. A signal that the process was started to ignore (`nohup`, a shell's
    background) is ignored still.

    Args:
      tell: returns what is kept and how to go on; called once, from any thread.
      grace: seconds.

    Raises:
      SystemExit: in place of `Interrupted`.
    """
    heard = [s for s in SIGNALS if signal.getsignal(s) is not signal.SIG_IGN]
    watcher = _Watcher(tell, grace)
    handlers = {signum: signal.signal(signum, _on_signal) for signum in heard}
    hook, sys.unraisablehook = sys.unraisablehook, _raise_again
    wakeup = signal.set_wakeup_fd(watcher.write_end, warn_on_full_buffer=False)
    try:
        yield
    except KeyboardInterrupt as error:
        # The handlers and the watcher stay: what is left to do may hang as well.
        code = error.exit_code if isinstance(error, Interrupted) else 130
        watcher.tell()
        sys.exit(code)
    finally:
        if _requested is None:
            signal.set_wakeup_fd(wakeup)
            sys.unraisablehook = hook
            for signum, handler in handlers.items():
                signal.signal(signum, handler)
            watcher.close()


def _on_signal(signum: int, _: FrameType | None) -> None:
    global _requested
    if _requested is None:
        _requested = signum
        if not _depth:
            raise Interrupted(signum)


def _raise_again(unraisable: Any) -> None:
    """Raises once more where Python swallowed it, in a callback of its own."""
    global _requested
    if not issubclass(unraisable.exc_type, Interrupted):
        sys.__unraisablehook__(unraisable)
        return
    signum, _requested = _requested or signal.SIGINT, None
    main = threading.main_thread().ident
    threading.Timer(0.05, signal.pthread_kill, [main, signum]).start()


class _Watcher:
    """A thread that the kernel wakes at a signal; it ends the process in time."""

    def __init__(self, tell: Callable[[], str], grace: float):
        self._tell, self._grace = tell, grace
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self.write_end, False)
        self._once = threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def tell(self) -> None:
        """Writes the line, once, past buffers that another thread may hold."""
        if self._once.acquire(blocking=False):
            after_echo = "\n" if os.isatty(2) else ""  # of ^C
            line = f"{after_echo}{' '.join(self._tell().split())}\n"
            with contextlib.suppress(OSError):  # nobody reads any more
                os.write(2, line.encode())

    def close(self) -> None:
        """Ends the thread."""
        os.write(self.write_end, b"\0")
        self._thread.join()
        for end in (self._read_end, self.write_end):
            os.close(end)

    def _watch(self) -> None:
        first = 0.0
        while (signum := os.read(self._read_end, 1)[0]) != 0:
            if signum not in SIGNALS:
                continue
            now = time.monotonic()
            if not first:
                first = now
                timer = threading.Timer(self._grace, self._end, [signum])
                timer.daemon = True
                timer.start()
            elif now - first > _SAME:
                self._end(signum)

    def _end(self, signum: int) -> None:
        self.tell()
        # Not for ever: the main thread may hold the lock of stdout.
        flush = threading.Thread(target=_flush, daemon=True)
        flush.start()
        flush.join(0.3)
        os._exit(128 + signum)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
