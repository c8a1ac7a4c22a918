"""What each preset of `identities` checks."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of the checks.

    Attributes:
      num_seeds: each with other sizes, weights and data.
      steps: the T at which parameters are counted.
    """

    num_seeds: int
    steps: tuple[int, ...]


PLANS = {
    "smoke": Plan(2, (1, 2, 4)),
    "quick": Plan(5, (1, 8, 64, 256)),
    "full": Plan(10, tuple(2**k for k in range(13))),
}
