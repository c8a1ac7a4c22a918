"""What is met first: a layer's cost and its text."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import (
    RNN,
    Cyclic,
    ElmanCell,
    Hypernetwork,
    LowRank,
    LSTMCell,
    Segments,
    SequenceModel,
    StateMixtureCell,
    Tied,
    Untied,
)
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.models.encoder_decoder import EncoderDecoder
from tests.library.law_cases import assert_close
from tests.library.models.rnn_cases import D, H, make

COMPILED = "/jax/core/compile/backend_compile_duration"


# The cost.


@pytest.fixture
def compiled():
    """Counts the programs that are compiled."""
    programs = []
    listen = lambda event, *_, **__: programs.append(event)  # noqa: E731
    jax.monitoring.register_event_duration_secs_listener(listen)
    yield lambda: programs.count(COMPILED)
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize(
    ("sharing", "cell"),
    [
        (Tied(), LSTMCell),
        (Untied(3), nnx.SimpleCell),
        (LowRank(3, base=Segments(3, 2)), ElmanCell),
        (Hypernetwork(2), ElmanCell.irnn),
    ],
    ids=str,
)
def test_a_new_layer_compiles_one_program_and_an_equal_one_none(
    compiled, sharing, cell
):
    """And not the dozens of small ones that drawing op by op would."""
    jax.block_until_ready(nnx.Rngs(0).params())  # as any module of Flax does
    width = functools.partial(cell, 5, 6)
    before = compiled()
    RNN(width, sharing, rngs=nnx.Rngs(0))
    assert compiled() - before == 1
    equal = functools.partial(cell, 5, 6)
    RNN(equal, sharing, rngs=nnx.Rngs(1))
    assert compiled() - before == 1


@dataclasses.dataclass
class Constant:
    """An initialiser that may change, and so does not hash."""

    value: float

    def __call__(self, key, shape, dtype, **_):
        return jnp.full(shape, self.value, dtype)


@pytest.mark.parametrize("kind", ["function", "partial"])
def test_what_may_change_is_read_anew(kind):
    """Of a lambda nobody knows what it reads, so its program is not kept."""
    init = Constant(1.0)
    options = {"kernel_init": init, "recurrent_init": init}
    make_cell = functools.partial(ElmanCell, D, H, **options)
    if kind == "function":
        make_cell = lambda rngs: ElmanCell(D, H, **options, rngs=rngs)  # noqa: E731
    for init.value in (1.0, 2.0):
        stored = RNN(make_cell, rngs=nnx.Rngs(0)).stored
        kernel = np.asarray(stored["recurrent"]["kernel"])
        np.testing.assert_array_equal(kernel, np.full((H, H), init.value))


def test_the_program_draws_what_single_operations_draw():
    def init_cell(key):
        return pure_params(ElmanCell(D, H, rngs=nnx.Rngs(key)))

    sharing = LowRank(3, base=Untied(3))
    expected = sharing.init(nnx.Rngs(7).params(), init_cell)
    assert_close(make(sharing, seed=7).stored, expected, 1e-6)


def test_a_layer_is_made_under_jit_vmap_and_eval_shape():
    def stored(key):
        return make(Untied(3), seed=key).stored

    keys = jax.random.split(jax.random.key(0))
    outside = stored(keys[1])
    assert_close(jax.jit(stored)(keys[1]), outside, 1e-6)
    many = jax.vmap(stored)(keys)
    assert_close(jax.tree.map(lambda w: w[1], many), outside, 1e-6)
    shapes = jax.eval_shape(stored, keys[1])
    chex.assert_trees_all_equal_shapes_and_dtypes(shapes, outside)


# The text.


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (
            lambda rngs: RNN(
                functools.partial(LSTMCell, 12, 64), Untied(28), rngs=rngs
            ),
            "RNN(LSTMCell(12, 64), Untied(num_steps=28), 551,936 parameters)",
        ),
        (
            lambda rngs: RNN(
                functools.partial(nnx.GRUCell, D, H), rngs=rngs, remat=True, unroll=2
            ),
            "RNN(GRUCell(3, 4), Tied(), remat=True, unroll=2, 96 parameters)",
        ),
        (
            lambda rngs: SequenceModel(
                ElmanCell, D, H, 2, [Tied(), Cyclic(2)], rngs=rngs, dropout=0.5
            ),
            "SequenceModel(RNN(ElmanCell(3, 4), Tied(), 32 parameters), "
            "RNN(ElmanCell(4, 4), Cyclic(period=2), 72 parameters), "
            "Readout(4, 2, Tied(), 10 parameters), readout='last', dropout=0.5, "
            "114 parameters)",
        ),
        (
            lambda rngs: SequenceModel(
                ElmanCell, D, H, 2, rngs=rngs, num_tokens=7, readout="every"
            ),
            "SequenceModel(Embed(7, 3), RNN(ElmanCell(3, 4), Tied(), 32 parameters), "
            "Readout(4, 2, Tied(), 10 parameters), readout='every', 63 parameters)",
        ),
        (
            lambda rngs: EncoderDecoder(ElmanCell, 7, 2, D, H, rngs=rngs),
            "EncoderDecoder(encoder=RNN(ElmanCell(3, 4), Tied(), 32 parameters), "
            "decoder=RNN(ElmanCell(3, 4), Tied(), 32 parameters), 7 source tokens, "
            "2 target tokens, 104 parameters)",
        ),
    ],
)
def test_a_layer_is_one_line(module, text, capsys):
    module = nnx.eval_shape(lambda: module(nnx.Rngs(0)))
    assert repr(module) == str(module) == text
    print(module)
    nnx.display(module)
    assert capsys.readouterr().out == f"{text}\n{text}\n"
    assert repr(Blueprint.of(lambda rngs: module)) == f"Blueprint({text})"


def test_a_line_stands_in_the_text_of_flax_and_of_notebooks():
    treescope = pytest.importorskip("treescope")
    rnn = make(Tied())
    line = "RNN(ElmanCell(3, 4), Tied(), 32 parameters)"
    assert f"forward_rnn={line}" in repr(nnx.Bidirectional(rnn, make(Tied())))
    assert treescope.render_to_text(rnn) == line
    assert treescope.render_to_text(rnn.cell) == "Blueprint(ElmanCell(3, 4))"
    mixture = nnx.eval_shape(lambda: StateMixtureCell(D, H, rngs=nnx.Rngs(0)))
    assert "template=Blueprint(LSTMCell(3, 4))" in repr(mixture)


def test_flax_tabulates_a_layer():
    table = nnx.tabulate(make(Untied(5)), jnp.ones((2, 5, D)))
    assert "RNN" in table
    assert "160" in table
