"""`python -m experiments.benchmark`; see the package."""

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from absl import flags

import experiments.benchmark
from experiments.benchmark.plan import CELLS, PLANS, RACES
from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
_RACES = flags.DEFINE_multi_enum("races", RACES, RACES, "Which races to run.")
_CELLS = flags.DEFINE_multi_enum("cells", CELLS, CELLS, "Cells of the tied races.")
common.only("cells", {"races": ("tied", "memory")})
_MEMORY = common.define_float(
    "memory_gib",
    12.0,
    "Shapes whose weights, gradients and new weights need more are left out.",
    least=0.1,
    most=1e6,
    only={"races": ("untied",)},
)


def main() -> None:
    """Runs the races; writes figures, table and chart after each."""
    from experiments.benchmark import measure
    from experiments.benchmark.report import write

    plan, folder = PLANS[common.PRESET.value], common.workdir("benchmark")
    results: dict[str, Any] = {
        "machine": measure.machine(),
        "tied": [],
        "memory": [],
        "untied": [],
        "compile": [],
    }
    races: dict[str, Callable[..., Iterator[str]]] = {
        "tied": functools.partial(measure.tied, cells=_CELLS.value),
        "memory": functools.partial(measure.memory, cells=_CELLS.value),
        "untied": functools.partial(measure.untied, most_gib=_MEMORY.value),
        "compile": measure.compiling,
        "study": measure.study,
    }
    for name in RACES:
        if name in _RACES.value:
            for line in races[name](plan, results):
                print(line, flush=True)
                write(results, folder)
    print((folder / "benchmark.md").read_text())


if __name__ == "__main__":
    sys.modules["__main__"].__doc__ = experiments.benchmark.__doc__
    common.run(main, on_devices=False)
