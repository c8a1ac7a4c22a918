"""What a file of data holds, as arrays."""

import pathlib
from typing import Any, NamedTuple

import numpy as np


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
      groups: [N], what belongs together, or None.
    """

    inputs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray | None
    readout: str
    steps: tuple[str, ...]
    features: tuple[str, ...]
    target: str
    groups: np.ndarray | None = None


def numbered(
    inputs: np.ndarray, targets: Any, lengths: Any, readout: str, target: str
) -> Given:
    """Returns arrays whose steps and features have no names but their numbers."""
    steps = tuple(map(str, range(inputs.shape[1])))
    count = inputs.shape[2] if inputs.ndim == 3 else 1
    features = tuple(f"feature {i}" for i in range(count))
    return Given(inputs, targets, lengths, readout, steps, features, target)


def shifted(
    path: pathlib.Path, inputs: np.ndarray, targets: np.ndarray, forecast: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs, and at each step the target so many steps later, as floats."""
    if inputs.shape[1] <= forecast + 1:
        raise ValueError(
            f"{path}: there are {inputs.shape[1]} steps, too few to forecast "
            f"{so_many(forecast)} ahead. Use a smaller --forecast."
        )
    return inputs[:, :-forecast], targets[:, forecast:].astype(np.float32)


def so_many(steps: int) -> str:
    """Returns '3 steps'."""
    return "one step" if steps == 1 else f"{steps} steps"
