"""Compiled clocks: tied networks that equal untied ones, and any other sharing."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import (
    Cyclic,
    ElmanCell,
    GRUCell,
    LowRank,
    LSTMCell,
    Tied,
    Untied,
    num_parameters,
    unroll,
)
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.machines.clock import compile_with_clock
from rnnshare.machines.clocked import SMALL, lay_out, through_lstm, tick_of
from rnnshare.models.rnn import step_of
from tests.library.cells.test_references import reference

D, H, T, B = 2, 3, 5, 4
CELLS = {
    "Elman": ElmanCell, "IRNN": ElmanCell.irnn, "GRU": GRUCell, "LSTM": LSTMCell,
}  # fmt: skip


def maker(cell, dtype=jnp.float32, **options):
    return functools.partial(CELLS[cell], D, H, param_dtype=dtype, **options)


def generic(shapes, seed):
    """Normal draws; by NumPy, which compiles nothing."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda x: jnp.asarray(0.5 * rng.normal(size=x.shape), x.dtype), shapes
    )


def drawn(make, sharing, seed=0):
    def init_cell(key):
        return pure_params(make(rngs=nnx.Rngs(key)))

    shapes = jax.eval_shape(lambda: sharing.init(jax.random.key(0), init_cell))
    return generic(shapes, seed)


def carry_of(make, seed=1):
    """A carry of [H] leaves that are not 0."""
    cell = Blueprint.of(make).bind()
    return generic(jax.eval_shape(lambda: cell.initialize_carry((D,))), seed)


def inputs_of(steps, scale=1.0, dtype=np.float32):
    drawn = scale * np.random.default_rng(2).normal(size=(steps, B, D))
    return jnp.asarray(drawn.astype(dtype))


def batched(carry, count=B):
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *x.shape)), carry)


def run(make, sharing, stored, inputs, carry):
    step = step_of(Blueprint.of(make))
    return unroll(step, sharing, stored, inputs, batched(carry))[1]


def run_compiled(make, sharing, stored, inputs, carry, num_steps=None):
    return compile_with_clock(make, sharing, stored, num_steps, carry).run(inputs)


def as_one_program(run, *fixed, **options):
    return jax.jit(functools.partial(run, *fixed, **options))


@pytest.mark.parametrize("cell", CELLS)
def test_float64_from_any_carry_by_the_equations(cell):
    with jax.enable_x64(True):
        make = maker(cell, jnp.float64)
        sharing, carry = Untied(T), carry_of(make)
        stored = drawn(make, sharing)
        inputs = inputs_of(T, 3.0, np.float64)
        program = as_one_program(run_compiled, make, sharing)
        found = jax.device_get(program(stored, inputs, carry))
    weights = jax.device_get(stored)
    wanted, state = [], jax.tree.map(np.asarray, jax.device_get(batched(carry)))
    for t in range(T):  # untied: the reference of one cell, a step at a time
        here = jax.tree.map(lambda w, t=t: w[t], weights)
        state, output = reference(cell, here, np.asarray(inputs[t : t + 1]), state)
        wanted.append(output[0])
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.stack(wanted), rtol=0, atol=1e-14)


@pytest.mark.parametrize("cell", ["Elman", "LSTM"])
def test_the_clock_goes_round_as_a_cyclic_sharing(cell):
    make, sharing = maker(cell), Cyclic(T)
    stored, carry = drawn(make, sharing), carry_of(make)
    args = stored, inputs_of(3 * T + 1), carry
    found = as_one_program(run_compiled, make, sharing, num_steps=T)(*args)
    wanted = as_one_program(run, make, sharing)(*args)
    np.testing.assert_allclose(found, wanted, atol=5e-6)


@pytest.mark.parametrize(
    ("cell", "sharing", "num_steps"),
    [("Elman", Tied(), T), ("GRU", LowRank(T, 1), None), ("LSTM", Untied(1), None)],
    ids=repr,
)
def test_any_sharing_compiles(cell, sharing, num_steps):
    make = maker(cell)
    stored, carry = drawn(make, sharing), carry_of(make)
    args = stored, inputs_of(num_steps or sharing.num_steps), carry
    found = as_one_program(run_compiled, make, sharing, num_steps=num_steps)(*args)
    wanted = as_one_program(run, make, sharing)(*args)
    np.testing.assert_allclose(found, wanted, atol=5e-6)


def test_one_weight_set_of_an_ordinary_cell_and_one_open_block():
    make, sharing = maker("Elman"), Untied(T)
    compiler = as_one_program(compile_with_clock, make, sharing)
    compiled = compiler(drawn(make, sharing))
    (layer,) = compiled.layers
    units = T * (H + 1)
    fresh = jax.eval_shape(lambda: pure_params(ElmanCell(D, units, rngs=nnx.Rngs(0))))
    shapes = [jax.tree.map(jnp.shape, tree) for tree in (layer.stored, fresh)]
    assert shapes[0] == shapes[1]
    assert compiled.num_units == layer.num_units == units
    assert compiled.num_parameters == units * (D + units + 1) == num_parameters(fresh)
    # T weight sets, T (T - 1) H gates, and the ring.
    assert compiled.num_nonzero() == T * H * (D + H + 1) + T * (T - 1) * H + T
    step = step_of(layer.cell)
    carry, inputs = batched(layer.carry), inputs_of(T, 100.0)
    _, found = unroll(step, Tied(), layer.stored, inputs, carry)
    blocks = np.asarray(found)[..., : T * H].reshape(T, B, T, H)
    for t in range(T):
        np.testing.assert_array_equal(np.delete(blocks[t], t, axis=1), -1.0)
    clock = np.asarray(found)[:, 0, T * H :]
    np.testing.assert_allclose(clock, tick_of(np.tanh) * np.eye(T), rtol=1e-6)
    assert (clock[~np.eye(T, dtype=bool)] == 0).all()


def test_inputs_are_laid_out_to_the_last_bit():
    layer = lay_out(T, D, jnp.float32)
    inputs = inputs_of(2 * T, 5.0)
    step = step_of(layer.cell)
    _, found = unroll(step, Tied(), layer.stored, inputs, batched(layer.carry))
    wanted = np.zeros((2 * T, B, T, D), np.float32)
    for t in range(2 * T):
        wanted[t, :, t % T] = inputs[t]
    found = np.asarray(found)
    places = found[..., : T * D].reshape(wanted.shape) / np.float32(SMALL)
    np.testing.assert_allclose(places, wanted, rtol=2e-7, atol=0)
    clock = np.tile(np.eye(T), (2, 1)) * tick_of(through_lstm)
    np.testing.assert_allclose(found[:, 0, T * D :], clock, rtol=1e-6, atol=0)


def test_what_has_no_clock_is_refused():
    make = maker("Elman")
    stored = drawn(make, Untied(T))
    flax_cell = functools.partial(nnx.SimpleCell, D, H)
    with pytest.raises(TypeError, match=r"no clock for SimpleCell\. Use an ElmanCell"):
        compile_with_clock(flax_cell, Untied(T), stored)
    odd = maker("Elman", activation=nnx.sigmoid)
    with pytest.raises(TypeError, match=r"of nnx\.tanh or nnx\.relu, but its activ"):
        compile_with_clock(odd, Untied(T), stored)
    with pytest.raises(ValueError, match="needs to know how many"):
        compile_with_clock(make, Tied(), drawn(make, Tied()))
    with pytest.raises(ValueError, match=r"hidden_features=3 carries \(3,\)"):
        compile_with_clock(make, Untied(T), stored, carry=jnp.zeros((B, H)))
