"""What the scripts share: their flags, their start and end, one-line errors.

Only this folder defines flags; the library receives values. Nothing heavy is imported
at the top, so that --help answers at once.
"""

import contextlib
import os
import pathlib
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import app, flags, logging

from experiments.lab import flag_types
from experiments.lab.flag_types import define_bool as define_bool
from experiments.lab.flag_types import define_choice as define_choice
from experiments.lab.flag_types import define_float as define_float
from experiments.lab.flag_types import define_integer as define_integer
from experiments.lab.flag_types import define_path as define_path
from experiments.lab.flag_types import only as only

# Flags that are defined here belong to the script that asked for them.
flags.disclaim_key_flags()

PRESETS = ("smoke", "quick", "full")
# Shared by name, so that one script can import another. A script that reads them says
# flags.declare_key_flag, and --help shows them.
PRESET = define_choice(
    "preset",
    "quick",
    PRESETS,
    "How much to run: smoke is for tests only, quick gives verdicts in minutes, full "
    "takes hours.",
)
WORKDIR = define_path(
    "workdir",
    None,
    "Where the results go, each command's in a folder of its own below it (default: "
    "results); train leaves none without it.",
)
PER_DEVICE = define_integer(
    "replicas_per_device",
    1,
    "Replicas that a device trains at once. More of them fill a GPU, at that many "
    "times the memory; on CPU cores 1 is best.",
    most=1_000_000,
)
CACHE = define_path(
    "compilation_cache",
    None,
    "Folder that keeps compiled programs for the next run; by default rnnshare in the "
    "user's cache folder; '' keeps none.",
    none=True,
)
CACHE_SIZE = define_float(
    "compilation_cache_gb",
    2.0,
    "How large that folder may become; what was not used for longest goes first.",
    least=0.0,
    most=1e6,
)
KEEP_MEMORY = define_bool(
    "keep_memory",
    True,
    "Keep freed memory for the next step, where the C library is glibc: faster steps, "
    "and the process holds the most that it ever used.",
)
OF_ALL = (CACHE, CACHE_SIZE, KEEP_MEMORY)


def workdir(below: str = "") -> pathlib.Path:
    """Returns the folder that --workdir names, or one below it, made if missing."""
    folder = (WORKDIR.value or pathlib.Path("results")) / below
    with user_errors():
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(
    main: Callable[..., None],
    *,
    prepare: Callable[[], Sequence[Any]] = tuple,
    resumes: bool = False,
    on_devices: bool = True,
) -> None:
    """Parses the flags, says on stderr what runs and for how long, and runs `main`.

    A wrong flag, or a word that is no flag, ends the program with one line and exit
    code 2, before anything is compiled or created; a signal, with one line and exit
    code 130 (Ctrl-C) or 143 (SIGTERM).

    Args:
      main: the script, called with what `prepare` returns.
      prepare: makes of the flags what `main` takes; what it raises is the user's error.
      resumes: whether the same command goes on from the rows that it has kept.
      on_devices: whether it runs on a device a core; see `machine.use_devices`.
    """

    def parse(argv: list[str]) -> list[str]:
        try:
            words = flags.FLAGS(argv)[1:]
            if words:
                raise flags.Error(
                    f"unexpected words: {' '.join(words)}. Flags are written "
                    "--name=value (a boolean one --name or --noname)"
                )
            flag_types.refuse_what_is_not_read()
        except SystemExit:  # by absl, with 1, when it has shown the help
            sys.exit(0)
        except (flags.Error, ValueError, OSError) as error:
            fail(error)
        return argv[:1]

    def start(_: Any) -> None:
        keeps("rows are kept" if resumes else "")
        for signum in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, _end)
        with user_errors():
            _check_workdir()
            if on_devices:
                from experiments.lab import machine  # a second or more

                machine.use_devices()
            prepared = prepare()
        from rnnshare.training.streams import Lasting  # a second or more

        # A reader of them that goes away ends no training.
        streams: Any = Lasting(sys.stdout), Lasting(sys.stderr)
        sys.stdout, sys.stderr = streams
        _say_what_runs()
        _in_order(main, prepared)

    for descriptor in (1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # it is closed: else a file of the run would be opened as it
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    logging.set_verbosity(logging.WARNING)  # JAX tells of the backends that it misses
    for flag in OF_ALL if on_devices else ():
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[flag.name])
    app.run(start, flags_parser=parse)


def _in_order(main: Callable[..., None], prepared: Sequence[Any]) -> None:
    """Runs `main`; a signal ends it in one line that says what is kept."""
    from rnnshare.training import LockedError, WorkerError, handle_signals

    with handle_signals(_tell):
        try:
            main(*prepared)
        except (LockedError, WorkerError, OSError) as error:  # a full disk
            fail(error)


def _check_workdir() -> None:
    """Raises if --workdir cannot be made or written to; leaves nothing behind."""
    if WORKDIR.value is not None:
        path = WORKDIR.value.absolute()
        there = next(p for p in (path, *path.parents) if p.exists())
        try:  # root may write where the file system still makes no folder
            os.rmdir(tempfile.mkdtemp(dir=there))  # noqa: PTH106
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror}: --workdir={path}: {there} is no folder that can "
                "be written to. Name another",
            ) from error


_time = ""  # of what runs, where it is not that of the docstring


def takes(text: str) -> None:
    """Says how long the script takes by its flags: 'seconds'."""
    global _time
    _time = text


def _say_what_runs() -> None:
    doc = sys.modules["__main__"].__doc__ or "\n"
    time = _time or time_of(doc, PRESET.value)
    print(f"{doc.splitlines()[0]} Time: {time}", file=sys.stderr, flush=True)


def time_of(doc: str, preset: str) -> str:
    """Returns what a script's docstring says of the time that a preset takes.

    Args:
      doc: 'Time: a minute on 2 cores (quick); an hour (full). ...' is in it; the first
        sentence is of all presets if it does not name them.
      preset: 'smoke' is told as less than quick.
    """
    found = re.search(r"^Time: +(.*?)^\w+:", doc, re.MULTILINE | re.DOTALL)
    text = " ".join(found[1].split()) if found else "unknown."
    named = re.search(rf"([^;,(]+) \({preset.replace('smoke', 'quick')}\b", text)
    if not named:
        return f"{text.partition('. ')[0].rstrip('.')}."
    return f"{'less than ' * (preset == 'smoke')}{named[1].strip()} ({preset})."


def _end(signum: int, _: Any) -> None:
    """Ends the program at once, before it does anything that could be lost."""
    with contextlib.suppress(OSError):  # nobody reads any more
        os.write(2, f"{_tell()}\n".encode())
    os._exit(128 + signum)


_kept = ""  # when it is interrupted; '' is nothing


def keeps(text: str) -> None:
    """Says what is kept from now on, for the line of an interrupt: 'rows are kept'."""
    global _kept
    _kept = text


def _tell() -> str:
    if not _kept:
        return "interrupted: nothing is kept"
    spec = sys.modules["__main__"].__spec__
    name = spec.name.removesuffix(".__main__") if spec else sys.argv[0]
    command = shlex.join(["python", "-m", name, *sys.argv[1:]])
    return f"interrupted: {_kept}; go on by: {command}"


def fail(error: object) -> None:
    """Ends the program with one line and exit code 2."""
    text = " ".join(str(error).split())
    print(f"error: {text}", file=sys.stderr)
    sys.exit(2)


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Reports what a user got wrong in one line, for the part of main that sets up."""
    try:
        yield
    except (ValueError, TypeError, ImportError, OSError) as error:
        fail(error)
