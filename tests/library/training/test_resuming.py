"""A training that was ended goes on from its checkpoint, bit for bit."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

from rnnshare import Untied
from rnnshare.tasks import Adding
from rnnshare.training import Checkpoints, Recipe, interrupts
from tests.cases import with_slow
from tests.library.training.loop_cases import TASK, assert_same_run, train

# Of Adam, one with a state of keys, so that all kinds of leaves are kept.
RECIPE = Recipe(num_steps=12, batch_size=8, validate_every=2, patience=1)
RATES = (0.3, 1e-3, 1.0, 1e-2)
REPLICAS = [(TASK, seed, rate) for seed, rate in enumerate(RATES)]


class EndedError(Exception):
    """The process is no more."""


def noisy(learning_rate):
    noise = optax.add_noise(0.01, 0.55, jax.random.key(3))
    return optax.chain(noise, optax.adam(learning_rate))


def mesh(size):
    return jax.make_mesh((size,), ("replica",), devices=jax.devices()[:size])


def assert_bits(actual, expected):
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


def run(folder=None, end_after=None, replicas=REPLICAS, recipe=RECIPE, **options):
    """Returns what `fit` returns, tells, and keeps; it ends after so many chunks."""
    chunks, results, count = [], {}, 0

    def on_chunk(step, rows):
        nonlocal count
        chunks.append((step, rows))
        count += 1
        if end_after is not None and count > end_after:
            raise EndedError

    options = {"checkpoint_every": 0.0, **options} if folder else options
    fitted = train(
        replicas,
        recipe=recipe,
        checkpoints=folder,
        on_chunk=on_chunk,
        on_result=results.__setitem__,
        **options,
    )
    return fitted, chunks, results


@pytest.mark.parametrize("size", with_slow([1, 2], {2}))
def test_it_goes_on_bit_for_bit(size, tmp_path):
    whole = run(mesh=mesh(size))
    lengths = {row["steps_trained"] for row in whole[0].metrics}
    assert len(lengths) > 1 and min(lengths) < 12
    ends = [2, 3, 7]
    for end in ends:
        with pytest.raises(EndedError):
            run(tmp_path, end, mesh=mesh(size))
    again = run(tmp_path, mesh=mesh(size))
    assert_bits(again[0].params, whole[0].params)
    assert again[0].metrics == whole[0].metrics
    assert again[1:] == whole[1:]
    once_more = run(tmp_path, mesh=mesh(size))  # nothing is left to do
    assert_bits(once_more[0].params, whole[0].params)
    assert once_more[1:] == whole[1:]


@pytest.mark.slow
def test_it_goes_on_with_other_devices(tmp_path):
    whole, _, _ = run()
    with pytest.raises(EndedError):
        run(tmp_path, 3, mesh=mesh(2))
    with pytest.raises(EndedError):
        run(tmp_path, 5, mesh=mesh(1), per_device=3)
    again, _, _ = run(tmp_path, mesh=mesh(1))
    assert_same_run(again.metrics, whole.metrics)
    assert_same_run(again.params, whole.params)


@pytest.mark.slow  # `train` goes on so too
def test_more_steps_go_on_where_the_others_ended(tmp_path):
    recipe = dataclasses.replace(RECIPE, optimizer=noisy, patience=None)
    longer = dataclasses.replace(recipe, num_steps=16)
    whole = run(recipe=longer, replicas=REPLICAS[:1])
    short = run(tmp_path, recipe=recipe, replicas=REPLICAS[:1])
    assert short[0].metrics[0]["steps_trained"] == 12
    again = run(tmp_path, recipe=longer, replicas=REPLICAS[:1])
    assert_bits(again[0].params, whole[0].params)
    assert again[1:] == whole[1:]
    with pytest.raises(ValueError, match=r"16 steps, more than num_steps=12. Ask for"):
        run(tmp_path, recipe=recipe, replicas=REPLICAS[:1])


def test_one_that_stopped_early_is_done_with_more_steps_too(tmp_path):
    recipe = dataclasses.replace(RECIPE, stop_loss=1e9)
    short = run(tmp_path, recipe=recipe, replicas=REPLICAS[:1])
    assert short[0].metrics[0]["steps_trained"] == 2
    longer = dataclasses.replace(recipe, num_steps=16)
    assert run(tmp_path, recipe=longer, replicas=REPLICAS[:1])[1:] == short[1:]


def test_another_training_is_refused_by_name(tmp_path):
    one = REPLICAS[:1]
    run(tmp_path, replicas=one)
    for options, text in (
        ({"replicas": REPLICAS[1:2]}, r"seeds is \[0\] there, but \[1\] here"),
        ({"recipe": dataclasses.replace(RECIPE, batch_size=4)},
         "batch_size is 8 there, but 4 here"),
        ({"recipe": dataclasses.replace(RECIPE, optimizer=optax.sgd)}, "optimizer is"),
        ({"replicas": [(Adding(5, num_held_out=64), 0, 0.3)]}, "tasks is"),
        ({"sharing": Untied(6)}, "model is .* Name another folder"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=text):
            run(tmp_path, **{"replicas": one, **options})


def test_the_one_before_is_taken_where_the_newest_is_damaged(tmp_path):
    options = {
        "replicas": REPLICAS[:1],
        "recipe": dataclasses.replace(RECIPE, patience=None),
    }
    whole = run(**options)
    with pytest.raises(EndedError):
        run(tmp_path, 3, **options)
    newest = Checkpoints(tmp_path).newest()
    (newest.path / "facts.json").write_text("{}")
    with pytest.warns(RuntimeWarning, match="facts.json is not as SHA256SUMS says"):
        again = run(tmp_path, **options)
    assert_bits(again[0].params, whole[0].params)
    assert again[1:] == whole[1:]


def test_a_signal_ends_it_after_a_checkpoint(tmp_path, monkeypatch):
    whole = run(replicas=REPLICAS[:1])
    with monkeypatch.context() as patch:
        patch.setattr(interrupts, "_requested", 15)
        with pytest.raises(interrupts.Interrupted) as ended:
            run(tmp_path, replicas=REPLICAS[:1], checkpoint_every=1e9)
    assert ended.value.exit_code == 143
    assert Checkpoints(tmp_path).newest().step == 2
    assert run(tmp_path, replicas=REPLICAS[:1])[1:] == whole[1:]


def test_those_with_names_go_on_whichever_others_there_are(tmp_path):
    options = {
        "recipe": dataclasses.replace(RECIPE, patience=None),
        "mesh": mesh(1),
    }
    whole = run(replicas=REPLICAS[1:3], **options)
    with pytest.raises(EndedError):  # the first is done, the second has 4 steps
        run(tmp_path, 8, REPLICAS[:3], names=["a", "b", "c"], **options)
    assert Checkpoints(tmp_path).newest().facts["begun"] == ["b"]
    others = [REPLICAS[2], REPLICAS[1]]
    again = run(tmp_path, replicas=others, names=["c", "b"], **options)
    assert_bits(again[0].params, whole[0].params[::-1])
    assert again[0].metrics == whole[0].metrics[::-1]
    told = [(step, *rows) for step, rows in again[1]]
    assert told == [(step, 1) for step in (6, 8, 10, 12)] + [
        (step, 0) for step in range(2, 14, 2)
    ]
    # None of those that are asked for: they begin, whatever is there.
    new = run(tmp_path, replicas=REPLICAS[:1], names=["a"], **options)
    assert len(new[1]) == 6
    with pytest.raises(ValueError, match=r"1 different names of 2 replicas. Give each"):
        run(tmp_path, replicas=others, names=["a", "a"], **options)
