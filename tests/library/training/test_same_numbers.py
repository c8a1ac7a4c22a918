"""How a training is cut, laid out, kept and accompanied changes no number of it.

With keep='last' and no patience. Order, company and checkpoints leave the program as it
is: the bits are equal. Another chunk or mesh is another program, so that rounding may
differ; `SAME_NUMBERS=1` runs all settings, and asks equal bits of those as well.
"""

import functools
import os

import jax
import numpy as np
import optax
import pytest

from rnnshare import (
    Cyclic,
    ElmanCell,
    GRUCell,
    LowRank,
    LSTMCell,
    Mixture,
    Segments,
    Tied,
    Untied,
)
from rnnshare.tasks import Adding, LagRecall
from rnnshare.training import Recipe, Setting, Truncation, fit
from tests.library.training.loop_cases import assert_same_run

ADDING, LAGS = Adding(4, num_held_out=16), LagRecall(4, 1, num_held_out=8)
SETTINGS = {
    "truncated untied LSTM": (LAGS, LSTMCell, Untied(4), {"truncation": Truncation(2)}),
    "tied GRU": (ADDING, GRUCell, Tied(), {}),
    "tied Elman": (ADDING, ElmanCell, Tied(), {"optimizer": optax.sgd}),
    "tied LSTM": (LAGS, LSTMCell, Tied(), {}),
    "untied Elman": (ADDING, ElmanCell, Untied(4), {"clip_norm": None}),
    "untied GRU": (LAGS, GRUCell, Untied(4), {"optimizer": optax.adamw}),
    "segments": (ADDING, GRUCell, Segments(4, 2), {}),
    "cyclic": (LAGS, LSTMCell, Cyclic(2), {}),
    "mixture": (ADDING, ElmanCell, Mixture(4, 2), {}),
    "low rank": (ADDING, LSTMCell, LowRank(4), {"optimizer": optax.rmsprop}),
    "skipping": (ADDING, GRUCell, Tied(), {"on_nonfinite": "skip"}),
    "rolling back": (LAGS, ElmanCell, Tied(), {"on_nonfinite": "rollback"}),
}
ALL = bool(os.environ.get("SAME_NUMBERS"))
# Of 36 layouts, (validate_every, devices), XLA compiles these to other arithmetic: a
# module for one device is not what each of two gets, and a chunk of one step has no
# loop. Adam makes the rounding up to 0.6 % of the mixture's smallest gradient.
ROUNDED = {("mixture", 6, 1): 1e-2, ("mixture", 1, 1): 1e-2, ("skipping", 1, 1): 1e-5}


def assert_bits(actual, expected):
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS if ALL else list(SETTINGS)[:1])
def test_no_number_changes(name, tmp_path):
    task, cell, sharing, options = SETTINGS[name]

    def run(seeds, every, devices, **given):
        recipe = Recipe(6, 4, every, None, keep="last", **options)
        made = Setting(lambda split: task, cell, sharing, 3, 1e-2, recipe)
        mesh = jax.make_mesh((devices,), ("replica",), devices=jax.devices()[:devices])
        replicas = [(task, seed, 1e-2) for seed in seeds]
        out = fit(made.make_model(), recipe, replicas, mesh=mesh, **given)
        return dict(zip(seeds, zip(*out, strict=True), strict=True))

    base = run((0, 1, 2), 2, 2)
    kept = {"checkpoints": tmp_path, "checkpoint_every": 0.0}
    assert_bits(run((2, 1), 2, 2, **kept), {seed: base[seed] for seed in (2, 1)})
    for every, devices in ((6, 1), (1, 1), (3, 2)) if ALL else ((6, 1),):
        other = run((0, 1, 2), every, devices)
        near = ROUNDED.get((name, every, devices))
        if ALL and near is None:
            assert_bits(other, base)
        elif ALL:
            compare = functools.partial(
                np.testing.assert_allclose, rtol=near, atol=near
            )
            jax.tree.map(compare, other, base)
        else:
            assert_same_run(other, base)
