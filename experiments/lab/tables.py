"""Tables as arrays: wide, of a row a sequence; or long, of a row a step."""

import difflib
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from experiments.lab.given import Given, shifted, so_many


def read_table(path: pathlib.Path) -> Any:
    """Returns a .csv or .parquet file's table, its columns named by strings."""
    import pandas as pd

    reader = pd.read_csv if path.suffix.lower() == ".csv" else pd.read_parquet
    try:
        table = reader(path)
    except (ValueError, UnicodeDecodeError) as error:  # pandas' parsers raise these
        raise ValueError(f"{path} cannot be read as a table: {error}.") from None
    if table.empty:
        raise ValueError(f"{path} holds no rows.")
    return table.rename(columns=str)


def wide(
    path: pathlib.Path,
    table: Any,
    target: str | None,
    features: Sequence[str],
    forecast: int,
) -> Given:
    """Returns what a table of a row a sequence holds."""
    if forecast and target is not None:
        raise ValueError(
            f"{path}: a forecast of a wide table predicts its own later steps. Leave "
            "--target out."
        )
    if not forecast:
        target = _known(path, table, target, "--target")
        _refuse_answer(path, target, features)
    steps = list(features) or [name for name in table.columns if name != target]
    for name in steps:
        _known(path, table, name, "--features")
    values = _numbers(path, table, steps)[..., None]
    if forecast:
        inputs, targets = shifted(path, values, values[..., 0], forecast)
        shown = tuple(steps[: inputs.shape[1]])
        what = f"the value {so_many(forecast)} later"
        return Given(inputs, targets, None, "every", shown, ("value",), what)
    if len(steps) < 2:
        raise ValueError(
            f"{path} has {len(steps)} columns beside {target!r}. A wide table has one "
            "for every step; of a long one give --sequence and --time."
        )
    assert target is not None  # for the type checker
    targets = _column(path, table, target)
    return Given(values, targets, None, "last", tuple(steps), ("value",), target)


def long(
    path: pathlib.Path,
    table: Any,
    target: str | None,
    sequence: str,
    time: str,
    features: Sequence[str],
    forecast: int,
    in_file_order: bool = False,
) -> Given:
    """Returns what a table of a row a step holds; shorter sequences are padded.

    Sequences are in the order of their names; or as they come in the file, by the first
    row of each.
    """
    import pandas as pd

    target = _known(path, table, target, "--target")
    for name, flag in ((sequence, "--sequence"), (time, "--time")):
        _refuse_missing(path, table[_known(path, table, name, flag)], name)
    if not forecast:
        _refuse_answer(path, target, features)
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

    def in_order(column: Any) -> Any:
        return _in_order(path, column) if column.name == time else column

    if in_file_order:
        table = table.assign(**{sequence: pd.factorize(table[sequence])[0]})
    table = table.sort_values([sequence, time], kind="stable", key=in_order)
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
    times = table[time].drop_duplicates().sort_values(key=in_order)
    shown = tuple(map(str, times if len(times) == num_steps else range(num_steps)))
    ragged = None if real.all() else lengths.astype(np.int32)
    if forecast:
        inputs, targets = shifted(path, inputs, targets, forecast)
        if ragged is not None:
            ragged = ragged - forecast
            if ragged.min() < 1:
                raise ValueError(
                    f"{path}: a sequence has {ragged.min() + forecast} steps, too few "
                    f"to forecast {so_many(forecast)} ahead. Leave it out."
                )
        what = f"{target}, {so_many(forecast)} later"
        shown = shown[: inputs.shape[1]]
        return Given(inputs, targets, ragged, "every", shown, tuple(names), what)
    one_each = (targets == targets[:, :1]) | ~real
    if one_each.all():
        found = Given(inputs, targets[:, 0], ragged, "last", shown, tuple(names), "")
    else:
        found = Given(inputs, targets, ragged, "every", shown, tuple(names), "")
    return found._replace(target=target)


def parted(
    path: pathlib.Path, table: Any, groups: str, sequence: str | None
) -> tuple[np.ndarray, Any]:
    """Returns the group of each sequence, and the table without their column.

    Sequences of a long table are in the order of their names, as `long` has them.
    """
    _known(path, table, groups, "--groups")
    rest = table.drop(columns=[groups])
    if sequence is None:
        return _column(path, table, groups), rest
    _refuse_missing(path, table[_known(path, table, sequence, "--sequence")], sequence)
    owners = _column(path, table, groups)
    names, first, place = np.unique(
        table[sequence].to_numpy(), return_index=True, return_inverse=True
    )
    differs = owners != owners[first][place]
    if differs.any():
        name = names[place[differs.argmax()]]
        raise ValueError(
            f"{path}: {sequence} {name} is in several groups of {groups!r}. Name "
            "a column that has one value for each sequence."
        )
    return owners[first], rest


def _in_order(path: pathlib.Path, column: Any) -> Any:
    """Returns times that stand in their order: of words, what they say.

    Words are dates by ISO 8601, or all the same but for a number or a time of day: as
    words, 10:00 would be before 9:00, and t10 before t2.
    """
    import pandas as pd

    if column.dtype.kind in "iufbmM" or getattr(column.dtype, "ordered", False):
        return column
    words = column.astype(str)
    kinds = words.str.replace(r"\d+", "0", regex=True).unique()
    if len(kinds) == 1 and re.fullmatch(r"[^\d-]*0((:0)*|[^\d:/.-]*)", kinds[0]):
        numbers = words.str.findall(r"\d+").map(lambda found: tuple(map(int, found)))
        places = {one: place for place, one in enumerate(sorted(set(numbers)))}
        return numbers.map(places)
    try:
        return pd.to_datetime(words, format="ISO8601", utc=True)
    except ValueError:
        raise ValueError(
            f"{path}: column {column.name!r} holds {words.iloc[0]!r}, and words do not "
            "say the order of the steps. Write numbers, or dates as 2024-01-31 or "
            "2024-01-31T09:00."
        ) from None


def _refuse_answer(
    path: pathlib.Path, target: str | None, features: Sequence[str]
) -> None:
    if target in features:
        raise ValueError(
            f"{path}: --features names the target {target!r}, which would be told what "
            "it is asked for. Leave it out."
        )


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
