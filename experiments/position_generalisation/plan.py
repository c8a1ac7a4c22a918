"""What each preset of `position_generalisation` runs."""

import dataclasses

from experiments.lab.choices import FEW

PILOT_SEEDS = 10_000  # seeds below were seen while the rule of A5 was written


@dataclasses.dataclass(frozen=True)
class Grammar:
    """What is trained on the grammar.

    Attributes:
      cells: by name.
      num_facts: of a text.
      one_hot: words; else through an embedding that all steps share.
    """

    cells: tuple[str, ...]
    num_facts: int = 1
    one_hot: bool = True


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of positions, samples and word order.

    Attributes:
      cells: of the rule, by name.
      num_seeds: paired seeds.
      num_tuning: tuning seeds of each rate (and start).
      rates: learning rates to choose from.
      starts: of untied weights, `same_init`, to choose from.
      hidden_features: H.
      rule_steps: T of the local rule.
      num_steps: of training.
      patch_steps: the T of signal patches.
      most_examples: where the search for a training-set size ends.
      accuracy: what it looks for.
      sentences: training-set size of the grammar.
      grammars: the one that is judged first.
      first_word_seed: of the grammar.
    """

    cells: tuple[str, ...]
    num_seeds: int
    num_tuning: int
    rates: tuple[float, ...]
    starts: tuple[bool, ...]
    hidden_features: int
    rule_steps: int
    num_steps: int
    patch_steps: tuple[int, ...]
    most_examples: int
    accuracy: float
    sentences: int
    grammars: tuple[Grammar, ...]
    first_word_seed: int = PILOT_SEEDS


_EVERY = "Elman", "GRU", "LSTM"
PLANS = {
    "smoke": Plan(
        ("Elman",), 2, 1, (1e-2,), (True,), 4, 4, 8, (2, 3), 4, 0.45, 20,
        (Grammar(("Elman",)),),
    ),
    "quick": Plan(
        FEW, 5, 1, (3e-3, 1e-2), (True,), 32, 16, 400, (2, 8), 2**13, 0.9,
        1_000, (Grammar(("LSTM",)),),
    ),
    "full": Plan(
        _EVERY, 10, 2, (3e-3, 1e-2), (True, False), 32, 32, 2_000,
        (4, 8, 16, 32, 64), 2**15, 0.9, 10_000,
        (Grammar(_EVERY), Grammar(_EVERY, one_hot=False), Grammar(_EVERY, 2)),
    ),
}  # fmt: skip
