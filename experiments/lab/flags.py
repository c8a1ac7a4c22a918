"""What the scripts share: flags with bounds, one-line errors, and the devices.

Only this folder defines flags; the library receives values. Nothing heavy is imported
at the top, so that --help answers at once.
"""

import contextlib
import difflib
import math
import os
import pathlib
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import app, flags, logging

# Flags that are defined here belong to the script that asked for them.
flags.disclaim_key_flags()

PRESETS = ("smoke", "quick", "full")


class _Float(flags.FloatParser):
    """A finite float; absl's own bounds let nan through."""

    def parse(self, argument: Any) -> float:
        value = super().parse(argument)
        if not math.isfinite(value):
            raise ValueError(f"must be a finite number, not {argument}")
        return value


class _Choice(flags.ArgumentParser):
    """One of some names; the nearest is suggested for another."""

    syntactic_help = "a name"

    def __init__(self, names: Sequence[str]):
        self.names = tuple(names)

    def parse(self, argument: Any) -> str:
        if argument not in self.names:
            near = difflib.get_close_matches(argument, self.names, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ValueError(f"unknown name.{hint} Use one of {', '.join(self.names)}")
        return argument

    def flag_type(self) -> str:
        return "choice"


def define_choice(
    name: str, default: str | None, names: Sequence[str], text: str
) -> flags.FlagHolder[str]:
    """Defines a flag that takes one of some names."""
    return flags.DEFINE(
        _Choice(names), name, default, f"{text} One of: {', '.join(names)}."
    )


def define_float(
    name: str,
    default: float | None,
    text: str,
    *,
    least: float | None = None,
    most: float | None = None,
) -> flags.FlagHolder[float]:
    """Defines a flag that takes a finite number between bounds."""
    return flags.DEFINE(
        _Float(least, most), name, default, text, serializer=flags.ArgumentSerializer()
    )


# Shared by name, so that one script can import another. A script that reads them says
# flags.declare_key_flag, and --help shows them.
PRESET = define_choice(
    "preset",
    "quick",
    PRESETS,
    "How much to run: smoke is for tests only, quick gives verdicts in minutes, full "
    "takes hours.",
)
WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Where the results go, each command's in a folder of its own below it (default: "
    "results); train leaves none without it.",
)

PER_DEVICE = flags.DEFINE_integer(
    "replicas_per_device",
    1,
    "Replicas that a device trains at once. More of them fill a GPU, at that many "
    "times the memory; on CPU cores 1 is best.",
    lower_bound=1,
)
CACHE = flags.DEFINE_string(
    "compilation_cache",
    None,
    "Folder that keeps compiled programs for the next run; by default rnnshare in the "
    "user's cache folder; '' keeps none.",
)
KEEP_MEMORY = flags.DEFINE_bool(
    "keep_memory",
    True,
    "Keep freed memory for the next step, where the C library is glibc: faster steps, "
    "and the process holds the most that it ever used.",
)


def workdir(below: str = "") -> pathlib.Path:
    """Returns the folder that --workdir names, or one below it, made if missing."""
    folder = pathlib.Path(WORKDIR.value or "results").expanduser() / below
    with user_errors():
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(main: Callable[[], None], *, resumes: bool = False) -> None:
    """Parses the flags and runs `main`.

    A wrong flag, or a word that is no flag, ends the program with one line and exit
    code 2, before anything is compiled or created; a signal, with one line and exit
    code 130 (Ctrl-C) or 143 (SIGTERM).

    Args:
      main: the script.
      resumes: whether the same command goes on from the rows that it has kept.
    """

    def parse(argv: list[str]) -> list[str]:
        try:
            words = flags.FLAGS(argv)[1:]
            if words:
                raise flags.Error(
                    f"unexpected words: {' '.join(words)}. Flags are written "
                    "--name=value (a boolean one --name or --noname)"
                )
        except flags.Error as error:
            fail(error)
        return argv[:1]

    for descriptor in (1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # it is closed: else a file of the run would be opened as it
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    logging.set_verbosity(logging.WARNING)  # JAX tells of the backends that it misses
    for flag in (CACHE, KEEP_MEMORY):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[flag.name])
    app.run(lambda _: _in_order(main, resumes), flags_parser=parse)


def _in_order(main: Callable[[], None], resumes: bool) -> None:
    """Runs `main`; a signal ends it in one line that says what is kept."""
    keeps("rows are kept" if resumes else "")
    for signum in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _end)
    from rnnshare.training import LockedError, handle_signals  # a second or more
    from rnnshare.training.streams import Lasting

    # A reader of them that goes away ends no training.
    streams: Any = Lasting(sys.stdout), Lasting(sys.stderr)
    sys.stdout, sys.stderr = streams
    with handle_signals(_tell):
        try:
            main()
        except (LockedError, OSError) as error:  # a full disk, a read-only folder
            fail(error)


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


def use_devices(count: int | None = None) -> None:
    """Makes the cores of a CPU `count` devices (all of them by default).

    Replicas are laid over devices. Call it before JAX starts its backend. Compiled
    programs are kept where --compilation_cache says, freed memory as --keep_memory.
    """
    import jax

    from rnnshare.training import keep_memory

    use_cache()
    if KEEP_MEMORY.value:
        keep_memory()
    jax.config.update("jax_num_cpu_devices", count or os.cpu_count() or 1)


def use_cache() -> None:
    """Keeps compiled programs from one run to the next, as --compilation_cache says.

    A folder that cannot be used costs the time to compile, and a warning.
    """
    import jax

    folder = CACHE.value and str(pathlib.Path(CACHE.value).expanduser())
    if folder is None:
        home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = str(pathlib.Path(home) / "rnnshare")
    if folder:
        jax.config.update("jax_compilation_cache_dir", folder)
        # Small programs too: a study has many, and each takes a second or more.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
