"""Pictures as arrays, without a figure around them."""

from typing import Any

import numpy as np


def picture_of(matrix: Any, size: int = 240) -> np.ndarray:
    """Returns numbers in [-1, 1] as a picture: blue 1, white 0, red -1.

    Args:
      matrix: [T, T], such as `rnnshare.sharing.measures.weight_similarity` returns.
      size: the least height and width in pixels.

    Returns:
      uint8[height, width, 3].
    """
    values = np.clip(np.asarray(matrix, np.float64), -1.0, 1.0)
    away = 1.0 - np.abs(values)
    red, blue = (np.where(sign * values > 0, away, 1.0) for sign in (1.0, -1.0))
    pixels = np.round(255 * np.stack([red, away, blue], -1)).astype(np.uint8)
    times = -(-size // len(values))
    return pixels.repeat(times, 0).repeat(times, 1)
