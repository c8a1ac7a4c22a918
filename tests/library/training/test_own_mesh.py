"""`fit` lays replicas over a mesh of its own, whatever mesh the caller has set."""

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from rnnshare import ElmanCell, Tied, Untied
from rnnshare.tasks import Adding
from rnnshare.training import JsonLines, Recipe, Replicate, Setting, fit, run
from tests.cases import with_slow

TASK = Adding(4, num_held_out=8)
RECIPE = Recipe(4, 4, 2)


def adding(split):
    del split
    return TASK


def trained():
    made = Setting(adding, ElmanCell, Tied(), 3, 1e-2, RECIPE)
    replicas = [(TASK, seed, 1e-2) for seed in range(3)]
    return fit(made.make_model(), RECIPE, replicas)


@pytest.mark.parametrize(
    ("size", "kind"),
    with_slow(
        [(1, AxisType.Explicit), (2, AxisType.Explicit), (2, AxisType.Auto)],
        [(2, AxisType.Explicit)],
    ),
)
def test_in_a_callers_mesh_the_numbers_are_those_outside(size, kind, tmp_path):
    outside = trained()
    theirs = jax.make_mesh((size,), ("batch",), (kind,), devices=jax.devices()[:size])
    settings = [Setting(adding, ElmanCell, Untied(4), 3, 1e-2, RECIPE)]
    with jax.set_mesh(theirs):
        inside = trained()
        (row,) = run(settings, [Replicate(0)], JsonLines(tmp_path / "rows"))
        assert jax.sharding.get_mesh() == theirs
    assert inside.metrics == outside.metrics
    jax.tree.map(np.testing.assert_array_equal, inside.params, outside.params)
    assert np.isfinite(row["test_loss"])


@pytest.mark.slow
def test_in_a_mesh_of_the_former_kind_too():
    outside = trained()
    theirs = jax.make_mesh((2,), ("batch",), (AxisType.Auto,))
    with pytest.warns(DeprecationWarning, match="with mesh"), theirs:
        inside = trained()
    assert inside.metrics == outside.metrics
