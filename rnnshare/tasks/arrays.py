"""Tasks of one's own arrays: `from_arrays` checks, splits and standardises them."""

import dataclasses
import functools
import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnshare.tasks import array_checks as checks
from rnnshare.tasks.array_tasks import ArrayRegression as ArrayRegression
from rnnshare.tasks.array_tasks import StepClassification as StepClassification
from rnnshare.tasks.base import SPLITS, Batch, Task
from rnnshare.tasks.pools import ArrayTask

_DRAWS = 100  # of groups, until the training part has every class


@dataclasses.dataclass(frozen=True, eq=False)
class Arrays:
    """Makes the tasks of some arrays: `arrays(split)`; two of equal arrays are equal.

    Attributes:
      inputs: float32[N, T, D], or tokens int32[N, T].
      targets: int32[N] or [N, T], 0..K-1; or float32[N, O] or [N, T, O].
      lengths: int32[N].
      groups: int[N], or None.
      classes: what the classes were called, in the order of their numbers; None where
        the targets are values.
      name, readout, split_by: see `from_arrays`.
      fractions: of validation and test.
      sha256: of all of it.
    """

    inputs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray
    groups: np.ndarray | None
    classes: tuple[Any, ...] | None
    name: str
    readout: str
    split_by: str
    fractions: tuple[float, float]
    sha256: str

    def __eq__(self, other: object) -> bool:
        """Returns whether the tasks are the same."""
        return isinstance(other, Arrays) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple:
        return self.sha256, self.name, self.readout, self.split_by, self.fractions

    def __call__(self, split: int = 0) -> Task:
        """Returns the task with the sets of a split, resampled by its number.

        Raises:
          ValueError: if the split is no number from 0 on.
        """
        if not isinstance(split, int) or isinstance(split, bool) or split < 0:
            raise ValueError(f"{self.name}: split is {split!r}. Use a number from 0.")
        return _task_of(self, split)

    def scaling(self, split: int = 0) -> dict[str, np.ndarray]:
        """Returns what a split's numbers are measured by, from its training part.

        Returns:
          `input_mean` and `input_deviation` [D], unless inputs are tokens; and where
          targets are values `target_mean` and `target_deviation` [O].
        """
        own = self.rows(split)["train"]
        real = np.arange(self.inputs.shape[1]) < self.lengths[own][:, None]
        found = {}
        if self.inputs.ndim == 3:
            seen = self.inputs[own][real].astype(np.float64)
            found["input_mean"] = seen.mean(0)
            found["input_deviation"] = np.maximum(seen.std(0), 1e-6)
        if self.classes is None:
            of_train = self.targets[own]
            known = of_train[real] if self.readout == "every" else of_train
            found["target_mean"] = known.mean(0, dtype=np.float64)
            deviation = known.std(0, dtype=np.float64)
            found["target_deviation"] = np.maximum(deviation, 1e-6)
        return found

    def rows(self, split: int) -> dict[str, np.ndarray]:
        """Returns the numbers of the rows of each set of a split, in order."""
        num_rows, rng = len(self.inputs), np.random.default_rng(split)
        if self.split_by == "time":
            return _part(np.arange(num_rows), self.fractions)
        if self.groups is not None:
            return self._rows_by_group(rng)
        if self.classes is None or self.readout == "every":
            return _part(rng.permutation(num_rows), self.fractions)
        parts = [
            _part(rng.permutation(np.flatnonzero(self.targets == k)), self.fractions)
            for k in range(len(self.classes))
        ]
        return {s: np.sort(np.concatenate([p[s] for p in parts])) for s in SPLITS}

    def _rows_by_group(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        assert self.groups is not None  # for the type checker
        names = np.unique(self.groups)
        for _ in range(_DRAWS):
            parts = _part(rng.permutation(names), self.fractions)
            rows = {s: np.flatnonzero(np.isin(self.groups, parts[s])) for s in SPLITS}
            if self.classes is None or not self._missing(rows["train"]):
                return rows
        raise ValueError(
            f"{self.name}: no split by groups was found with every class in its "
            "training part, since some class is in one or two groups alone. Give finer "
            "groups, or leave that class out."
        )

    def _missing(self, rows: np.ndarray) -> list[Any]:
        """Returns the classes that some rows have nothing of."""
        assert self.classes is not None
        there = np.isin(np.arange(len(self.classes)), self.targets[rows])
        return [c for c, has in zip(self.classes, there, strict=True) if not has]


def from_arrays(
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    lengths: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    readout: str = "last",
    split_by: str = "random",
    validation_fraction: float = 0.2,
    test_fraction: float = 0.2,
    name: str = "arrays",
) -> Arrays:
    """Returns `make_task` of arrays, as `Setting` and all studies take it.

    `from_arrays(x, y)(0)` is a task with its three sets; another number draws other
    ones, of equal sizes. Inputs, and targets that are values, are standardised by the
    training set. The digest of the arrays is in the key of every row.

        make_task = rnnshare.tasks.from_arrays(x, y)
        setting = Setting(make_task, LSTMCell, Untied(x.shape[1]))

    Args:
      inputs: numbers [N, T, D], N sequences of T steps; [N, T] of floats is D = 1, and
        of integers are tokens 0, 1, 2, ...
      targets: what to predict. Integers, booleans and strings are classes, floats are
        values. With readout 'last' [N], or values [N, O]; with 'every' [N, T], or
        values [N, T, O].
      lengths: int[N], the real steps of each sequence; what is behind them counts
        nowhere, and may be anything. By default all.
      groups: [N], what belongs together, as one person's recordings: a group is in one
        set alone.
      readout: 'last', an answer at the end, or 'every', one at each step.
      split_by: 'random', resampled by class or by group; or 'time': the rows are in
        order, the last ones test, those before them validate, and every split is the
        same.
      validation_fraction: of the sequences.
      test_fraction: of the sequences.
      name: for rows and reports.

    Raises:
      ValueError: if an array has another shape than these, is ragged, misses values, is
        constant, or too small to be split: of what, and the way out.
      TypeError: if inputs are no numbers.
    """
    checks.check_options(name, readout, split_by, validation_fraction, test_fraction)
    x = checks.read_inputs(name, inputs)
    steps = checks.read_lengths(name, lengths, x)
    real = np.arange(x.shape[1]) < steps[:, None]
    checks.refuse_nonfinite(f"{name}: inputs", x, real)
    y, classes = checks.read_targets(name, targets, x, readout, real)
    owners = (
        None if groups is None else checks.read_groups(name, groups, len(x), split_by)
    )
    digest = hashlib.sha256()
    for array in (x, y, steps, *([] if owners is None else [owners])):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr(classes).encode())
    made = Arrays(
        inputs=x,
        targets=y,
        lengths=steps,
        groups=owners,
        classes=classes,
        name=name,
        readout=readout,
        split_by=split_by,
        fractions=(validation_fraction, test_fraction),
        sha256=digest.hexdigest(),
    )
    made(0)  # raises what a split of these arrays would raise
    return made


