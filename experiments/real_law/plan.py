"""What each preset of `real_law` runs."""

import dataclasses

# Real sources whose steps stand at fixed places: the hour, the row, the angle.
SOURCES = (
    *("italy_power_demand", "digits", "mnist_rows", "ArrowHead", "GunPoint"),
    *("OSULeaf", "pedestrians"),
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The pairs that are predicted: sources, each at some sizes.

    Attributes:
      preset: of `real_data`, whose settings and rows these are.
      sources: names of data sets there.
      fractions: of a source's training set; the whole is trained by `real_data`.
      cell: of the networks.
      most_weights: of all steps, of the linear rules: features beyond are left out.
      folds: of the cross-validation that the law is compared with.
    """

    preset: str
    sources: tuple[str, ...] = SOURCES
    fractions: tuple[float, ...] = (1.0,)
    cell: str = "GRU"
    most_weights: int = 100
    folds: int = 5


PLANS = {
    "smoke": Plan("smoke", ("italy_power_demand",), (0.5, 1.0)),
    "quick": Plan("quick"),
    "full": Plan("full", fractions=(0.0625, 0.25, 1.0)),
}
