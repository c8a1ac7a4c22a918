"""What `from_arrays` takes: each array is read as what it stands for, or refused."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnshare.tasks.base import SPLITS

FEWEST = 10  # sequences
_READOUTS = ("last", "every")
_SPLIT_BY = ("random", "time")


def check_options(
    name: str, readout: str, split_by: str, validation: float, test: float
) -> None:
    """Raises unless the options of `from_arrays` are ones that there are."""
    for what, value, known in (
        ("readout", readout, _READOUTS),
        ("split_by", split_by, _SPLIT_BY),
    ):
        if value not in known:
            raise ValueError(f"{name}: {what} is {value!r}. Use {' or '.join(known)}.")
    if not (0 < validation < 1 and 0 < test < 1 and validation + test < 1):
        raise ValueError(
            f"{name}: validation_fraction is {validation} and test_fraction {test}. "
            "Use fractions above 0 whose sum is below 1."
        )


def read_inputs(name: str, inputs: Any) -> np.ndarray:
    """Returns float32[N, T, D] or int32[N, T]."""
    x = _rectangular(f"{name}: inputs", inputs)
    if x.dtype.kind not in "iufb":
        raise TypeError(
            f"{name}: inputs are {x.dtype}. Give numbers; number categories from 0 on, "
            "or give a column of 0 and 1 for each."
        )
    if x.ndim not in (2, 3) or 0 in x.shape:
        raise ValueError(
            f"{name}: inputs have shape {x.shape}. Give [sequences, steps, features], "
            "or [sequences, steps] of one feature or of tokens."
        )
    if len(x) < FEWEST:
        raise ValueError(
            f"{name}: there are {len(x)} sequences. Give at least {FEWEST}: they are "
            "parted into training, validation and test."
        )
    if x.ndim == 2 and x.dtype.kind in "iu":
        return x.astype(np.int32)
    return x.reshape(*x.shape[:2], -1).astype(np.float32)


def read_lengths(name: str, lengths: Any, x: np.ndarray) -> np.ndarray:
    """Returns int32[N], by default the steps that the inputs have."""
    most = x.shape[1]
    if lengths is None:
        return np.full(len(x), most, np.int32)
    steps = _rectangular(f"{name}: lengths", lengths)
    if steps.shape != (len(x),) or steps.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: lengths are {steps.dtype}{list(steps.shape)}. Give an integer "
            f"for each of {len(x)} sequences."
        )
    wrong = np.flatnonzero((steps < 1) | (steps > most))
    if len(wrong):
        raise ValueError(
            f"{name}: lengths[{wrong[0]}] is {steps[wrong[0]]}. Use 1 to {most}, the "
            "steps that the inputs have."
        )
    return steps.astype(np.int32)


def read_targets(
    name: str, targets: Any, x: np.ndarray, readout: str, real: np.ndarray
) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    """Returns targets, and the names of the classes, if they are classes."""
    y = _rectangular(f"{name}: targets", targets)
    shape = x.shape[:2] if readout == "every" else x.shape[:1]
    if y.dtype.kind == "f":
        if y.shape == shape:
            y = y[..., None]
        if y.ndim != len(shape) + 1 or y.shape[:-1] != shape or y.shape[-1] == 0:
            _refuse_shape(name, y, shape, readout, " (or one more axis, of outputs)")
        scored = real if readout == "every" else np.ones(len(y), bool)
        refuse_nonfinite(f"{name}: targets", y, scored)
        flat = np.flatnonzero(np.ptp(y[scored], axis=0) == 0)
        if len(flat):
            raise ValueError(
                f"{name}: targets[..., {flat[0]}] is {y[scored][0, flat[0]]:g} always."
                " There is nothing to predict; leave it out."
            )
        return np.where(scored[..., None], y, 0).astype(np.float32), None
    if y.dtype.kind not in "iubUS":
        raise TypeError(
            f"{name}: targets are {y.dtype}. Give integers or strings for classes, "
            "floats for values."
        )
    if y.shape != shape:
        _refuse_shape(name, y, shape, readout)
    scored = y[real] if readout == "every" else y
    classes, counts = np.unique(scored, return_counts=True)
    if len(classes) < 2:
        raise ValueError(
            f"{name}: all targets are class {classes[0].item()!r}. Give at least 2."
        )
    if len(classes) > len(scored) // 2:
        raise ValueError(
            f"{name}: targets have {len(classes)} classes among {len(scored)}. If they "
            "are values, give them as floats."
        )
    if readout == "last" and counts.min() < 3:
        rare = classes[counts.argmin()].item()
        raise ValueError(
            f"{name}: class {rare!r} has {counts.min()} of {len(scored)} sequences. "
            "Each needs 3, one for each set: leave it out, or join it to another."
        )
    numbers = np.searchsorted(classes, y).clip(0, len(classes) - 1)
    if readout == "every":
        numbers = np.where(real, numbers, 0)
    return numbers.astype(np.int32), tuple(classes.tolist())


def read_groups(name: str, groups: Any, count: int, split_by: str) -> np.ndarray:
    """Returns the number of each sequence's group."""
    owners = _rectangular(f"{name}: groups", groups)
    if owners.shape != (count,):
        raise ValueError(
            f"{name}: groups have shape {owners.shape}. Give one for each of {count} "
            "sequences."
        )
    if split_by == "time":
        raise ValueError(
            f"{name}: there are groups, and split_by is 'time'. Use one of the two."
        )
    names, numbers = np.unique(owners, return_inverse=True)
    if len(names) < len(SPLITS):
        raise ValueError(
            f"{name}: there are {len(names)} groups. Give at least 3, one for each set."
        )
    return numbers.reshape(-1)


def _rectangular(what: str, values: Any) -> np.ndarray:
    try:
        found = np.asarray(values)
    except ValueError:
        found = np.empty(0, object)
    if found.dtype != object:
        return found
    if isinstance(values, Sequence | np.ndarray) and len(values):
        sizes = {np.shape(value) for value in values}
        if len(sizes) == 1 and () in sizes:
            raise ValueError(
                f"{what} are Python objects, as {values[0]!r}. Give an array of numbers"
                " or strings; where one is missing, fill it in or leave the row out."
            )
    raise ValueError(
        f"{what} are ragged: not all have one shape. Pad them with zeros to one, and "
        "give the real steps of each as lengths."
    )


def refuse_nonfinite(what: str, values: np.ndarray, counted: np.ndarray) -> None:
    """Raises on what is missing, not finite, or constant, where it counts."""
    if values.dtype.kind != "f":
        if values[counted].min() < 0:
            raise ValueError(f"{what} have a token below 0. Number tokens from 0 on.")
        return
    wrong = ~np.isfinite(values) & counted[..., None]
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{what}{list(place)} is {values[place]}, one of {wrong.sum()} that are "
            "missing or not finite. Fill them in, or leave these sequences out."
        )
    if what.endswith("inputs") and (np.ptp(values[counted], axis=0) == 0).all():
        raise ValueError(f"{what} are constant. There is nothing to learn from them.")


def _refuse_shape(
    name: str, y: np.ndarray, shape: tuple, readout: str, also: str = ""
) -> None:
    steps = ", steps" if readout == "every" else ""
    raise ValueError(
        f"{name}: targets have shape {y.shape}, but readout={readout!r} has "
        f"[sequences{steps}], here {list(shape)}{also}."
    )
