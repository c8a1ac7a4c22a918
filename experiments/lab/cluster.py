"""Where trainings run: here, or each program's in a job of submitit.

Nothing heavy is imported at the top, so that --help answers at once.
"""

import collections
import contextlib
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from absl import flags

from experiments.lab import flags as common

CLUSTER = common.define_choice(
    "cluster",
    "none",
    ("none", "local", "slurm", "debug"),
    "Where trainings run: none is in this process; else the settings of one program "
    "are a job of submitit, in processes of this machine, by SLURM, or (debug) one "
    "after another in this process.",
)
WORKERS = common.define_integer(
    "workers", 2, "Jobs at once.", most=10_000, only={"cluster": ("local", "slurm")}
)
OPTIONS = flags.DEFINE_list(
    "cluster_options",
    [],
    "Of submitit's AutoExecutor, as --cluster_options=slurm_partition=gpu,timeout_min="
    "240; by default a job may take a day.",
)
common.only("cluster_options", {"cluster": ("local", "slurm")})
KEYS = ("cluster", "workers", "cluster_options")

_POLL = 0.2  # seconds
_LAST = 3.0  # seconds that a job has to end when it is cancelled
_MINUTES = 24 * 60


def check() -> None:
    """Raises if the flags ask for jobs that cannot be submitted.

    Raises:
      ImportError: if submitit is not installed.
      ValueError: on options that it does not have, or a machine that has no SLURM.
    """
    if CLUSTER.value != "none":
        with tempfile.TemporaryDirectory() as folder:
            _make(pathlib.Path(folder))


@contextlib.contextmanager
def opened(folder: pathlib.Path) -> Iterator[Any]:
    """Gives an executor for `rnnshare.training.run`; None, to train in this process.

    Jobs that are not done at the end are cancelled.

    Args:
      folder: whose `cluster` holds pickles and logs of the jobs; it is removed if all
        of them ended well.
    """
    if not flags.FLAGS.is_parsed() or CLUSTER.value == "none":
        yield None
        return
    if CLUSTER.value == "debug":  # its jobs run when they are asked whether they have
        with tempfile.TemporaryDirectory() as logs:
            yield _make(pathlib.Path(logs))
        return
    most, is_local = WORKERS.value, CLUSTER.value == "local"
    jobs = Jobs(folder / "cluster", _make, most, end_with_us=is_local)
    try:
        yield jobs
    finally:
        jobs.close()


class Jobs:
    """An executor that has at most so many jobs of submitit at once."""

    def __init__(
        self,
        folder: pathlib.Path,
        make: Callable[[pathlib.Path], Any],
        most: int,
        *,
        end_with_us: bool = False,
    ):
        """Names the folder of the jobs; nothing is done yet.

        Args:
          folder: of pickles and logs.
          make: returns an executor of submitit that uses it.
          most: jobs at once.
          end_with_us: whether they are processes of this machine, to be ended with this
            one, also where it is killed.
        """
        self._folder, self._make, self._most = folder, make, most
        self._end_with_us = end_with_us
        self._executor: Any = None
        self._waiting: collections.deque[Job] = collections.deque()
        self._begun: list[Job] = []

    def submit(self, function: Callable[..., Any], /, *args: Any) -> "Job":
        """Begins a job, or lets it wait for its turn."""
        if self._end_with_us:
            from rnnshare.training import orphans  # a second or more

            us = orphans.Owner.of(os.getpid())
            function, args = orphans.work_for, (us, function, *args)
        job = Job(self, function, args)
        self._waiting.append(job)
        self.fill()
        return job

    def fill(self) -> None:
        """Begins waiting jobs where others have ended."""
        if self._executor is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._executor = self._make(self._folder)
        while self._waiting and sum(not job.done() for job in self._begun) < self._most:
            job = self._waiting.popleft()
            with _stderr_to(self._folder / "controllers.err"):
                job.begin(self._executor)
            self._begun.append(job)

    def close(self) -> None:
        """Cancels what is not done, and removes the folder if all ended well."""
        until = time.monotonic() + _LAST
        for job in self._begun:
            job.cancel()
        while not all(job.done() for job in self._begun) and time.monotonic() < until:
            time.sleep(_POLL)
        if all(job.is_fine for job in self._begun):
            shutil.rmtree(self._folder, ignore_errors=True)


class Job:
    """A future of `Jobs`."""

    def __init__(self, jobs: Jobs, function: Callable[..., Any], args: Any):
        """Holds what is to be run."""
        self._jobs, self._call, self._job = jobs, (function, *args), None
        self.is_fine = False  # its result was returned
        self._has_ended = self._is_cancelled = False

    def begin(self, executor: Any) -> None:
        """Submits it."""
        self._job = executor.submit(*self._call)

    def done(self) -> bool:
        """Returns whether it has ended."""
        if not self._has_ended and self._job is not None:
            self._has_ended = self._job.done()
        return self._has_ended

    def result(self) -> Any:
        """Waits, and returns what the function returned or raises what went wrong."""
        while not self.done():
            self._jobs.fill()
            time.sleep(_POLL)
        assert self._job is not None
        found = self._job.result()
        self.is_fine = True
        return found

    def cancel(self) -> None:
        """Ends it, if it was begun and has not ended; once, as Ctrl-C twice is more."""
        if self._job is not None and not self.done() and not self._is_cancelled:
            self._is_cancelled = True
            self._job.cancel(check=False)


def _make(folder: pathlib.Path) -> Any:
    """Returns submitit's executor by the flags."""
    # Else its import closes every handler of logging, that of absl among them.
    os.environ.setdefault("SUBMITIT_LOG_LEVEL", "NOCONFIG")
    try:
        import submitit
    except ImportError as error:
        raise ImportError(
            f"--cluster={CLUSTER.value} needs submitit: pip install 'rnnshare[cluster]'"
        ) from error
    options: dict[str, Any] = {"timeout_min": _MINUTES}
    for text in OPTIONS.value:
        name, is_one, value = text.partition("=")
        if not is_one:
            raise ValueError(f"--cluster_options: {text} is not written name=value")
        options[name] = int(value) if value.isdigit() else value
    try:
        executor = submitit.AutoExecutor(folder, cluster=CLUSTER.value)
        executor.update_parameters(**options)
    except Exception as error:  # of many kinds, of submitit and its plugins
        raise ValueError(f"--cluster={CLUSTER.value}: {error}") from error
    return executor


@contextlib.contextmanager
def _stderr_to(path: pathlib.Path) -> Iterator[None]:
    """Lends stderr of a file to processes that are started meanwhile.

    Those that keep watch over local jobs inherit it, and would each write a traceback
    on Ctrl-C.
    """
    kept = os.dup(2)
    try:
        with path.open("a") as file:
            os.dup2(file.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
