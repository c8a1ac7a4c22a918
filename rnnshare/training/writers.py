"""Where what a training measures is written to, beside its rows."""

import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from rnnshare.training.rows import Row


class MetricWriter(Protocol):
    """What takes numbers and pictures of a training, step by step.

    `TensorBoardWriter` is one; any object with these methods is another.
    """

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Takes numbers by their names."""

    def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Takes pictures by their names, each uint8[height, width, 3]."""

    def close(self) -> None:
        """Writes what is left, and lets go of the files."""


class TensorBoardWriter:
    """Writes event files for TensorBoard, by tensorboardX.

    tensorboard --logdir=FOLDER
    """

    def __init__(self, folder: pathlib.Path | str):
        """Opens a folder; a further file of it goes on where another ended.

        Raises:
          ImportError: if tensorboardX is not installed.
        """
        try:
            import tensorboardX
        except ImportError:
            raise ImportError(
                "tensorboardX is not installed. Use: "
                "pip install 'rnnshare[tensorboard]'"
            ) from None
        # By its own name a file of the same second would be written over.
        suffix = f".{time.time_ns()}"
        self._writer = tensorboardX.SummaryWriter(str(folder), filename_suffix=suffix)

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Takes numbers by their names."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)

    def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Takes pictures by their names, each uint8[height, width, 3]."""
        for name, image in images.items():
            self._writer.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """Writes what is left, and lets go of the files."""
        self._writer.close()


def write_to(writers: Sequence[MetricWriter]) -> Callable[[int, dict[int, Row]], None]:
    """Returns an `on_chunk` for `fit` that tells each replica's writer its numbers.

        fit(..., on_chunk=write_to([TensorBoardWriter("logs/seed_0")]))

    Args:
      writers: one for each replica, in their order.
    """

    def on_chunk(step: int, measured: dict[int, Row]) -> None:
        for index, row in measured.items():
            numbers = {
                name: float(value)
                for name, value in row.items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            }
            writers[index].write_scalars(step, numbers)

    return on_chunk
