"""How the tests run a script, and read what it says."""

import contextlib
import io
import json
import pathlib
import runpy
import signal
import subprocess
import sys
import warnings
from typing import NamedTuple
from unittest import mock

from absl import app, flags
from absl.testing import flagsaver

from experiments import answer
from experiments.lab import cluster, machine, own_data, processes, script
from experiments.lab import flags as common

app.define_help_flags()

_say_what_runs = common._say_what_runs
ROOT = pathlib.Path(__file__).parents[2]


EXPERIMENTS = {name: script.load(name) for name in answer.EXPERIMENTS}


TINY = (
    "--task=adding", "--task_steps=6", "--num_steps=4", "--validate_every=2",
    "--hidden_features=4", "--batch_size=4",
)  # fmt: skip


def run(name, *flags, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", *flags],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=1_800,
        check=False,
    )


def strict_json(text):
    """Reads JSON, and refuses the NaN and Infinity that Python adds to it."""

    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def assert_refused(done, text, begun=False):
    """One line says why; one before it what runs, if the flags were right."""
    assert done.returncode == 2
    assert done.stdout == ""
    *before, last = done.stderr.splitlines()
    assert text in last
    assert len(before) == begun, done.stderr


class Refused(NamedTuple):
    """How a script ended before it began, and the flags that it defined, by name."""

    returncode: int | None
    stdout: str
    stderr: str
    flags: dict[str, flags.Flag]


@contextlib.contextmanager
def own_flags():
    """Lets a script define its flags, whatever scripts were imported before.

    Yields a function that returns {name: flag} of what the script has defined.
    """
    values, parsed = flags.FLAGS, flags.FLAGS.is_parsed()
    shared = {
        holder.name
        for module in (common, own_data, cluster, processes, script)
        for holder in vars(module).values()
        if isinstance(holder, flags.FlagHolder)
    }
    taken = {
        name: (values[name], module)
        for name in {*values} - shared
        if (module := values.find_module_defining_flag(name) or "").startswith("exp")
    }
    for name in taken:
        delattr(values, name)
    before = set(values)
    try:
        with flagsaver.flagsaver():
            yield lambda: {n: values[n] for n in {*values} - before | shared}
    finally:
        for name, (flag, module) in taken.items():
            values[name] = flag
            values.register_flag_by_module(module, flag)
        if not parsed:
            values.unparse_flags()


def refused(name, *words, begin=None):
    """Parses and checks a script's flags in this process, as the script would.

    Args:
      name: of the script.
      *words: of the command line.
      begin: called where the script would begin; by default nothing may come so far.
    """
    out, err, code = io.StringIO(), io.StringIO(), None
    signals = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    begin = begin or mock.Mock(side_effect=AssertionError(f"not refused: {words}"))

    def run(main, flags_parser):
        main(flags_parser([name, *words]))

    with contextlib.ExitStack() as stack:
        defined = stack.enter_context(own_flags())
        for owner, attribute, other in (
            (app, "run", run), (machine, "use_devices", tuple),
            (common, "_say_what_runs", begin), (sys, "argv", [name, *words]),
        ):  # fmt: skip
            stack.enter_context(mock.patch.object(owner, attribute, other))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        stack.enter_context(warnings.catch_warnings())
        # That the script was imported before.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
        finally:
            for number, handler in signals.items():
                signal.signal(number, handler)
            common.takes("")
            found = defined()
    return Refused(code, out.getvalue(), err.getvalue(), found)


def run_here(name, *words):
    """Runs a script in this process: what it says and leaves is what `run` returns."""
    done = refused(name, *words, begin=_say_what_runs)
    return done._replace(returncode=done.returncode or 0)
