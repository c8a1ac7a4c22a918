"""What the tests of tasks have in common."""

import jax
import numpy as np

from rnnshare.tasks import Adding


@jax.jit
def four(task, key):
    return task.sample(key, 4)


@jax.jit
def scores(task, outputs, batch):
    return task.metrics(outputs, batch)


def perfect(task, batch):
    """Outputs that are certain and right."""
    if isinstance(task, Adding):
        return np.asarray(batch.targets)
    return 100 * np.eye(task.out_features, dtype=np.float32)[np.asarray(batch.targets)]
