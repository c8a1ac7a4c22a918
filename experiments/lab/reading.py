"""Files of data as arrays: tables of a row a sequence or of a row a step, .npz, .ts."""

import pathlib
import zipfile
from collections.abc import Sequence

import numpy as np

from experiments.lab.given import Given, numbered, shifted, so_many
from experiments.lab.tables import long, parted, read_table, wide

SUFFIXES = (".csv", ".parquet", ".npz", ".ts")
MOST_CLASSES = 20  # integers with more different ones are taken for values


def read(
    path: pathlib.Path,
    *,
    target: str | None = None,
    sequence: str | None = None,
    time: str | None = None,
    features: Sequence[str] = (),
    forecast: int = 0,
    kind: str = "auto",
    groups: str | None = None,
    in_file_order: bool = False,
) -> Given:
    """Reads a file.

    Args:
      path: .csv or .parquet, a table: *wide*, a row a sequence, whose columns but the
        target are its steps in order; or, with `sequence` and `time`, *long*, a row a
        step. .npz with arrays `inputs`, `targets` and perhaps `lengths`. .ts, the UEA
        archive's format.
      target: the column to predict: one value a sequence; or in a long table, where it
        differs within a sequence, one a step. A forecast of a wide table has none; of
        a long one it names the feature to forecast.
      sequence: the column of a long table that says which sequence a row is of.
      time: the column by which its steps are in order.
      features: the columns of its features; by default all others.
      forecast: predict, at every step, the value so many steps later; 0: none.
      kind: whether targets are 'classes' or 'values'; 'auto': strings, booleans, and
        integers of at most 20 different ones are classes.
      in_file_order: leave the sequences of a long table as they come, by the first row
        of each; else they are in the order of their names.
      groups: the column of a table that says what belongs together, as one person's
        recordings; a .npz file has an array `groups` of them.

    Raises:
      ValueError: if the file is not as it should be: of what, and the way out.
      OSError: if it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: use a file that ends in {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    owners = None
    if groups is not None and suffix in (".npz", ".ts"):
        raise ValueError(
            f"{path}: --groups names a column of a table. Leave it out; an .npz file "
            "may hold an array `groups`."
        )
    if suffix == ".npz":
        given = _read_npz(path, forecast)
    elif suffix == ".ts":
        given = _read_ts(path, forecast)
    else:
        table = read_table(path)
        if (sequence is None) != (time is None):
            raise ValueError(
                f"{path}: a long table has both a column that names the sequence and "
                "one of time. Give --sequence and --time, or neither."
            )
        if groups is not None:
            owners, table = parted(path, table, groups, sequence)
        if sequence is None:
            given = wide(path, table, target, features, forecast)
        else:
            given = long(
                path, table, target, sequence, str(time), features, forecast,
                in_file_order,
            )  # fmt: skip
    if owners is not None:
        given = given._replace(groups=owners)
    if forecast:
        return given
    return given._replace(targets=_as_kind(path, given.targets, kind))


def _read_npz(path: pathlib.Path, forecast: int) -> Given:
    try:
        with path.open("rb") as file, np.load(file) as found:
            arrays = {name: found[name] for name in found.files}
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read as arrays: {error}. Save numbers, or words of the "
            "dtype str, as numpy.savez(path, inputs=..., targets=...)."
        ) from None
    needed = {"inputs"} if forecast else {"inputs", "targets"}
    missing = sorted(needed - set(arrays))
    if missing:
        raise ValueError(
            f"{path} has arrays {', '.join(sorted(arrays))}, but no {missing[0]}. Save "
            "it as numpy.savez(path, inputs=..., targets=...)."
        )
    inputs, lengths = arrays["inputs"], arrays.get("lengths")
    groups = arrays.get("groups")
    if inputs.ndim not in (2, 3):
        raise ValueError(
            f"{path}: inputs have shape {inputs.shape}. Give [sequences, steps] or "
            "[sequences, steps, features]."
        )
    if forecast:
        values = inputs if inputs.ndim == 3 else inputs[..., None]
        values = values.astype(np.float32)
        inputs, targets = shifted(path, values, values[..., 0], forecast)
        lengths = None if lengths is None else lengths - forecast
        what = f"feature 0, {so_many(forecast)} later"
        return numbered(inputs, targets, lengths, "every", what)._replace(groups=groups)
    targets = arrays["targets"]
    per_step = targets.ndim > 1 and targets.shape[:2] == inputs.shape[:2]
    readout = "every" if per_step else "last"
    found = numbered(inputs, targets, lengths, readout, "targets")
    return found._replace(groups=groups)


def _read_ts(path: pathlib.Path, forecast: int) -> Given:
    from rnnshare.tasks.data.ts_files import read_ts

    if forecast:
        raise ValueError(
            f"{path}: forecasts are of tables and .npz files. Leave --forecast out."
        )
    sequences, labels, names = read_ts(path)
    lengths = np.array([len(one) for one in sequences], np.int32)
    inputs = np.zeros((len(sequences), lengths.max(), sequences[0].shape[1]))
    for one, padded in zip(sequences, inputs, strict=True):
        padded[: len(one)] = one
    ragged = None if (lengths == lengths[0]).all() else lengths
    classes = np.array(names)[labels]
    return numbered(inputs.astype(np.float32), classes, ragged, "last", "the label")


def _as_kind(path: pathlib.Path, targets: np.ndarray, kind: str) -> np.ndarray:
    """Returns targets as classes, which are integers or strings, or as floats."""
    numbers = targets.dtype.kind in "iuf"
    if kind == "values":
        if not numbers:
            raise ValueError(
                f"{path}: the target holds {targets.flat[0].item()!r}, no number. It "
                "can be predicted as --kind=classes."
            )
        return targets.astype(np.float32)
    if kind == "classes" and targets.dtype.kind == "f":
        whole = targets == np.round(targets)
        if not whole.all():
            raise ValueError(
                f"{path}: the target holds {targets[~whole].flat[0]:g}, no class. Use "
                "--kind=values, or write classes as whole numbers or words."
            )
        return targets.astype(np.int64)
    many = targets.dtype.kind in "iu" and len(np.unique(targets)) > MOST_CLASSES
    return targets.astype(np.float32) if kind == "auto" and many else targets
