"""The one registry of cells and of sharings: their names, classes, and their flags.

A new cell or sharing that scripts and studies are to know is a name and a line here.
"""

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

# Names only, so that --help answers at once; what they are is imported when asked for.
CELLS = ("elman", "irnn", "gru", "lstm", "mingru", "minlstm", "lru")
SHARINGS = (
    *("tied", "untied", "segments", "cyclic", "mixture", "low_rank", "scaled"),
    *("basis", "drift", "hypernetwork", "time_input", "schedule"),
)
_OF_TIME = ("basis", "hypernetwork", "time_input")
# Of some sharings: name, default, least, sharings, what it is.
SIZES: tuple[tuple[str, int, int, tuple[str, ...], str], ...] = (
    ("num_segments", 4, 1, ("segments",), "how many."),
    ("period", 4, 1, ("cyclic", *_OF_TIME), "in steps."),
    (
        "num_templates",
        4,
        1,
        ("mixture", "schedule", *_OF_TIME),
        "templates or functions of time.",
    ),
    ("rank", 2, 0, ("low_rank",), "of the corrections."),
)
# What the backward pass makes again, as flags name it and as models take it.
REMATS: dict[str, bool | str] = {"none": False, "step": True, "sqrt": "sqrt"}
DEEPEST = 256  # layers, which are compiled one by one
FEW = ("Elman", "LSTM")  # the cells of a study where time is short


@functools.cache
def cells() -> Mapping[str, Any]:
    """Returns {name: cell class}, by the names that tables show."""
    import rnnshare

    return {
        "Elman": rnnshare.ElmanCell,
        "GRU": rnnshare.GRUCell,
        "LSTM": rnnshare.LSTMCell,
        "IRNN": rnnshare.ElmanCell.irnn,
        "MinGRU": rnnshare.MinGRUCell,
        "MinLSTM": rnnshare.MinLSTMCell,
        "LRU": rnnshare.LRUCell,
    }


def standard_cells(*names: str) -> dict[str, Any]:
    """Returns {name: cell class} of these names; of Elman, GRU and LSTM by default."""
    return {name: cells()[name] for name in names or ("Elman", "GRU", "LSTM")}


def cell_of(flag: str) -> Any:
    """Returns the cell class that a flag's value names, one of `CELLS`."""
    return {name.lower(): cell for name, cell in cells().items()}[flag]


def equal_width(cell: Any, sharing: Any, width: int, by: str) -> int:
    """Returns the width at which a cell under a sharing has the size of the tied one.

    Narrow widths come in steps of more than 1 %: it is the nearest.

    Args:
      cell: `cell(hidden_features, rngs=...)`.
      sharing: of the width that is sought.
      width: of the tied cell.
      by: 'parameters', or 'flops'.
    """
    import rnnshare

    counts: Any = {
        "parameters": rnnshare.count_parameters,
        "flops": rnnshare.count_flops,
    }
    target = counts[by](cell, rnnshare.Tied(), width)
    return rnnshare.match_width(cell, sharing, target, by, tolerance=0.5)


def sharing_of(
    flag: str, num_steps: int, *, same_init: bool = False, **sizes: int
) -> Any:
    """Returns the sharing that a flag's value names, one of `SHARINGS`.

    Args:
      flag: its name.
      num_steps: T.
      same_init: start stacks of weights from copies of one initialisation.
      **sizes: those of `SIZES` that are not at their defaults.
    """
    import rnnshare

    sizes = {name: default for name, default, *_ in SIZES} | sizes
    num_templates, period = sizes["num_templates"], sizes["period"]
    make: dict[str, Callable[[], Any]] = {
        "tied": rnnshare.Tied,
        "untied": lambda: rnnshare.Untied(num_steps, same_init),
        "segments": lambda: rnnshare.Segments(
            num_steps, sizes["num_segments"], same_init
        ),
        "cyclic": lambda: rnnshare.Cyclic(period, same_init),
        "mixture": lambda: rnnshare.Mixture(num_steps, num_templates),
        "low_rank": lambda: rnnshare.LowRank(num_steps, sizes["rank"]),
        "scaled": lambda: rnnshare.Scaled(num_steps),
        "basis": lambda: rnnshare.Basis(num_templates, period=float(period)),
        "drift": lambda: rnnshare.Drift(unit=float(num_steps)),
        "hypernetwork": lambda: rnnshare.Hypernetwork(
            num_templates, period=float(period)
        ),
        "time_input": lambda: rnnshare.TimeInput(num_templates, period=float(period)),
        "schedule": lambda: rnnshare.Schedule(
            there_and_back(num_steps, num_templates), same_init
        ),
    }
    return make[flag]()


def there_and_back(num_steps: int, num_templates: int) -> tuple[int, ...]:
    """Returns the schedule 0 .. K-1, K-1 .. 0, 0 .. K-1, ... of T steps."""
    there = [*range(num_templates)]
    return tuple(itertools.islice(itertools.cycle(there + there[::-1]), num_steps))
