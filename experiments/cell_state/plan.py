"""What each preset of `cell_state` runs."""

import dataclasses

LSTM, ELMAN, CUT = "Untied LSTM", "Untied Elman", "Untied LSTM, cell path cut"
NO_CARRY = "Untied LSTM, both paths cut"
IRNN = "Untied IRNN"  # an identity path without a cell state


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of a study of memory.

    Attributes:
      arms: a sharing, a cell, and which of its paths are cut.
      lengths: {task: the lengths to be trained at}: steps of adding, blanks of copy
        memory.
      probed: {task: the length at which rates are tuned and gradients are measured}.
      num_seeds: paired seeds.
      num_tuning: tuning seeds of each rate and start.
      rates: learning rates to choose from.
      starts: of untied weights, `same_init`, to choose from.
      hidden_features: H.
      num_steps: of training, at most.
      num_held_out: examples of a held-out set.
      num_probed: examples that gradients are measured on.
    """

    arms: tuple[str, ...]
    lengths: dict[str, tuple[int, ...]]
    probed: dict[str, int]
    num_seeds: int
    num_tuning: int
    rates: tuple[float, ...]
    starts: tuple[bool, ...]
    hidden_features: int
    num_steps: int
    num_held_out: int
    num_probed: int


_RATES, _PROBED = (3e-3, 1e-2), {"adding": 20, "copy memory": 10}
PLANS = {
    "smoke": Plan(
        (LSTM, ELMAN), {"adding": (4, 6)}, {"adding": 4}, 2, 1, (1e-2,), (True,), 4, 4,
        8, 2,
    ),
    "quick": Plan(
        (LSTM, ELMAN, CUT, NO_CARRY, IRNN),
        {"adding": (5, 10, 20), "copy memory": (3, 5, 10)},
        _PROBED, 5, 2, _RATES, (True,), 32, 1_000, 500, 64,
    ),
    "full": Plan(
        (LSTM, ELMAN, CUT, "Untied LSTM, hidden path cut", NO_CARRY, IRNN,
         "Tied LSTM", "Tied Elman"),
        {"adding": (10, 20, 40, 80), "copy memory": (5, 10, 20, 40)},
        _PROBED, 10, 2, (1e-3, *_RATES), (True, False), 32, 3_000, 1_000, 64,
    ),
}  # fmt: skip