@functools.lru_cache(maxsize=32)
def _task_of(arrays: Arrays, split: int) -> Task:
    rows = arrays.rows(split)
    if arrays.classes is not None and (missing := arrays._missing(rows["train"])):
        raise ValueError(
            f"{arrays.name}: the training part has no sequence of class {missing[0]!r}."
            " Give more of it, leave it out, or split another way."
        )
    x, steps, by = arrays.inputs, arrays.lengths, arrays.scaling(split)
    real = np.arange(x.shape[1]) < steps[:, None]
    tokens = int(x[real].max()) + 1 if x.ndim == 2 else None
    if tokens is None:
        scaled = (x - by["input_mean"]) / by["input_deviation"]
        x = np.where(real[..., None], scaled, 0).astype(np.float32)
    else:
        x = np.where(real, x, 0)
    y, scale = arrays.targets, np.ones(1)
    every = arrays.readout == "every"
    if arrays.classes is None:
        scale = by["target_deviation"]
        y = ((y - by["target_mean"]) / scale).astype(np.float32)
    ragged = steps.min() < x.shape[1]
    sets = {
        name: Batch(
            x[own],
            y[own],
            steps[own] if ragged else None,
            real[own] if ragged and every else None,
        )
        for name, own in rows.items()
    }
    if arrays.classes is None:
        return ArrayRegression(
            **sets,
            scale=scale.astype(np.float32),
            name=arrays.name,
            out_features=y.shape[-1],
            sha256=arrays.sha256,
            readout=arrays.readout,
            num_tokens=tokens,
        )
    scored = y[real] if every else y
    share = np.bincount(scored, minlength=len(arrays.classes)) / scored.size
    return (StepClassification if every else ArrayTask)(
        **sets,
        name=arrays.name,
        out_features=len(arrays.classes),
        sha256=arrays.sha256,
        chance=(float(share.max()), float(-np.sum(share * np.log(share)))),
        num_tokens=tokens,
    )


def _part(items: np.ndarray, fractions: tuple[float, float]) -> dict[str, np.ndarray]:
    """Parts three items or more: the last for test, those before for validation."""
    validation, test = (max(1, round(f * len(items))) for f in fractions)
    while validation + test >= len(items):  # one at least is left for training
        validation, test = (
            n - (n == max(validation, test)) for n in (validation, test)
        )
    first, second = len(items) - validation - test, len(items) - test
    parts = items[:first], items[first:second], items[second:]
    return {name: np.sort(part) for name, part in zip(SPLITS, parts, strict=True)}
