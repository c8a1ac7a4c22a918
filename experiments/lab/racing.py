"""Races: contenders timed side by side, interleaved, in one run."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass
class Contender:
    """A compiled program with its arguments.

    Attributes:
      run: does the work once, and returns when it is done.
      compile_seconds: lowering and compilation; None where it is not compiled ahead.
      temporary_bytes: memory that the program needs beside arguments and results, by
        XLA's analysis; None where there is none.
    """

    run: Callable[[], Any]
    compile_seconds: float | None = None
    temporary_bytes: int | None = None


def compiled(
    function: Callable[..., Any],
    *arguments: Any,
    options: dict[str, Any] | None = None,
) -> Contender:
    """Returns a JAX function as a contender, compiled for its arguments.

    Args:
      function: runs on the arguments.
      *arguments: of every run.
      options: of XLA.
    """
    import jax

    begin = time.perf_counter()
    program = jax.jit(function).lower(*arguments).compile(compiler_options=options)
    seconds = time.perf_counter() - begin
    analysis = program.memory_analysis()
    return Contender(
        run=lambda: jax.block_until_ready(program(*arguments)),
        compile_seconds=seconds,
        temporary_bytes=analysis.temp_size_in_bytes if analysis else None,
    )


def race(
    contenders: Mapping[str, Contender],
    rounds: int,
    least_seconds: float = 0.05,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Returns the seconds that each contender took, round by round.

    Every round runs all contenders, each time another one first, so that what else the
    machine does falls on all of them. A time is the mean of as many repetitions as take
    `least_seconds`.
    """
    repetitions = {}
    for name, contender in contenders.items():
        contender.run()
        begin = clock()
        contender.run()
        took = max(clock() - begin, 1e-9)
        repetitions[name] = max(1, round(least_seconds / took))
    names = list(contenders)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            begin = clock()
            for _ in range(repetitions[name]):
                contenders[name].run()
            times[name].append((clock() - begin) / repetitions[name])
    return times


def summary(
    contenders: Mapping[str, Contender], times: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, Any]]:
    """Returns {name: median and quartiles in seconds, compile time, memory}."""
    found = {}
    for name, rounds in times.items():
        low, median, high = np.quantile(rounds, [0.25, 0.5, 0.75])
        needs = contenders[name].temporary_bytes
        found[name] = {
            "median_s": float(median),
            "quartiles_s": [float(low), float(high)],
            "compile_s": contenders[name].compile_seconds,
            "temporary_mib": None if needs is None else needs / 2**20,
        }
    return found


def geometric_mean(ratios: Sequence[float]) -> float:
    """Returns the geometric mean."""
    return float(np.exp(np.mean(np.log(ratios))))
