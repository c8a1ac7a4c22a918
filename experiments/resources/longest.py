"""The longest sequence whose training step takes a given time, found by running it."""

import time
from collections.abc import Callable

import jax

from experiments.resources.cases import Case
from experiments.resources.program import contender

TRIES = 3  # the fastest of so many runs is the time that a sequence takes
BRACKET = 1.15  # a longest sequence is known within this factor


def seconds_of(case: Case) -> float:
    """Returns the seconds of a training step, the fastest of `TRIES`, compiled anew."""
    one, _ = contender(case)
    one.run()
    took = []
    for _ in range(TRIES):
        began = time.perf_counter()
        one.run()
        took.append(time.perf_counter() - began)
    jax.clear_caches()
    return min(took)


def ends_of(tried: dict[int, float], seconds: float) -> tuple[int, int | None]:
    """Returns the longest T within a time, 0 if none, and the least that takes more.

    Where times do not rise with T, the longest within is that below all that are above.
    """
    above = min((t for t, took in tried.items() if took > seconds), default=None)
    fit = [t for t, took in tried.items() if took <= seconds]
    return max((t for t in fit if above is None or t < above), default=0), above


def bracket(
    time_of: Callable[[int], float], seconds: float, first: int, most: int = 12
) -> dict[str, list]:
    """Runs steps of several T until the longest within a time is known.

    Args:
      time_of: T -> seconds.
      seconds: that a step may take.
      first: the T to begin with.
      most: trials; the last ones may leave a wider bracket.

    Returns:
      The T that were tried, and the seconds each took.
    """
    tried: dict[int, float] = {}
    num_steps = first
    while len(tried) < most:
        tried[num_steps] = took = time_of(num_steps)
        within, above = ends_of(tried, seconds)
        if above is not None and (above <= BRACKET * within or above <= 2):
            break
        if above is not None and within:
            num_steps = round((within * above) ** 0.5)
        else:  # in proportion, and a little to the side that is not known yet
            side = BRACKET**0.4 if took <= seconds else BRACKET**-0.4
            guess = int(num_steps * seconds / took * side)
            num_steps = max(1, guess, within + 1)
        if num_steps in tried:
            break
    return {"steps": list(tried), "took": list(tried.values())}
