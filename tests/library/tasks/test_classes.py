"""Classes and tokens that there are not: refused as arrays, NaN under a trace."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.tasks import ArrayTask, Batch, PaddedCopyMemory, RandomString, pools
from rnnshare.tasks.base import Classification
from rnnshare.tasks.classes import cross_entropy, rightness
from rnnshare.tasks.data.arrays import Dataset
from rnnshare.tasks.translation import Translation, write_answers

LOGITS = np.log(np.array([[0.2, 0.3, 0.5]] * 5, np.float32))
OUTSIDE = np.array([-1, -100, 3, 2**31 - 1, -(2**31)], np.int32)


class Three(Classification):
    """Of three classes."""

    out_features = 3
    sample = held_out = None


Three.__abstractmethods__ = frozenset()


def made(train=None, **options):
    """Returns a task of 2 classes; its training set is `train`."""
    sound = Batch(np.zeros((2, 3, 1), np.float32), np.array([0, 1], np.int32))
    sets = {"train": sound if train is None else train}
    sets |= {"validation": sound, "test": sound}
    fixed = {"name": "toy", "out_features": 2, "sha256": "", "chance": (0.5, 0.7)}
    return ArrayTask(**sets, **(fixed | options))


@pytest.mark.parametrize("of", [jnp.asarray, np.asarray])
@pytest.mark.parametrize("wrong", [-1, 2])
def test_a_class_that_there_is_not_is_refused(of, wrong):
    batch = Batch(np.zeros((3, 3, 1), np.float32), of(np.array([0, 1, wrong])))
    message = rf"ArrayTask toy: train.targets\[2\] is {wrong}, but the classes are 0..1"
    with pytest.raises(ValueError, match=message):
        made(batch)
    with pytest.raises(TypeError, match=r"targets are float32. Use integers for clas"):
        made(batch._replace(targets=np.zeros(3, np.float32)))


def test_a_token_that_there_is_not_is_refused_unless_it_is_padding():
    tokens = np.array([[0, 4, 9], [3, -1, -1]], np.int32)
    batch = Batch(tokens, np.zeros(2, np.int32), np.array([2, 1], np.int32))
    assert made(batch, num_tokens=5).num_steps == 3
    message = r"train.inputs\[0, 2\] is 9, but the tokens are 0..4. .* after `lengths`"
    with pytest.raises(ValueError, match=message):
        made(batch._replace(lengths=np.array([3, 1], np.int32)), num_tokens=5)


def test_what_is_not_scored_may_be_anything():
    mask = np.array([[True, False, True]])
    batch = Batch(np.zeros((1, 3, 1), np.float32), np.array([[0, -1, 1]]), mask=mask)
    made(batch)
    with pytest.raises(ValueError, match=r"targets\[0, 1\] is -1"):
        made(batch._replace(mask=~mask))


def test_pools_strings_and_answers_are_looked_at():
    pool = Dataset(
        np.zeros((4, 2, 1), np.float32), np.array([0, 1, 0, -1], np.int32),
        np.full(4, 2, np.int32), num_train=3, num_classes=2, sha256="",
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"toy: pool.targets\[3\] is -1"):
        pools.split_pool.__wrapped__(lambda: pool, "toy", 0, 0.5)
    with pytest.raises(ValueError, match=r"RandomString: string.targets\[1\] is 2"):
        RandomString(np.array([0, 2], np.int32), np.int32(2))
    answers, scored = write_answers(np.array([12, 3]))
    batch = Batch(None, answers + 1, None, scored)
    with pytest.raises(ValueError, match=r"Translation: train.targets\[0, 2\] is 11"):
        Translation(batch, batch, batch, np.int32(0))


@pytest.mark.parametrize("outside", OUTSIDE)
def test_under_a_trace_the_loss_and_the_accuracy_are_nan(outside):
    classes = np.array([2, 0, outside], np.int32)
    found = jax.jit(Three().metrics)(LOGITS[:3], Batch(None, classes))
    assert np.isnan(found["loss"]) and np.isnan(found["accuracy"])
    each = jax.jit(cross_entropy)(LOGITS[:3], classes)
    np.testing.assert_allclose(each, [-np.log(0.5), -np.log(0.2), np.nan], rtol=1e-6)
    np.testing.assert_array_equal(rightness(LOGITS[:3], classes), [1, 0, np.nan])


def test_what_is_not_scored_leaks_nowhere():
    """Nor where JAX looks for NaN at every operation, nor in a gradient."""
    classes = np.concatenate([np.array([2], np.int32), OUTSIDE])[None]
    mask = np.arange(6)[None] < 1
    logits = jnp.broadcast_to(LOGITS[:1], (1, 6, 3))
    batch, task = Batch(None, classes, mask=mask), Three()
    with jax.debug_nans(True):
        loss, gradient = jax.value_and_grad(task.loss)(logits, batch)
        found = task.metrics(logits, batch)
    assert float(loss) == float(found["loss"]) == pytest.approx(-np.log(0.5))
    assert float(found["accuracy"]) == 1
    expected = np.zeros((1, 6, 3), np.float32)
    expected[0, 0] = [0.2, 0.3, -0.5]
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_every_task_with_classes_has_nan_of_one_that_there_is_not():
    copy = PaddedCopyMemory(2, num_recalled=1, num_symbols=2)
    batch = copy.held_out("test")
    logits = jnp.zeros((*batch.targets.shape, 3))
    wrong = batch._replace(targets=batch.targets.at[0, 0].set(-1))
    assert np.isnan(jax.jit(copy.metrics)(logits, wrong)["accuracy"])
    answers, scored = write_answers(np.array([12, 3]))
    sound = Batch(None, answers, None, scored)
    task = Translation(sound, sound, sound, np.int32(0))
    wrong = jax.tree.map(jnp.asarray, sound._replace(targets=answers.copy()))
    wrong = wrong._replace(targets=wrong.targets.at[0, 0].set(-1))
    found = jax.jit(task.metrics)(jnp.zeros((2, 5, 11)), wrong)
    assert all(np.isnan(value) for value in found.values())
    assert dataclasses.replace(task).num_answered == 5
