"""With `jax_enable_x64` all is trained as without it: what is drawn is of 32 bits."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from rnnshare import GRUCell, Tied
from rnnshare.tasks import Adding
from rnnshare.training import Recipe, Setting, fit
from rnnshare.training.programs import compile_programs

SCRIPT = """
import json, sys
import jax, optax
from rnnshare import GRUCell, Tied, Untied
from rnnshare.tasks import Adding, LagRecall
from rnnshare.training import (
    JsonLines, Recipe, Replicate, Setting, Truncation, fit, run, tune)

adding, lag = Adding(4, num_held_out=8), LagRecall(4, 1, num_held_out=8)
def make_adding(split): return adding
def make_lag(split): return lag
def cosine(rate): return optax.adam(optax.cosine_decay_schedule(rate, 4))

plain = Recipe(4, 4, 2)
cut = Recipe(4, 4, 2, truncation=Truncation(2), optimizer=cosine)
settings = [
    Setting(make_adding, GRUCell, Tied(), 3, 1e-2, plain),
    Setting(make_lag, GRUCell, Untied(4), 3, 1e-2, cut, readout_sharing=Untied(4)),
]
found = []
for setting in settings:
    task = setting.make_task(0)
    out = fit(setting.make_model(), setting.recipe, [(task, 0, 1e-2)])
    leaves = jax.tree.leaves((out.params, task.sample(jax.random.key(0), 2)))
    found.append([out.metrics[0], sorted({str(leaf.dtype) for leaf in leaves})])
rows = JsonLines(sys.argv[1])
best = tune(settings[:1], [Replicate(1)], rows)
found.append(run([best], [Replicate(0)], rows)[0])
search = Recipe(2, 4, 2, optimizer=lambda rate: optax.lbfgs())
out = fit(settings[0].make_model(), search, [(adding, 0, 1e-2)])
print(json.dumps([*found, out.metrics[0]]))
"""


TASK = Adding(4, num_held_out=8)
RECIPE = Recipe(4, 4, 2)


def trained():
    setting = Setting(lambda split: TASK, GRUCell, Tied(), 3, 1e-2, RECIPE)
    return fit(setting.make_model(), RECIPE, [(TASK, 0, 1e-2)])


def test_it_draws_and_trains_in_32_bits():
    """Switched on in the process; the script below has more kinds of trainings."""
    expected = trained().metrics[0]
    compile_programs.cache_clear()
    jax.config.update("jax_enable_x64", True)
    try:
        found = trained()
        leaves = jax.tree.leaves((found.params, TASK.sample(jax.random.key(0), 2)))
    finally:
        jax.config.update("jax_enable_x64", False)
        compile_programs.cache_clear()
    assert {str(leaf.dtype) for leaf in leaves} == {"float32"}
    for name in ("train_loss", "validation_loss", "test_loss"):
        assert found.metrics[0][name] == pytest.approx(expected[name], rel=1e-3), name


@pytest.mark.slow
def test_training_works_and_is_that_of_32_bits(tmp_path):
    """Adam's bias corrections are worked out in more bits, and no more differs."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "rows.jsonl")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"JAX_ENABLE_X64": "1"},
    )
    assert run.returncode == 0, run.stderr[-2_000:]
    (tied, dtypes), (untied, others), row, searched = json.loads(run.stdout)
    assert {*dtypes, *others} == {"float32", "int32", "bool"}
    expected = trained().metrics[0]
    assert tied.pop("diverged") is None
    for name, value in tied.items():
        assert value == pytest.approx(expected[name], rel=1e-3), name
        assert row[name] == pytest.approx(value, rel=1e-5), name
    assert np.isfinite([untied["test_loss"], searched["test_loss"]]).all()
