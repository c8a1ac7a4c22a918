"""`Schedule`: each selecting sharing is a special case, to the bit."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.lab.choices import there_and_back
from rnnshare import Cyclic, Schedule, Segments, Tied, Untied, expand
from rnnshare.plotting import tying_matrix
from rnnshare.sharing.unseen import resolve_steps
from tests.library.law_cases import T, assert_equal, case, generic, pulled

POLICIES = ("hold", "cycle", "stretch")


def segments(num_steps, count):
    return tuple(t * count // num_steps for t in range(num_steps))


def rows(sharing, count):
    """Returns which stored row each of some steps reads: no program is compiled."""
    stored = np.arange(sharing.num_templates)
    common, index = sharing.split(stored, resolve_steps(sharing, count))
    assert common is stored
    return index


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_it_selects_as_segments_and_cycles_do(data):
    """Seen steps and unseen ones."""
    num_steps = data.draw(st.integers(1, 40))
    count = data.draw(st.integers(1, num_steps))
    policy = data.draw(st.sampled_from(POLICIES))
    longer = num_steps + data.draw(st.integers(0, 40))
    schedule = Schedule(segments(num_steps, count), beyond=policy)
    like = Segments(num_steps, count, beyond=policy)
    np.testing.assert_array_equal(rows(schedule, longer), rows(like, longer))
    cycle = Schedule(range(count), beyond="cycle")
    np.testing.assert_array_equal(rows(cycle, longer), rows(Cyclic(count), longer))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_any_schedule_reads_what_it_names(named):
    indices = np.unique(named, return_inverse=True)[1]  # numbered without a gap
    schedule = Schedule(indices)
    np.testing.assert_array_equal(rows(schedule, len(indices)), indices)
    assert schedule.num_templates == len(set(named))
    assert schedule == Schedule(indices.tolist())
    assert hash(schedule) == hash(Schedule([*map(int, indices)]))


@pytest.mark.parametrize(
    ("indices", "like"),
    [
        (segments(T, 4), Segments(T, 4, beyond="mean")),
        (range(4), Cyclic(4)),
        (range(T), Untied(T, beyond="hold")),
        ((0,) * T, Tied()),
    ],
    ids=repr,
)
def test_expand_is_that_of_the_others(indices, like):
    """Bit for bit, at T steps and at more."""
    beyond = getattr(like, "beyond", "cycle")
    schedule = Schedule(indices, beyond=beyond)
    stored = {"w": generic((schedule.num_templates, 2), 1)}
    theirs = jax.tree.map(lambda w: w[0], stored) if like == Tied() else stored
    assert_equal(expand(schedule, stored, T + 3), expand(like, theirs, T + 3))


@pytest.mark.parametrize(
    ("schedule", "like"),
    [
        (Schedule(segments(T, 4)), Segments(T, 4)),
        (Schedule((0, 1, 2, 0, 1, 2)), Cyclic(3)),
        (Schedule((0,) * T), Segments(T, 1)),
        (Schedule(range(T)), Cyclic(T)),
    ],
    ids=repr,
)
def test_it_runs_by_the_same_program(schedule, like):
    """The law of the ends, that Segments and Cyclic obey, is its own as well."""
    c, other = case(schedule, "LSTM"), case(like, "LSTM")

    def program(one):
        loss = jax.grad(lambda *args: pulled(one.run(*args)))
        traced = jax.make_jaxpr(loss)(*other.arguments)
        return str(traced), traced.consts

    assert c.shapes == other.shapes
    assert_equal(program(c), program(other))


def test_its_start_is_that_of_the_others():
    key = jax.random.key(3)

    def init_cell(key):
        return {"w": jax.random.normal(key, (2,))}

    for same_init in (False, True):
        drawn = [
            sharing.init(key, init_cell)
            for sharing in (Schedule((0, 1, 1), same_init), Cyclic(2, same_init))
        ]
        assert_equal(*drawn)


def test_its_tying_matrix():
    indices = np.array([0, 1, 2, 2, 1, 0])
    matrix = tying_matrix(Schedule(indices), 6)
    np.testing.assert_array_equal(matrix == 1.0, indices[:, None] == indices[None])


@pytest.mark.parametrize(
    "indices", [3, "012", (0, True), (0, 1.0), {0, 1}, None], ids=repr
)
def test_what_is_no_schedule(indices):
    with pytest.raises(TypeError, match="Give one integer a step, as in Schedule"):
        Schedule(indices)


def test_there_and_back():
    assert there_and_back(8, 3) == (0, 1, 2, 2, 1, 0, 0, 1)
    assert there_and_back(2, 3) == (0, 1)
