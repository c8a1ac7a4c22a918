"""Files of data as arrays: tables of a row a sequence or of a row a step, .npz, .ts."""

import difflib
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

SUFFIXES = (".csv", ".parquet", ".npz", ".ts")
MOST_CLASSES = 20  # integers with more different ones are taken for values


class Given(NamedTuple):
    """What a file holds, as `rnnshare.tasks.from_arrays` takes it.

    Attributes:
      inputs: float32[N, T, D], or tokens int[N, T].
      targets: classes or values, [N] or [N, T].
      lengths: int32[N], or None.
      readout: 'last' or 'every'.
      steps: what the steps are called, T names.
      features: what the features are called, D names.
      target: what is predicted, in words.
    """

    inputs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray | None
    readout: str
    steps: tuple[str, ...]
    features: tuple[str, ...]
    target: str


def read(
    path: pathlib.Path,
    *,
    target: str | None = None,
    sequence: str | None = None,
    time: str | None = None,
    features: Sequence[str] = (),
    forecast: int = 0,
    kind: str = "auto",
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

    Raises:
      ValueError: if the file is not as it should be: of what, and the way out.
      OSError: if it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: use a file that ends in {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    if suffix == ".npz":
        given = _read_npz(path, forecast)
    elif suffix == ".ts":
        given = _read_ts(path, forecast)
    else:
        table = _read_table(path)
        if (sequence is None) != (time is None):
            raise ValueError(
                f"{path}: a long table has both a column that names the sequence and "
                "one of time. Give --sequence and --time, or neither."
            )
        if sequence is None:
            given = _wide(path, table, target, features, forecast)
        else:
            given = _long(path, table, target, sequence, str(time), features, forecast)
    if forecast:
        return given
    return given._replace(targets=_as_kind(path, given.targets, kind))


def _read_table(path: pathlib.Path) -> Any:
    import pandas as pd

    reader = pd.read_csv if path.suffix.lower() == ".csv" else pd.read_parquet
    try:
        table = reader(path)
    except (ValueError, UnicodeDecodeError) as error:  # pandas' parsers raise these
        raise ValueError(f"{path} cannot be read as a table: {error}.") from None
    if table.empty:
        raise ValueError(f"{path} holds no rows.")
    return table.rename(columns=str)


def _wide(
    path: pathlib.Path,
    table: Any,
    target: str | None,
    features: Sequence[str],
    forecast: int,
) -> Given:
    if forecast and target is not None:
        raise ValueError(
            f"{path}: a forecast of a wide table predicts its own later steps. Leave "
            "--target out."
        )
    if not forecast:
        target = _known(path, table, target, "--target")
    steps = list(features) or [name for name in table.columns if name != target]
    for name in steps:
        _known(path, table, name, "--features")
    values = _numbers(path, table, steps)[..., None]
    if forecast:
        inputs, targets = _shifted(path, values, values[..., 0], forecast)
        shown = tuple(steps[: inputs.shape[1]])
        what = f"the value {_so_many(forecast)} later"
        return Given(inputs, targets, None, "every", shown, ("value",), what)
    if len(steps) < 2:
        raise ValueError(
            f"{path} has {len(steps)} columns beside {target!r}. A wide table has one "
            "for every step; of a long one give --sequence and --time."
        )
    assert target is not None  # for the type checker
    targets = _column(path, table, target)
    return Given(values, targets, None, "last", tuple(steps), ("value",), target)


def _long(
    path: pathlib.Path,
    table: Any,
    target: str | None,
    sequence: str,
    time: str,
    features: Sequence[str],
    forecast: int,
) -> Given:
    target = _known(path, table, target, "--target")
    for name, flag in ((sequence, "--sequence"), (time, "--time")):
        _known(path, table, name, flag)
    own = {sequence, time} if forecast else {sequence, time, target}
    names = list(features) or [name for name in table.columns if name not in own]
    for name in names:
        _known(path, table, name, "--features")
    twice = table.duplicated([sequence, time])
    if twice.any():
        row = table[twice].iloc[0]
        raise ValueError(
            f"{path}: {sequence} {row[sequence]!r} has two rows of {time} "
            f"{row[time]!r}. Each step has one row."
        )
    table = table.sort_values([sequence, time], kind="stable")
    x = _numbers(path, table, names)
    y = _numbers(path, table, [target])[:, 0] if forecast else _column(
        path, table, target
    )  # fmt: skip
    _, first, lengths = np.unique(
        table[sequence].to_numpy(), return_index=True, return_counts=True
    )
    num_steps = int(lengths.max())
    rows = np.minimum(first[:, None] + np.arange(num_steps), len(x) - 1)
    real = np.arange(num_steps) < lengths[:, None]
    inputs = np.where(real[..., None], x[rows], 0).astype(np.float32)
    targets = y[rows]
    times = np.unique(table[time].to_numpy())
    shown = tuple(map(str, times if len(times) == num_steps else range(num_steps)))
    ragged = None if real.all() else lengths.astype(np.int32)
    if forecast:
        inputs, targets = _shifted(path, inputs, targets, forecast)
        if ragged is not None:
            ragged = ragged - forecast
            if ragged.min() < 1:
                raise ValueError(
                    f"{path}: a sequence has {ragged.min() + forecast} steps, too few "
                    f"to forecast {_so_many(forecast)} ahead. Leave it out."
                )
        what = f"{target}, {_so_many(forecast)} later"
        shown = shown[: inputs.shape[1]]
        return Given(inputs, targets, ragged, "every", shown, tuple(names), what)
    one_each = (targets == targets[:, :1]) | ~real
    if one_each.all():
        found = Given(inputs, targets[:, 0], ragged, "last", shown, tuple(names), "")
    else:
        found = Given(inputs, targets, ragged, "every", shown, tuple(names), "")
    return found._replace(target=target)


def _read_npz(path: pathlib.Path, forecast: int) -> Given:
    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files}
    needed = {"inputs"} if forecast else {"inputs", "targets"}
    missing = sorted(needed - set(arrays))
    if missing:
        raise ValueError(
            f"{path} has arrays {', '.join(sorted(arrays))}, but no {missing[0]}. Save "
            "it as numpy.savez(path, inputs=..., targets=...)."
        )
    inputs, lengths = arrays["inputs"], arrays.get("lengths")
    if inputs.ndim not in (2, 3):
        raise ValueError(
            f"{path}: inputs have shape {inputs.shape}. Give [sequences, steps] or "
            "[sequences, steps, features]."
        )
    if forecast:
        values = inputs if inputs.ndim == 3 else inputs[..., None]
        values = values.astype(np.float32)
        inputs, targets = _shifted(path, values, values[..., 0], forecast)
        lengths = None if lengths is None else lengths - forecast
        what = f"feature 0, {_so_many(forecast)} later"
        return _numbered(inputs, targets, lengths, "every", what)
    targets = arrays["targets"]
    per_step = targets.ndim > 1 and targets.shape[:2] == inputs.shape[:2]
    return _numbered(
        inputs, targets, lengths, "every" if per_step else "last", "targets"
    )


def _read_ts(path: pathlib.Path, forecast: int) -> Given:
    from rnnshare.tasks.data.ts_files import read_ts

    if forecast:
        raise ValueError(
            f"{path}: forecasts are of tables and .npz files. Leave --forecast out."
        )
    sequences, labels, _ = read_ts(path)
    lengths = np.array([len(one) for one in sequences], np.int32)
    inputs = np.zeros((len(sequences), lengths.max(), sequences[0].shape[1]))
    for one, padded in zip(sequences, inputs, strict=True):
        padded[: len(one)] = one
    ragged = None if (lengths == lengths[0]).all() else lengths
    return _numbered(inputs.astype(np.float32), labels, ragged, "last", "the label")


def _numbered(
    inputs: np.ndarray, targets: Any, lengths: Any, readout: str, target: str
) -> Given:
    steps = tuple(map(str, range(inputs.shape[1])))
    count = inputs.shape[2] if inputs.ndim == 3 else 1
    features = tuple(f"feature {i}" for i in range(count))
    return Given(inputs, targets, lengths, readout, steps, features, target)


def _shifted(
    path: pathlib.Path, inputs: np.ndarray, targets: np.ndarray, forecast: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs, and at each step the target so many steps later, as floats."""
    if inputs.shape[1] <= forecast + 1:
        raise ValueError(
            f"{path}: there are {inputs.shape[1]} steps, too few to forecast "
            f"{_so_many(forecast)} ahead. Use a smaller --forecast."
        )
    return inputs[:, :-forecast], targets[:, forecast:].astype(np.float32)


def _so_many(steps: int) -> str:
    return "one step" if steps == 1 else f"{steps} steps"


def _known(path: pathlib.Path, table: Any, name: str | None, flag: str) -> str:
    if name is None:
        raise ValueError(f"{path}: give {flag}, {_one_of(table.columns)}.")
    if name not in table.columns:
        near = difflib.get_close_matches(name, table.columns, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(
            f"{path} has no column {name!r} ({flag}).{hint} "
            f"Use {_one_of(table.columns)}."
        )
    return name


def _one_of(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
    return f"one of {', '.join(shown[:8])}{more}"


def _numbers(path: pathlib.Path, table: Any, names: list[str]) -> np.ndarray:
    """Returns columns as float32[rows, columns]."""
    for name in names:
        column = table[name]
        if column.dtype.kind not in "iufb":
            raise ValueError(
                f"{path}: column {name!r} holds {column.iloc[0]!r}, no number. Leave it"
                " out by --features, or number its categories in columns of 0 and 1."
            )
        _refuse_missing(path, column, name)
    return table[names].to_numpy(np.float32)


def _column(path: pathlib.Path, table: Any, name: str) -> np.ndarray:
    """Returns a column as numbers, or as strings."""
    column = table[name]
    _refuse_missing(path, column, name)
    values = column.to_numpy()
    return values if values.dtype.kind in "iufb" else values.astype(str)


def _refuse_missing(path: pathlib.Path, column: Any, name: str) -> None:
    count = int(column.isna().sum())
    if count:
        row = int(np.flatnonzero(column.isna().to_numpy())[0])
        raise ValueError(
            f"{path}: column {name!r} misses {count} of {len(column)} values, the first"
            f" in row {row + 1}. Fill them in, or leave these rows out."
        )


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
