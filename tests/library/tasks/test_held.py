"""A task that holds what it draws is the task, whichever task it is."""

import copy
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare import ElmanCell, Tied, tasks
from rnnshare.tasks import Composition, DriftStream, GeneratedTask, SignalPatch, Task
from rnnshare.tasks import held as module
from rnnshare.tasks.base import SPLITS, as_pytree
from rnnshare.tasks.held import hold, is_to_be_held, rows_to_hold
from rnnshare.training import Recipe, Setting, fit
from tests.cases import with_slow
from tests.library.law_cases import assert_close
from tests.library.training.identity_cases import BASES
from tests.library.training.loop_cases import assert_same_run

EVERY = {
    kind.__name__: task
    for kind, (task, _) in BASES.items()
    if isinstance(task, Task) and not task.in_memory
}
OF_A_KIND = {"DriftStream", "Parity"}
KEY = jax.random.key(3)
ARRAYS = (
    "num_examples",
    "seed",
    "step_weights",
    "constant",
    "amount",
    "oracle",
    "noise",
)


# JAX may take pytrees of two classes with equal fields for the same, as two languages
# are: each task is jitted by itself, as the training loop does.
def held(task, num_rows):
    return jax.jit(functools.partial(hold, num_rows=num_rows))(task)


def batches(task):
    """Batches of a few keys, at two places of the training, and all sets."""

    @jax.jit
    def drawn(task):
        keys, places = jax.random.split(KEY, 3), (0.1, 1)
        some = [task.sample_at(k, 4, jnp.float32(p)) for k in keys for p in places]
        return some, task.sample(KEY, 5), [task.held_out(split) for split in SPLITS]

    return drawn(task)


@pytest.mark.parametrize("name", with_slow(EVERY, OF_A_KIND))
def test_its_batches_are_those_of_the_task(name):
    task = EVERY[name]
    one = held(task, rows_to_hold([task]))
    assert_close(batches(one), batches(task))
    assert (one.name, one.num_steps, one.readout) == (
        *(task.name, task.num_steps),
        task.readout,
    )


def test_what_reads_its_sets_from_memory_is_known():
    kinds = {kind for kind, (task, _) in BASES.items() if isinstance(task, Task)}
    assert {kind.__name__ for kind in kinds if kind.in_memory} == {
        *("ArrayRegression", "ArrayTask", "DriftTask", "Forecast", "NextCharacter"),
        *("StepClassification", "Translation"),
    }


def test_sets_that_are_too_large_are_not_held():
    small, large = (tasks.Adding(2_000, num_held_out=n) for n in (1_000, 20_000))
    assert is_to_be_held(small) and not is_to_be_held(large)
    assert not is_to_be_held(tasks.japanese_vowels())


def test_training_examples_are_drawn_as_far_as_there_are_any():
    task = SignalPatch(300, 1, num_steps=3, num_features=2)
    rows = rows_to_hold([task])
    assert rows == module.MOST_ROWS
    examples = jax.device_get(held(task, rows).examples)
    expected = jax.jit(lambda: task.training_examples(jnp.arange(512)))()
    assert_close(jax.tree.map(lambda leaf: leaf[:512], examples), expected)
    assert not any(leaf[512:].any() for leaf in jax.tree.leaves(examples))


def test_tasks_of_any_size_that_is_held_share_one_compilation():
    small = [SignalPatch(n, s, num_steps=3) for n, s in ((5, 0), (2_000, 1))]
    assert {rows_to_hold([task]) for task in small} == {module.MOST_ROWS}
    assert rows_to_hold([*small, SignalPatch(2**14 + 1, 0, num_steps=3)]) is None
    long = SignalPatch(5, 0, num_steps=4_096, num_features=5)
    rows = rows_to_hold([long])  # as many as fit, a power of two
    assert rows is not None and rows * 4_096 * 5 * 4 <= module.MOST_BYTES < 2**28
    assert rows & (rows - 1) == 0
    assert rows_to_hold([SignalPatch(5, 0, num_steps=2**17, num_features=5)]) is None


@as_pytree("num_examples", "seed")
@dataclasses.dataclass(frozen=True, eq=False)
class OwnDraws(SignalPatch):
    """A generated task that draws its batches in a way of its own."""

    def sample(self, key, batch_size):
        return self.training_examples(jnp.zeros(batch_size, jnp.int32))


def test_what_draws_in_another_way_or_without_end_is_not_held():
    assert rows_to_hold([tasks.Adding(4)]) is None
    assert rows_to_hold([Composition.of(3, 2, 2)]) is None  # endless
    assert rows_to_hold([tasks.drift_stream(0, num_steps=8)]) is None
    assert issubclass(OwnDraws, GeneratedTask)
    own = OwnDraws(5, 0, num_steps=3, num_features=2)
    assert rows_to_hold([own]) is None
    assert_close(batches(hold(own)), batches(own))


def test_it_is_copied_and_names_what_it_lacks():
    one = hold(tasks.Adding(4, num_held_out=3))
    again = copy.deepcopy(one)
    np.testing.assert_array_equal(
        again.held_out("test").inputs, one.held_out("test").inputs
    )
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = one.no_such_thing
    with pytest.raises(ValueError, match="split is 'tests'"):
        one.held_out("tests")


@as_pytree(*ARRAYS)
@dataclasses.dataclass(frozen=True, eq=False)
class Drawing(DriftStream):
    """The same task, whose sets are drawn inside of the programs."""

    in_memory = True


@pytest.mark.slow
def test_a_training_is_that_of_the_task_that_draws():
    """But for rounding; two sizes side by side, and more replicas than devices."""
    made = [
        tasks.drift_stream(split, num_steps=6, num_lags=2, num_examples=count)
        for split, count in ((0, 20), (1, 300), (2, 20))
    ]
    fields = [field.name for field in dataclasses.fields(made[0])]
    drawing = [Drawing(*[getattr(task, f) for f in fields]) for task in made]
    recipe = Recipe(num_steps=6, batch_size=4, validate_every=2, patience=None)
    setting = Setting(lambda split: made[0], ElmanCell, Tied(), 3, recipe=recipe)
    found = [
        fit(setting.make_model(), recipe, [(task, 0, 1e-2) for task in each])
        for each in (made, drawing)
    ]
    assert_same_run(found[0].metrics, found[1].metrics)
    assert_same_run(found[0].params, found[1].params)
    assert len({row["test_loss"] for row in found[0].metrics}) == 3
