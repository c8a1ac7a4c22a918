"""What each preset of `universality` runs."""

import dataclasses

from experiments.lab.choices import FEW

LEAST_STEPS = 10_000  # that C1 asks of a machine which runs on


@dataclasses.dataclass(frozen=True)
class Plan:
    """Machines (C1), networks to compile (C2), and what is trained (C2, Cc1).

    Attributes:
      machine_steps: of machines that run on.
      machines: names of `rnnshare.machines.load`.
      bases: of the stacks whose capacity is measured.
      num_cases: of `compiled.CASES`, shapes of networks that are compiled.
      num_networks: random networks that are compiled, of each case.
      cells: names of the cells that are trained.
      num_seeds: paired seeds, each with maps (or a string) of its own.
      rates: learning rates, of which validation chooses one for each run.
      steps: T of the composition.
      inputs: D of it.
      states: S of it.
      widths: the H that are tried, from small to large, until all seeds solve it.
      num_updates: optimiser steps of a composition.
      validate_every: where its training may stop.
      sample_width: H where training sets of some size are learnt from.
      sizes: the N of these sets.
      string_steps: T of the random strings.
      string_widths: the H of tied networks that learn them.
      lengths: of the strings.
      string_updates: optimiser steps of a string.
      num_bits: of a stack's number that are pushed, more than a float has.
      separation_steps: the most T whose strings are all gone through.
    """

    machine_steps: int
    machines: tuple[str, ...]
    bases: tuple[int, ...]
    num_cases: int
    num_networks: int
    cells: tuple[str, ...]
    num_seeds: int
    rates: tuple[float, ...]
    steps: int
    inputs: int
    states: int
    widths: tuple[int, ...]
    num_updates: int
    validate_every: int
    sample_width: int
    sizes: tuple[int, ...]
    string_steps: int
    string_widths: tuple[int, ...]
    lengths: tuple[int, ...]
    string_updates: int
    num_bits: int = 56
    separation_steps: int = 8


_MACHINES = (
    *("parity", "adder", "brackets", "doubler", "increment", "counter", "beaver2"),
    *("beaver3", "beaver4", "beaver5", "minsky"),
)
PLANS = {
    "smoke": Plan(
        300, ("parity", "brackets", "beaver3", "beaver5"), (16,), 1, 1,
        FEW[:1], 2, (1e-2,), 3, 2, 2, (2,), 4, 2, 2, (4,), 4, (1,), (2, 4), 2,
    ),
    "quick": Plan(
        LEAST_STEPS, _MACHINES, (2, 4, 8, 16, 32), 6, 17,
        FEW[:1], 5, (1e-2, 3e-2), 6, 3, 3, (2, 4, 8, 16, 32), 1_500, 50,
        8, (32, 64, 128, 256), 32, (1, 4, 16), (4, 8, 16, 32), 600,
    ),
    "full": Plan(
        5 * LEAST_STEPS, _MACHINES, (2, 4, 8, 16, 32, 64, 128), 6, 50,
        FEW, 10, (3e-3, 1e-2, 3e-2), 6, 3, 3,
        (2, 3, 4, 6, 8, 12, 16, 24, 32, 48), 3_000, 100,
        8, (16, 32, 64, 128, 256, 512), 64, (1, 2, 4, 8, 16, 32),
        (4, 8, 16, 32, 64), 3_000,
    ),
}  # fmt: skip
