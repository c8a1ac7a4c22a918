"""What each preset of `translation` runs."""

import dataclasses
from collections.abc import Callable

from flax import nnx

from rnnshare import ElmanCell, LSTMCell


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      cell: a cell class.
      languages: keys of `number_words.LANGUAGES`, the one shown in full first.
      arms: tied, untied.
      num_seeds: paired seeds, each with a split of its own.
      rates: learning rates to choose from.
      directions: ways to read the source to choose from; True is from its end.
      hidden_features: H of encoder and decoder.
      embedding_features: E.
      num_steps: of training.
      batch_size: of training.
    """

    cell: Callable[..., nnx.RNNCellBase]
    languages: tuple[str, ...]
    arms: tuple[str, ...]
    num_seeds: int
    rates: tuple[float, ...]
    directions: tuple[bool, ...]
    hidden_features: int
    embedding_features: int
    num_steps: int
    batch_size: int


PLANS = {
    "smoke": Plan(ElmanCell, ("de",), ("Tied", "Untied"), 2, (1e-2,), (True,),
                  8, 4, 4, 8),
    "quick": Plan(LSTMCell, ("de",), ("Tied", "Untied"), 5,
                  (3e-3, 1e-2), (True,), 32, 16, 400, 64),
    "full": Plan(LSTMCell, ("de", "fr", "en", "it", "da"),
                 ("Tied", "Untied"), 10, (3e-3, 1e-2), (True, False), 48, 16,
                 1_500, 64),
}  # fmt: skip
