"""Truncated back-propagation is a mode of the one loop: its laws, through that loop."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnshare import Cyclic, LSTMCell, SequenceModel, Tied, Untied
from rnnshare.cells.blueprint import Blueprint
from rnnshare.tasks import Adding, Batch, CopyMemory, LagRecall
from rnnshare.tasks.held import hold
from rnnshare.training.loop import Loop, Recipe, Replica
from rnnshare.training.setting import Setting
from rnnshare.training.truncation import Truncation
from tests.cases import with_slow
from tests.library.law_cases import SHARINGS, T, assert_close

TASK = CopyMemory(2, 2, 3, num_held_out=4)  # T = 6 steps
RECIPE = Recipe(num_steps=2, batch_size=3, validate_every=1, optimizer=optax.sgd)
REPLICA = Replica(TASK, jnp.uint32(0), jnp.float32(0.5))


def loop_of(sharing=Tied(), truncation=None, task=TASK, **recipe):
    made = dataclasses.replace(RECIPE, truncation=truncation, **recipe)
    setting = Setting(lambda split: task, LSTMCell, sharing, 4, 0.5, made)
    return Loop(setting.make_model(), made)


def freeze(rate):
    """An optimiser that does not move: the weights rest over all windows."""
    del rate
    return optax.set_to_zero()


@pytest.mark.parametrize(
    "name",
    with_slow(SHARINGS, {"LowRank"}),
)
def test_the_loop_is_the_whole_sequence_at_its_limits(name):
    """With k = T a step is that of full back-propagation; at rest the losses agree."""
    assert TASK.num_steps == T
    sharing = SHARINGS[name]
    full, whole = loop_of(sharing), loop_of(sharing, Truncation(T))
    resting = loop_of(sharing, Truncation(2), optimizer=freeze)

    @jax.jit
    def run(replica):
        state = full.init(replica)
        state = state._replace(  # generic: some start at zeros that hide a mistake
            params=jax.tree.map(lambda w: w + 0.1 * jnp.cos(w + 1), state.params)
        )
        return [
            (state.params, loss)
            for state, loss in (x.step(replica, state) for x in (full, whole, resting))
        ]

    (params, loss), (same, at_once), (_, joined) = run(REPLICA)
    assert_close((same, at_once), (params, loss))
    assert_close(joined, loss)


class Padded(CopyMemory):
    """Sequences of several lengths, of which some steps are scored."""

    def sample(self, key, batch_size):
        batch = super().sample(key, batch_size)
        lengths = jnp.arange(batch_size, dtype=jnp.int32) % (T + 1)
        real = jnp.arange(T)[None] < lengths[:, None]
        scored = real & (jnp.arange(T)[None] != 2)
        return batch._replace(lengths=lengths, mask=scored)


def by_hand(sharing, truncation, task):
    """One batch, window by window: optax on gradients of sliced inputs."""
    loop = loop_of(sharing, task=task)
    replica = REPLICA._replace(task=task)
    state = loop.init(replica)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 1), 0)
    batch = task.sample(key, RECIPE.batch_size)
    blueprint = Blueprint.of(loop.make_model)
    params, carry, losses = state.params, None, []
    optimizer = RECIPE.make_optimizer(0.5)
    memory = optimizer.init(params)
    for start in range(0, T, truncation.window):
        part = slice(start, start + truncation.window)
        mask = None if batch.mask is None else batch.mask[:, part]
        left = None
        if batch.lengths is not None:
            left = jnp.clip(batch.lengths - start, 0, truncation.window)
        window = Batch(batch.inputs[:, part], batch.targets[:, part], left, mask)

        def loss_of(params, carry=carry, start=start, window=window):
            model: SequenceModel = blueprint.bind(params)
            outputs, final = model(
                window.inputs,
                seq_lengths=window.lengths,
                initial_carry=carry,
                start=start,
                return_carry=True,
            )
            return task.loss(outputs, window), final

        (loss, final), gradient = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, memory = optimizer.update(gradient, memory, params)
        params = optax.apply_updates(params, updates)
        carry = None if truncation.carry == "reset" else final
        losses.append(loss)
    return params, jnp.mean(jnp.stack(losses))


WINDOWS = [
    (Tied(), "hand_on", TASK),
    (Tied(), "reset", TASK),
    (Untied(T), "hand_on", Padded(2, 2, 3, num_held_out=4)),
    (Cyclic(2), "reset", Padded(2, 2, 3, num_held_out=4)),
]


@pytest.mark.parametrize(
    ("sharing", "carry", "task"),
    with_slow(WINDOWS, WINDOWS[1:3]),
)
def test_windows_are_those_by_hand(sharing, carry, task):
    truncation = Truncation(2, carry)
    loop = loop_of(sharing, truncation, task)
    state = jax.jit(loop.init)(REPLICA)
    state, loss = jax.jit(lambda state: loop.step(REPLICA._replace(task=task), state))(
        state
    )
    expected = jax.jit(lambda: by_hand(sharing, truncation, task))()
    assert_close((state.params, loss), expected)


def test_cut_keeps_every_step_in_its_place():
    lengths = np.array([0, 3, 6], np.int32)
    steps = np.arange(3 * T).reshape(3, T)
    batch = Batch(np.stack([steps, -steps], -1), steps, lengths, steps % 2 == 0)
    windows = Truncation(2).cut(batch)
    assert list(windows.start) == [0, 2, 4]
    for i, start in enumerate(windows.start.tolist()):
        part = jax.tree.map(lambda leaf, i=i: leaf[i], windows.batch)
        for name in ("inputs", "targets", "mask"):
            expected = getattr(batch, name)[:, start : start + 2]
            np.testing.assert_array_equal(getattr(part, name), expected)
        np.testing.assert_array_equal(part.lengths, np.clip(lengths - start, 0, 2))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Truncation(0), "window is 0. Use an integer of at least 1"),
        (lambda: Truncation(2.5), "window is 2.5. Use an integer of at least 1"),
        (lambda: Truncation(2, "keep"), "carry is 'keep'. Use 'hand_on' or 'reset'"),
        (
            lambda: run_once(Truncation(4)),
            "windows of 4 steps, but those of CopyMemory have 6. Use a window that",
        ),
        (
            lambda: run_once(Truncation(2), Adding(6)),
            "Adding is answered at the last step only. Use a task with readout='every",
        ),
        (
            lambda: run_once(Truncation(5), LagRecall(8, 2)),
            "windows of 5 steps, but those of LagRecall have 8",
        ),
    ],
)
def test_bad_truncations_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def run_once(truncation, task=TASK):
    """As `fit` runs it, with the task held and traced."""
    loop = loop_of(Tied(), truncation, task)
    replica = REPLICA._replace(task=hold(task))
    jax.eval_shape(lambda replica: loop.step(replica, loop.init(replica)), replica)


def test_a_recipe_takes_no_number_for_a_truncation():
    with pytest.raises(TypeError, match=r"truncation is 32. Use a Truncation, such as"):
        dataclasses.replace(RECIPE, truncation=32)


def test_a_model_without_a_carry_is_refused():
    loop = Loop(_NoCarry, dataclasses.replace(RECIPE, truncation=Truncation(2)))
    with pytest.raises(ValueError, match="_NoCarry has no initialize_carry"):
        loop.step(REPLICA, loop.init(REPLICA))


class _NoCarry(SequenceModel):
    """Called as a model, but for its carry."""

    initialize_carry = property()  # type: ignore[assignment]

    def __init__(self, *, rngs):
        super().__init__(LSTMCell, 5, 4, 4, rngs=rngs, readout="every")


def test_windows_are_traced_once():
    @chex.assert_max_traces(n=2)  # init, and one step
    def sgd(rate):
        return optax.sgd(rate)

    loop = loop_of(truncation=Truncation(2), optimizer=sgd)
    step = jax.jit(loop.step)
    state = jax.jit(loop.init)(REPLICA)
    for _ in range(3):
        state, _ = step(REPLICA, state)
    assert int(state.step) == 3
