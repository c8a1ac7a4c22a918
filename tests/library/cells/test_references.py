"""L9: NumPy float64 references, nnx.RNN, and Flax's own stacked-axis spelling."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import RNN, GRUCell, LSTMCell, SequenceModel, Tied, Untied, expand
from rnnshare.cells.blueprint import pure_params
from tests.cases import with_slow
from tests.library.law_cases import CELLS, B, D, H, T, assert_close, case, generic

LENGTHS = np.array([6, 1, 4])
OWN_CELLS = [name for name in CELLS if not name.startswith("nnx")]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def positive(v):
    return np.where(v >= 0, v + 0.5, sigmoid(v))


def reference(cell, weights, inputs, carry):
    """One cell over time, from the equations of its docstring."""
    w, b = weights["input"]["kernel"], weights["input"]["bias"]
    recurrent = weights.get("recurrent", {})
    u, c = recurrent.get("kernel"), recurrent.get("bias", 0)
    outputs = []
    for x in inputs:
        if cell in ("Elman", "IRNN"):
            a = x @ w + b + carry @ u
            carry = h = np.tanh(a) if cell == "Elman" else np.maximum(a, 0)
        elif cell == "GRU":
            a_r, a_z, a_n = np.split(x @ w + b, 3, -1)
            u_r, u_z, u_n = np.split(carry @ u + c, 3, -1)
            r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
            carry = h = (1 - z) * np.tanh(a_n + r * u_n) + z * carry
        elif cell == "MinGRU":
            z, n = np.split(x @ w + b, 2, -1)
            z = sigmoid(z)
            carry = h = (1 - z) * carry + z * positive(n)
        elif cell == "MinLSTM":
            i, f, n = np.split(x @ w + b, 3, -1)
            i, f = sigmoid(i), sigmoid(f)
            carry = h = (f * carry + i * positive(n)) / (f + i)
        elif cell == "LRU":
            real, imaginary, skip = np.split(x @ w + b, 3, -1)
            eigenvalue = np.exp(-np.exp(weights["nu"]) + 1j * np.exp(weights["theta"]))
            driven = np.exp(weights["gamma"]) * (real + 1j * imaginary)
            state = eigenvalue * (carry[0] + 1j * carry[1]) + driven
            carry = (state.real, state.imag)
            c_real, c_imaginary = np.split(weights["output"]["kernel"], 2)
            h = np.real(state @ (c_real - 1j * c_imaginary)) + skip
        elif cell != "LSTM":
            raise KeyError(f"Write the equations of {cell} here.")
        else:
            memory, h = carry
            i, f, g, o = np.split(x @ w + b + h @ u, 4, -1)
            memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(memory)
            carry = (memory, h)
        outputs.append(h)
    return carry, np.stack(outputs)


@pytest.mark.parametrize("cell", OWN_CELLS)
def test_own_cells_in_float64(cell):
    c = case("Tied", cell)
    wide = jax.tree.map(lambda x: np.asarray(x, np.float64), c.arguments)
    with jax.enable_x64(True):
        found = c.run(*jax.tree.map(jnp.asarray, wide))
        assert_close(found, reference(cell, *wide), 1e-12)


def twins(cell, sharing=None, **options):
    """Returns an RNN of ours and a cell of the same weights for Flax."""
    make = functools.partial(CELLS[cell], D, H)
    rnn = RNN(make, Tied() if sharing is None else sharing, rngs=nnx.Rngs(0), **options)
    twin = make(rngs=nnx.Rngs(1))
    if sharing is None:
        structure = jax.tree.structure(nnx.state(twin, nnx.Param))
        leaves = jax.tree.leaves(rnn.stored)
        nnx.update(twin, jax.tree.unflatten(structure, leaves))
    return rnn, twin


WAYS = [(cell, "forward") for cell in CELLS]
WAYS += [(cell, way) for cell in ("LSTM", "nnx.GRU") for way in ("back", "in order")]
OPTIONS = {
    "forward": {},
    "back": {"reverse": True, "keep_order": False},
    "in order": {"reverse": True, "keep_order": True},
}
# Each cell in turn whole and with lengths, and back each way once.
RUNS = [(*way, whole) for way in WAYS for whole in (True, False)]
OF_A_KIND = [(*way, i % 2 == 1) for i, way in enumerate(WAYS[: len(CELLS)])]
OF_A_KIND += [("LSTM", "back", False), ("nnx.GRU", "in order", False)]


@pytest.mark.parametrize(("cell", "way", "whole"), with_slow(RUNS, OF_A_KIND))
def test_tied_is_flax_rnn(cell, way, whole):
    options, lengths = OPTIONS[way], None if whole else LENGTHS
    rnn, twin = twins(cell)
    assert jax.tree.structure(rnn.stored) == jax.tree.structure(pure_params(twin))
    inputs = jnp.asarray(generic((B, T, D), 0))
    told = None if lengths is None else jnp.asarray(lengths)
    theirs = nnx.RNN(twin)(inputs, seq_lengths=told, return_carry=True, **options)
    ours = rnn(inputs, seq_lengths=lengths, return_carry=True, **options)
    count = np.full(B, T) if lengths is None else lengths
    is_real = (np.arange(T) < count[:, None])[..., None]
    assert_close(ours[0], theirs[0])
    assert_close(ours[1], np.where(is_real, theirs[1], 0))
    major = rnn(jnp.swapaxes(inputs, 0, 1), seq_lengths=lengths, time_major=True,
                **options)  # fmt: skip
    assert_close(jnp.swapaxes(major, 0, 1), ours[1])


def test_bidirectional_takes_two():
    forward, forward_twin = twins("GRU")
    backward, backward_twin = twins("LSTM")
    inputs = jnp.asarray(generic((B, T, D), 0))
    ours = nnx.Bidirectional(forward, backward)(inputs)
    theirs = nnx.Bidirectional(nnx.RNN(forward_twin), nnx.RNN(backward_twin))(inputs)
    assert_close(ours, theirs)


@pytest.mark.parametrize(
    "cell", with_slow(["nnx.GRU", "nnx.OptimizedLSTM", "LSTM"], {"LSTM"})
)
def test_untied_is_flax_stacked_axis(cell):
    """nnx.vmap makes a stack of cells; nnx.scan runs it over its axis."""
    rnn, _ = twins(cell, Untied(T))

    @nnx.vmap(in_axes=0, out_axes=0)
    def stack(key):
        return CELLS[cell](D, H, rngs=nnx.Rngs(key))

    cells = stack(jax.random.split(jax.random.key(0), T))
    structure = jax.tree.structure(nnx.state(cells, nnx.Param))
    nnx.update(cells, jax.tree.unflatten(structure, jax.tree.leaves(rnn.stored)))

    @nnx.scan(in_axes=(nnx.Carry, 0, 0), out_axes=(nnx.Carry, 0))
    def run(carry, one, x):
        return one(carry, x)

    inputs = jnp.asarray(generic((B, T, D), 0))
    carry = cells.initialize_carry((B, D), nnx.Rngs(0))

    def theirs(cells):
        return run(carry, cells, jnp.swapaxes(inputs, 0, 1))[1]

    pull = generic((T, B, H), 1)
    ours = jnp.swapaxes(rnn(inputs), 0, 1)
    assert_close(ours, theirs(cells))
    g_theirs = nnx.grad(lambda m: jnp.sum(theirs(m) * pull))(cells)
    g_ours = nnx.grad(
        lambda m: jnp.sum(jnp.swapaxes(m(inputs), 0, 1) * pull),
    )(rnn)
    assert_close(jax.tree.leaves(g_ours), jax.tree.leaves(g_theirs))


@pytest.mark.parametrize("cell", with_slow(CELLS, {"GRU", "nnx.Simple", "nnx.LSTM"}))
def test_bfloat16_in_bfloat16_out(cell):
    rnn, twin = twins(cell)
    inputs = jnp.asarray(generic((B, T, D), 0))
    carry, outputs = rnn(inputs.astype(jnp.bfloat16), return_carry=True)
    wanted = jnp.float32 if cell == "nnx.Simple" else jnp.bfloat16  # it has a dtype
    assert {leaf.dtype for leaf in jax.tree.leaves((carry, outputs))} == {
        jnp.dtype(wanted)
    }
    assert {leaf.dtype for leaf in jax.tree.leaves(rnn.stored)} == {
        jnp.dtype(jnp.float32)
    }
    np.testing.assert_allclose(
        outputs.astype(jnp.float32), rnn(inputs), atol=0.08, rtol=0.08
    )
    del twin


def test_policies_read_what_they_say():
    stored = {"w": jnp.arange(5.0)}

    def read(policy, count):
        return np.asarray(expand(Untied(5, beyond=policy), stored, count)["w"]).tolist()

    assert read("hold", 7) == [0, 1, 2, 3, 4, 4, 4]
    assert read("cycle", 7) == [0, 1, 2, 3, 4, 0, 1]
    assert read("mean", 7) == pytest.approx([0, 1, 2, 3, 4, 2, 2], rel=1e-6)
    assert read("stretch", 10) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert read("stretch", 2) == [0, 2]


def test_equal_models_share_a_compilation():
    @functools.partial(jax.jit, static_argnums=0)
    @chex.assert_max_traces(n=1)
    def run(graphdef, state, x):
        return nnx.merge(graphdef, state)(x)

    for seed in range(3):
        model = SequenceModel(
            LSTMCell, D, H, 2, [Untied(T), Tied()], rngs=nnx.Rngs(seed), dropout=0.1
        )
        run(*nnx.split(model), jnp.asarray(generic((B, T, D), seed)))


def test_a_sequence_model_reads_out_at_the_last_real_step():
    def make(**options):
        return SequenceModel(GRUCell, D, H, 2, rngs=nnx.Rngs(0), **options)

    inputs = jnp.asarray(generic((B, T, D), 0))
    lengths = np.array([2, 0, 6])
    for sharing in (Tied(), Untied(T)):
        every = make(readout="every", readout_sharing=sharing)
        last = make(readout="last", readout_sharing=sharing)
        answers = every(inputs, seq_lengths=lengths)
        picked = last(inputs, seq_lengths=lengths)
        assert_close(picked[0], answers[0, 1])
        assert not np.any(picked[1])
        assert_close(picked[2], last(inputs)[2])
