"""The flags by which a script takes one's own data, and the task that they make.

A script imports this, and says `own_data.declare()` so that --help shows them.
"""

from typing import TYPE_CHECKING

from absl import flags

from experiments.lab import flags as common

if TYPE_CHECKING:
    from experiments.lab.given import Given
    from rnnshare.tasks import Arrays

flags.disclaim_key_flags()

DATA = common.define_path(
    "data", None, "The file: .csv or .parquet (a row a sequence, or with --sequence "
    "and --time a row a step), .npz (inputs, targets, lengths, groups), .ts."
)  # fmt: skip
TARGET = flags.DEFINE_string(
    "target", None, "The column to predict; of a forecast of a long table, the feature."
)
SEQUENCE = flags.DEFINE_string(
    "sequence", None, "Of a long table, the column that names the sequence of a row."
)
TIME = flags.DEFINE_string("time", None, "Of a long table, the column of time.")
FEATURES = flags.DEFINE_list("features", [], "Columns; by default all others.")
FORECAST = common.define_integer(
    "forecast", 0, "Predict the value so many steps later; 0 predicts --target.",
    least=0, most=1_000_000,
)  # fmt: skip
KIND = common.define_choice(
    "kind", "auto", ("auto", "classes", "values"), "What the target is.",
)  # fmt: skip
GROUPS = flags.DEFINE_string(
    "groups", None, "The column of what belongs together, as one person's recordings: "
    "no group is in two of training, validation and test.",
)  # fmt: skip
SPLIT_BY = common.define_choice(
    "split_by", "random", ("random", "time"),
    "How sequences are parted into training, validation and test: time: the rows are "
    "in order (of a long table, the first row of each sequence); the last ones test.",
)  # fmt: skip
_OF_DATA = (
    "target", "sequence", "time", "features", "forecast", "kind", "groups", "split_by",
)  # fmt: skip


def declare() -> None:
    """Makes these flags the script's own; all but --data are read with it alone."""
    for name in ("data", *_OF_DATA):
        flags.declare_key_flag(name)
    for name in _OF_DATA:
        common.only(name, {"data": True})


def read() -> "tuple[Given, Arrays]":
    """Returns what the file holds, and `make_task` of it.

    Raises:
      ValueError: if the file, or what it holds, is not as it should be.
      OSError: if it cannot be read.
    """
    from experiments.lab import reading
    from rnnshare.tasks import from_arrays

    path = DATA.value
    given = reading.read(
        path,
        target=TARGET.value,
        sequence=SEQUENCE.value,
        time=TIME.value,
        features=FEATURES.value,
        forecast=FORECAST.value,
        kind=KIND.value,
        groups=GROUPS.value,
        in_file_order=SPLIT_BY.value == "time",
    )
    make_task = from_arrays(
        given.inputs,
        given.targets,
        lengths=given.lengths,
        groups=given.groups,
        readout=given.readout,
        split_by=SPLIT_BY.value,
        name=path.stem,
    )
    return given, make_task
