"""JAX's debugging switches may be on: what only fills a place is no NaN.

Strict promotion of dtypes and of ranks is on in all tests.
"""

import contextlib
import dataclasses

import jax
import numpy as np
import pytest

from rnnshare import ElmanCell, Tied, Untied
from rnnshare.tasks import Adding, LagRecall
from rnnshare.training import (
    JsonLines,
    Recipe,
    Replicate,
    Setting,
    Truncation,
    fit,
    tune,
)
from rnnshare.training.programs import compile_programs
from tests.cases import with_slow

TASK = Adding(4, num_held_out=8)
# Some stop early, so that places rest while others train.
RECIPE = Recipe(8, 4, 2, patience=1)
SWITCHES = {
    "jax_debug_nans": True,
    "jax_debug_infs": True,
    "jax_enable_checks": True,
    "jax_check_tracer_leaks": True,
    "jax_transfer_guard": "disallow",
}


@contextlib.contextmanager
def switched(name):
    """JAX with one of its switches on; what `fit` compiles is traced anew."""
    before = getattr(jax.config, name)
    compile_programs.cache_clear()
    jax.config.update(name, SWITCHES[name])
    try:
        yield
    finally:
        jax.config.update(name, before)
        compile_programs.cache_clear()


def adding(split):
    del split
    return TASK


def setting():
    return Setting(adding, ElmanCell, Tied(), 3, 1e-2, RECIPE)


def trained():
    made = setting()
    rates = (3.0, 1e-3, 1e-2)  # the first gets worse, and stops
    replicas = [(TASK, seed, rate) for seed, rate in enumerate(rates)]
    return fit(made.make_model(), made.recipe, replicas)


@pytest.fixture(scope="module")
def plain():
    out = trained()
    assert len({row["steps_trained"] for row in out.metrics}) > 1
    return out


@pytest.mark.parametrize(
    "name",
    with_slow(SWITCHES, {"jax_debug_nans", "jax_transfer_guard"}),
)
def test_training_is_as_without_the_switch(name, plain, tmp_path):
    """Three replicas on two devices: a place rests at the end."""
    with switched(name):
        out = trained()
        rows = JsonLines(tmp_path / "rows")
        best = tune([setting()], [Replicate(1)], rows)
    assert out.metrics == plain.metrics
    jax.tree.map(np.testing.assert_array_equal, out.params, plain.params)
    assert best == setting() and np.isfinite(rows.rows[0]["test_loss"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jax_debug_nans", "jax_transfer_guard"])
def test_truncated_untied_training_too(name):
    recipe = dataclasses.replace(RECIPE, truncation=Truncation(2))
    task = LagRecall(4, 1, num_held_out=4)
    one = Setting(lambda split: task, ElmanCell, Untied(4), 3, 1e-2, recipe)
    with switched(name):
        (row,) = fit(one.make_model(), recipe, [(task, 0, 1e-2)]).metrics
    assert np.isfinite(row["test_accuracy"])
