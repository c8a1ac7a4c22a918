"""The pictures of a comparison: the steps that a model reads."""

import jax
import numpy as np
from flax import nnx

from experiments.compare.contest import Arm, setting_of
from experiments.compare.figure import draw_reading, steps_read
from rnnshare import Untied
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.tasks import from_arrays

T = 6


def test_steps_that_are_read_are_those_of_finite_differences():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, T, 2)).astype(np.float32)
    task = from_arrays(x, x[:, 1, 0])(0)
    setting = setting_of(
        lambda split: task, Arm("un-shared", Untied(T), 4), 0.1, 200, 8
    )
    params = pure_params(setting.make_model()(rngs=nnx.Rngs(0)))
    sizes = steps_read(setting, params, task)
    model = Blueprint.of(setting.make_model()).bind(params)
    inputs, h = np.asarray(task.held_out("test").inputs), 1e-2
    run, slopes = jax.jit(model), np.zeros((len(inputs), T, 2))
    for step in range(T):
        for feature in range(2):
            nudge = np.zeros_like(inputs)
            nudge[:, step, feature] = h
            up, down = run(inputs + nudge), run(inputs - nudge)
            slopes[:, step, feature] = np.asarray(up - down)[:, 0] / (2 * h)
    wanted = np.sqrt((slopes**2).sum(-1)).mean(0)
    np.testing.assert_allclose(sizes, wanted, rtol=2e-2, atol=1e-4)
    assert draw_reading(sizes, list("abcdef")).axes


def test_what_answers_at_every_step_reads_all():
    x = np.random.default_rng(0).standard_normal((40, T)).astype(np.float32)
    task = from_arrays(x, x, readout="every")(0)
    assert steps_read(None, None, task) is None
