"""What each preset of `resources` measures."""

import dataclasses

ENDS = ("Tied", "Untied")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset measures.

    Attributes:
      cells: of the grid of step times.
      arms: sharings of that grid, tied and untied among them.
      widths: the H.
      batch_size: the B, where nothing else is said.
      grid_steps: the T of that grid.
      law_cells: cells whose step is measured at every T.
      steps: the T of the laws, at least 3; a time a step is taken at the longest.
      one_cell, one_width: where batches and the unrolled form are measured.
      small_batches: B whose step is timed as well.
      batches: B whose memory is taken, at least 3.
      unrolled_steps: the T that are traced step by step.
      budgets: of memory, in bytes; the verdict of B6 rests on the first.
      rounds: of a race.
      least_seconds: that each round gives a contender.
    """

    cells: tuple[str, ...]
    arms: tuple[str, ...]
    widths: tuple[int, ...]
    batch_size: int
    grid_steps: int
    law_cells: tuple[str, ...]
    steps: tuple[int, ...]
    one_cell: str
    one_width: int
    small_batches: tuple[int, ...]
    batches: tuple[int, ...]
    unrolled_steps: tuple[int, ...]
    budgets: tuple[int, ...]
    rounds: int
    least_seconds: float


_BETWEEN = ("Segments", "Cyclic", "LowRank")
_CELLS = ("Elman", "GRU", "LSTM")
PLANS = {
    "smoke": Plan(("Elman",), ENDS, (4,), 2, 6, ("Elman",), (3, 6, 12), "Elman", 4,
                  (1,), (1, 2, 8), (3,), (2**30,), 3, 1e-3),
    "quick": Plan(_CELLS, ENDS, (16, 64, 128), 32, 100, ("LSTM",), (25, 100, 400),
                  "LSTM", 64, (1, 4), (1, 32, 256), (8, 25), (2**30, 2**34), 9, 0.02),
    "full": Plan(_CELLS, (*ENDS, *_BETWEEN), (16, 32, 64, 128, 256), 32, 100, _CELLS,
                 (25, 50, 100, 200, 400), "LSTM", 64, (1, 2, 4, 8),
                 (1, 4, 32, 128, 512), (8, 25, 50, 100), (2**30, 2**34), 25, 0.05),
}  # fmt: skip
