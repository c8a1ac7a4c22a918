"""`Call`: a partial that compares."""

import copy
import dataclasses
import functools
import pickle

import optax
import pytest
from flax import nnx

import rnnshare
from rnnshare.training import Call, JsonLines, run
from tests.library.training.identity_cases import SEEDS, with_optimizer


def test_a_call_is_a_partial_that_compares():
    def told(*args, **kwargs):
        return args, kwargs

    call = Call(told, 1, b=2)
    assert call(3, c=4) == ((1, 3), {"b": 2, "c": 4})
    assert call(b=5) == ((1,), {"b": 5})
    assert Call(call, 6, c=7)(8) == ((1, 6, 8), {"b": 2, "c": 7})
    assert call == Call(told, 1, b=2) != Call(told, 1, b=3)
    assert hash(call) == hash(Call(told, 1, b=2))
    assert Call(told, a=1, b=2) == Call(told, b=2, a=1)
    assert call != functools.partial(told, 1, b=2)
    assert Call(told, function=3)() == ((), {"function": 3})


def test_a_call_prints_public_names_and_survives_a_copy():
    call = Call(optax.adamw, weight_decay=0.1)
    assert repr(call) == "Call(optax.adamw, weight_decay=0.1)"
    cell = Call(rnnshare.ElmanCell, activation=nnx.tanh)
    assert repr(cell) == "Call(rnnshare.ElmanCell, activation=jax.numpy.tanh)"
    assert copy.deepcopy(call) == pickle.loads(pickle.dumps(call)) == call
    with pytest.raises(AttributeError, match=r"does not change\. Make another Call"):
        call.func = optax.sgd


def test_what_a_call_cannot_compare_is_refused():
    text = (
        r"Call: sizes is \[1\], which does not hash\. Give a tuple in place of a list"
    )
    with pytest.raises(TypeError, match=text):
        Call(optax.sgd, sizes=[1])
    with pytest.raises(
        TypeError, match=r"Call: argument 0 is \{\}, which does not hash"
    ):
        Call(optax.sgd, {})
    with pytest.raises(TypeError, match="Call: 3 is no function"):
        Call(3)


@pytest.mark.slow  # in test_recognised_rows too
def test_cells_and_optimizers_may_be_calls(tmp_path):
    cell = Call(rnnshare.ElmanCell, activation=nnx.relu)
    made = dataclasses.replace(with_optimizer(Call(optax.sgd, momentum=0.5)), cell=cell)
    equal = dataclasses.replace(
        made, cell=Call(rnnshare.ElmanCell, activation=nnx.relu)
    )
    assert made.make_model() == equal.make_model()
    rows = run([made, equal], SEEDS, JsonLines(tmp_path / "rows.jsonl"))
    assert rows[0] == rows[1]
    assert rows[0]["optimizer"] == "sgd(momentum=0.5)"
    assert rows[0]["cell"].startswith("ElmanCell(activation=")
