"""What the tests of the training loop train."""

import jax
import numpy as np

from rnnshare import GRUCell, Tied
from rnnshare.tasks import Adding
from rnnshare.training.fitting import Recipe, fit
from rnnshare.training.setting import Setting

TASK = Adding(6, num_held_out=64)
RECIPE = Recipe(num_steps=20, batch_size=8, validate_every=5, patience=None)


def adding(split):
    del split
    return TASK


def setting(sharing=Tied(), recipe=RECIPE, **options):
    return Setting(adding, GRUCell, sharing, 4, 1e-2, recipe, **options)


def train(replicas, sharing=Tied(), recipe=RECIPE, **options):
    made = setting(sharing, recipe)
    return fit(made.make_model(), recipe, replicas, **options)


def assert_same_run(actual, expected):
    """Metrics or parameters of one training by two programs, as of two meshes.

    What is counted is equal. Forty steps of Adam, a hundred roundings each, amplify
    eps = 1.2e-7 by 4 sqrt(4,000) = 250 where no step is chaotic: 3e-5.
    """
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(
            a, b, rtol=0 if isinstance(b, int) else 3e-5, atol=3e-5
        ),
        actual,
        expected,
    )
