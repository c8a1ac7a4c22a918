"""A5's lemma: untied weights learn nothing of a word where it never stood."""

import jax
import numpy as np
import pytest
from flax import nnx

from rnnshare import ElmanCell, Tied, Untied
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.tasks import WordOrder
from rnnshare.tasks.grammar import CLAUSE_FIRST, TIME_FIRST, weathers, words
from rnnshare.training import Call, Recipe, Setting, fit
from tests.cases import with_slow

STEPS = {TIME_FIRST: (4, 5, 6), CLAUSE_FIRST: (2, 3)}  # where a weather may stand


def held_out_columns(task):
    """Returns [(steps, word's number)] of the pairs that are held out."""
    first = words().index(weathers()[0])
    orders = enumerate(task.held_out_order.tolist())
    return [(STEPS[order], first + i) for i, order in orders if order in STEPS]


def setting_of(sharing, **options):
    return Setting(
        Call(WordOrder.of, 400, one_hot=True, **options),
        ElmanCell,
        sharing,
        hidden_features=3,
        learning_rate=0.1,
        recipe=Recipe(num_steps=4, batch_size=256, validate_every=4, patience=None),
    )


def test_the_orders_share_no_step_so_that_pairs_are_of_columns():
    task = WordOrder.of(400, 3, one_hot=True)
    columns = held_out_columns(task)
    assert len(columns) >= 4
    allowed = {(step, word) for steps, word in columns for step in steps}
    weather = {words().index(name) for name in weathers()}
    for split, inside in (("test", True), ("train", False)):
        batch = task.held_out(split)
        inputs = np.asarray(batch.inputs).argmax(-1)
        for row, length in zip(inputs, np.asarray(batch.lengths), strict=True):
            (met,) = [(t, w) for t, w in enumerate(row[:length]) if w in weather]
            assert (met in allowed) == inside
    plain = WordOrder.of(400, 3)
    np.testing.assert_array_equal(inputs, plain.held_out("train").inputs)
    assert plain.num_tokens == task.in_features == len(words())
    assert task.num_tokens is None and plain.in_features == 16


@pytest.mark.parametrize("same_init", with_slow([False, True], {True}))
def test_held_out_columns_of_untied_weights_stay_where_they_began(same_init):
    task = WordOrder.of(400, 3, one_hot=True)
    setting = setting_of(Untied(task.num_steps, same_init=same_init))
    runs = [(task, 5, rate) for rate in (0.1, 1e-30)]  # the second moves no weight
    trained = fit(setting.make_model(), setting.recipe, runs).params
    kernels = [_kernel(params) for params in trained]
    for at, word in held_out_columns(task):
        np.testing.assert_array_equal(*(k[list(at), word] for k in kernels))
    moved = np.abs(kernels[0] - kernels[1]).max(axis=(0, 2))
    assert (moved[[word for _, word in held_out_columns(task)]] > 0.01).all()


@pytest.mark.slow
def test_tied_weights_learn_them_in_the_other_order():
    task = WordOrder.of(400, 3, one_hot=True)
    blueprint = Blueprint.of(setting_of(Tied()).make_model())
    params = pure_params(setting_of(Tied()).make_model()(rngs=nnx.Rngs(0)))
    batch = task.held_out("train")

    def loss(params):
        model = blueprint.bind(params)
        return task.loss(model(batch.inputs, seq_lengths=batch.lengths), batch)

    gradient = _kernel(jax.device_get(jax.jit(jax.grad(loss))(params)))
    columns = [word for _, word in held_out_columns(task)]
    assert (np.abs(gradient[columns]).max(axis=1) > 0).all()


def _kernel(params):
    """Returns the input kernel, [T, words, H] or [words, H]."""
    leaves = jax.tree_util.tree_leaves_with_path(params["layers"])
    (found,) = [leaf for path, leaf in leaves if leaf.shape[-2:] == (len(words()), 3)]
    return np.asarray(found)
