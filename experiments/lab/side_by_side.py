"""Commands side by side, each a process, and what they say, line by line."""

import concurrent.futures
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

_LAST = 10.0  # seconds that a process has to end when it is told to


def run(
    commands: Mapping[str, Sequence[str]],
    jobs: int,
    tell: Callable[[str, str], object],
) -> dict[str, int]:
    """Runs commands in their order, some at a time; returns {name: exit code}.

    What ends this, such as a signal, ends them, too.

    Args:
      commands: {name: words}.
      jobs: how many at once.
      tell: `tell(name, line)` of each line that one writes to stdout or stderr.
    """
    running: dict[str, subprocess.Popen] = {}
    ends, lock = False, threading.Lock()

    def begin(name: str) -> subprocess.Popen | None:
        with lock:  # or one would begin after all were ended
            if ends:
                return None
            running[name] = subprocess.Popen(
                commands[name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            return running[name]

    def one(name: str) -> int:
        process = begin(name)
        if process is None:
            return 1
        with process:
            assert process.stdout is not None  # for the type checker
            try:
                for line in process.stdout:
                    tell(name, line.rstrip("\n"))
            except BaseException:
                process.terminate()
                raise
        return process.returncode

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {name: pool.submit(one, name) for name in commands}
        try:
            first = concurrent.futures.FIRST_EXCEPTION
            done, _ = concurrent.futures.wait(futures.values(), return_when=first)
            for future in done:
                future.result()  # raises what ended the wait
            return {name: future.result() for name, future in futures.items()}
        finally:
            with lock:
                ends = True
            for process in running.values():
                process.terminate()
            for process in running.values():
                _see_it_end(process)


def _see_it_end(process: subprocess.Popen) -> None:
    try:
        process.wait(_LAST)
    except subprocess.TimeoutExpired:
        process.kill()
