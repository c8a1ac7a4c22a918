"""Streams that outlast their readers: a closed one loses lines, and ends nothing."""

import contextlib
import io
import os
import sys
from typing import Any


class Lasting:
    """A text stream, as stdout or stderr, whose reader may go away.

    What is written then, as to a closed pipe, a terminal that is gone, or a full disk,
    is lost, and so is all that comes after it.
    """

    def __init__(self, stream: Any):
        """Takes the stream, or None, where Python was started without it."""
        self._stream = io.TextIOBase() if stream is None else stream

    def write(self, text: str) -> int:
        """Writes, or loses, a text."""
        with self._surviving():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Passes on what was written."""
        with self._surviving():
            self._stream.flush()

    def isatty(self) -> bool:
        """Returns whether a terminal is behind it."""
        return not self._stream.closed and self._stream.isatty()

    @contextlib.contextmanager
    def _surviving(self) -> Any:
        try:
            yield
        except (OSError, ValueError):  # it is broken, or closed
            # Also for what its buffers hold, and for libraries that write past Python.
            with contextlib.suppress(OSError, ValueError):
                descriptor = self._stream.fileno()
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, descriptor)
                os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def tell(text: str) -> None:
    """Writes one line to stderr, if anybody reads it."""
    if sys.stderr is not None:
        stream = Lasting(sys.stderr)
        stream.write(f"{text}\n")
        stream.flush()
