"""Few weight sets for those of many steps: means, clusters and least squares.

Shape letters: T steps, K templates, P parameters of one cell.
"""

import jax
import numpy as np

from rnnshare.sharing.base import Weights


def means(weights: Weights, owner: np.ndarray, count: int) -> Weights:
    """Returns the mean over the steps of each owner, of all steps where it has none."""

    def mean(w: np.ndarray) -> np.ndarray:
        return np.stack(
            [w[owner == k].mean(0) if np.any(owner == k) else w.mean(0)
             for k in range(count)]
        )  # fmt: skip

    return jax.tree.map(mean, weights)


def clusters(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns `count` centres and each row's: k-means from far apart rows (Lloyd)."""

    def squared(centres: np.ndarray) -> np.ndarray:  # distances [T, K]
        return np.stack([np.sum((rows - c) ** 2, axis=1) for c in centres], axis=1)

    centres = rows[:1]
    for _ in range(count - 1):
        far = squared(centres).min(1)
        centres = np.concatenate([centres, rows[[int(np.argmax(far))]]])
    for _ in range(100):
        owner = squared(centres).argmin(1)
        moved = np.stack(
            [rows[owner == k].mean(0) if np.any(owner == k) else centres[k]
             for k in range(count)]
        )  # fmt: skip
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres, owner


def least_squares(functions: np.ndarray, w: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Returns the templates [K, ...] whose sum by functions [T, K] is nearest to w.

    `one` are the coefficients of a constant, which is fitted without rounding.
    """
    flat = w.reshape(len(w), -1)
    rest = np.linalg.pinv(functions) @ (flat - flat[:1])
    return (rest + one[:, None] * flat[:1]).reshape(-1, *w.shape[1:])
