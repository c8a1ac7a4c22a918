"""Compositions and random strings by their definitions, and what lines they have."""

import itertools

import jax
import numpy as np
import pytest

from rnnshare.tasks.composition import Composition, RandomString

draw = jax.jit(lambda task, key: task.sample(key, 200))
held = jax.jit(lambda task, split: task.held_out(split), static_argnums=1)


@pytest.mark.parametrize("same", [False, True])
def test_a_composition_by_its_definition(same):
    task = Composition.of(5, 3, 4, split=2, same=same, num_held_out=200)
    assert (task.num_steps, task.in_features, task.out_features) == (5, 3, 4)
    assert (np.sort(task.moves, axis=-1) == np.arange(4)).all()  # permutations
    assert (task.moves == task.moves[:1]).all() == same
    batch = jax.device_get(draw(task, jax.random.key(0)))
    assert (batch.inputs.sum(-1) == 1).all()
    for symbols, targets in zip(batch.inputs.argmax(-1), batch.targets, strict=True):
        state = 0
        for t, symbol in enumerate(symbols):
            state = task.moves[t, symbol, state]
            assert targets[t] == state


def test_splits_are_other_tasks_of_one_program_and_sizes_end_the_training_set():
    one, other = Composition.of(3, 4, 3, 0), Composition.of(3, 4, 3, 1)
    assert not np.array_equal(one.moves, other.moves)
    np.testing.assert_array_equal(one.moves, Composition.of(3, 4, 3, 0).moves)
    small = Composition.of(3, 4, 3, 0, num_examples=5)
    tied = Composition.of(3, 4, 3, 0, same=True)
    before = draw._cache_size()
    counts = [
        len({row.tobytes() for row in np.asarray(draw(task, jax.random.key(1)).inputs)})
        for task in (one, other, small, tied)
    ]
    assert draw._cache_size() == before + 1
    assert counts[2] <= 5 < 30 < min(counts[0], counts[1], counts[3])
    names = [task.name for task in (one, other, small, tied)]
    assert names == [
        "composition_3_4_3",
        "composition_3_4_3",
        "composition_3_4_3_n5",
        "composition_3_4_3_same",
    ]


def test_the_lines_of_a_composition_are_those_of_all_sequences():
    task = Composition.of(4, 2, 3, split=5)
    every = np.array(list(itertools.product(range(2), repeat=4)))
    states = np.zeros((16, 4), int)
    for row, symbols in enumerate(every):
        state = 0
        for t, symbol in enumerate(symbols):
            states[row, t] = state = task.moves[t, symbol, state]
    chance, of_input = [], []
    for t in range(4):
        chance.append(np.bincount(states[:, t]).max() / 16)
        of_input.append(
            sum(np.bincount(states[every[:, t] == x, t]).max() for x in range(2)) / 16
        )
    lines = task.baselines
    assert lines["chance"]["accuracy"] == pytest.approx(np.mean(chance))
    assert lines["no memory"]["accuracy"] == pytest.approx(np.mean(of_input))
    batch = jax.device_get(held(task, "test"))
    right = jax.nn.one_hot(batch.targets, 3)
    assert task.metrics(right, batch)["accuracy"] == lines["oracle"]["accuracy"] == 1


def test_a_random_string_is_asked_for_up_to_its_length():
    task, longer = RandomString.of(12, 5, split=3), RandomString.of(12, 9, split=3)
    np.testing.assert_array_equal(task.bits, longer.bits)
    assert not np.array_equal(task.bits, RandomString.of(12, 5, split=4).bits)
    assert (task.name, longer.name) == (
        "random_string_5_of_12", "random_string_9_of_12",
    )  # fmt: skip
    batch = jax.device_get(draw(task, jax.random.key(0)))
    assert batch.inputs.shape == (200, 12, 1) and (batch.inputs == 1).all()
    assert (batch.targets == task.bits).all()
    assert (batch.mask == (np.arange(12) < 5)).all()
    before = draw._cache_size()
    draw(longer, jax.random.key(0))
    assert draw._cache_size() == before
    # What is not asked for may be wrong.
    answers = np.where(np.arange(12) < 5, task.bits, 1 - task.bits)
    alone = jax.device_get(held(task, "test"))
    outputs = jax.nn.one_hot(answers, 2)[None]
    assert task.metrics(outputs, alone)["accuracy"] == 1
    beyond = longer.metrics(outputs, jax.device_get(held(longer, "test")))
    assert float(beyond["accuracy"]) == pytest.approx(5 / 9)
    strings = np.array([RandomString.of(12, 5, s).bits for s in range(2_000)])
    guess = np.mean(strings[:-1] == strings[1:])
    assert guess == pytest.approx(task.baselines["chance"]["accuracy"], abs=0.02)


def test_what_no_task_can_be_is_refused():
    with pytest.raises(ValueError, match=r"num_steps is 0\. Use at least 1"):
        Composition.of(0, 2, 2)
    with pytest.raises(ValueError, match=r"num_states is 1\. Use at least 2"):
        Composition.of(4, 2, 1)
    with pytest.raises(ValueError, match=r"num_examples is 0\. Use at least 1"):
        Composition.of(4, 2, 2, num_examples=0)
    with pytest.raises(ValueError, match=r"length is 9\. Use 1 to num_steps=8"):
        RandomString.of(8, 9)
    with pytest.raises(ValueError, match="split is 'dev'"):
        RandomString.of(8, 4).held_out("dev")
