"""What each preset of `resources` measures."""

import dataclasses

ENDS = ("Tied", "Untied")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset measures.

    Attributes:
      cells: whose step is timed by width, at one batch and by Adam.
      arms: sharings whose stored bytes are counted, tied and untied among them.
      widths: the H.
      batch_size: the B, where nothing else is said.
      grid_steps: the T of step times.
      law_cells: cells whose longest sequence is sought.
      steps: the T of the laws of memory, at least 3.
      one_cell, one_width: where shapes and the unrolled form are measured.
      shape_cells: cells timed at every B and by every optimiser.
      timed_batches: the B of those times.
      optimizers: of those times.
      batches: B whose memory is taken, at least 3.
      unrolled_steps: the T that are traced step by step.
      budget: of memory, in bytes.
      seconds: that a training step may take.
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
    shape_cells: tuple[str, ...]
    timed_batches: tuple[int, ...]
    optimizers: tuple[str, ...]
    batches: tuple[int, ...]
    unrolled_steps: tuple[int, ...]
    budget: int
    seconds: float
    rounds: int
    least_seconds: float


_BETWEEN = ("Segments", "Cyclic", "LowRank")
_CELLS = ("Elman", "GRU", "LSTM")
_BOTH = ("adam", "sgd")
PLANS = {
    "smoke": Plan(("Elman",), ENDS, (4,), 2, 6, ("Elman",), (3, 6, 12), "Elman", 4,
                  ("Elman",), (1, 2), ("adam",), (1, 2, 8), (3,), 2**25, 2e-3, 3, 1e-3),
    "quick": Plan(("LSTM",), ENDS, (16, 64, 256), 32, 100, ("Elman", "LSTM"),
                  (25, 50, 100), "LSTM", 64, ("LSTM",), (1, 32, 128), _BOTH,
                  (1, 32, 256), (8, 25), 2**30, 0.25, 5, 0.02),
    "full": Plan(_CELLS, (*ENDS, *_BETWEEN), (16, 64, 256), 32, 100, _CELLS,
                 (25, 50, 100, 200, 400), "LSTM", 64, _CELLS, (1, 32, 128), _BOTH,
                 (1, 4, 32, 128, 512), (8, 25, 50, 100), 2**30, 0.25, 25, 0.05),
}  # fmt: skip
