"""The programs that are measured: their bytes by formulas, and the unrolled step."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.resources.cases import (
    IN_FEATURES,
    OUT_FEATURES,
    Case,
    FixedBatch,
    without_best,
)
from experiments.resources.plan import ENDS
from experiments.resources.program import (
    compile_step,
    contender,
    memory_of,
    stored_bytes,
)
from rnnshare.training.loop import Replica
from tests.cases import with_slow

SMALL = Case("LSTM", "Untied", 4, 3, 5)


def cell_parameters(cell, hidden):
    """The scalars of one cell, by its formula; the GRU has two biases."""
    gates, biases = {"Elman": (1, 1), "GRU": (3, 2), "LSTM": (4, 1)}[cell]
    return gates * hidden * (IN_FEATURES + hidden + biases)


@pytest.mark.parametrize(
    ("arm", "copies"), [("Tied", 1), ("Untied", 7), ("Segments", 4), ("Cyclic", 4)]
)
@pytest.mark.parametrize("cell", ["Elman", "GRU", "LSTM"])
def test_stored_bytes_are_those_of_the_formula(cell, arm, copies):
    parameters, optimizer = stored_bytes(Case(cell, arm, 6, 2, 7))
    readout = OUT_FEATURES * (6 + 1)
    assert parameters == 4 * (copies * cell_parameters(cell, 6) + readout)
    assert optimizer == 2 * parameters + 4  # two averages, and the count


@functools.cache
def memory(arm, num_steps, hidden=4):
    case = Case("LSTM", arm, hidden, 3, num_steps)
    return memory_of(case)


def test_memory_grows_with_t_and_what_tied_stores_does_not():
    for arm in ENDS:
        short, long = memory(arm, 5), memory(arm, 10)
        assert short.temporary < long.temporary and short.total < long.total
        assert short[:2] == stored_bytes(dataclasses.replace(SMALL, arm=arm))
        for one, steps in ((short, 5), (long, 10)):
            batch = 4 * 3 * (steps * IN_FEATURES + 1)
            assert one.total >= one.stored + one.temporary + batch
            assert one.total < one.stored + one.temporary + batch + 1_000  # donated
    assert memory("Tied", 5).stored == memory("Tied", 10).stored
    assert memory("Untied", 5).stored < memory("Untied", 10).stored


@pytest.mark.slow
def test_memory_is_the_same_however_hard_xla_tries():
    options = {"xla_backend_optimization_level": "3"}
    assert compile_step(SMALL, options).memory == memory_of(SMALL)


def as_unrolled(params, case):
    """The scanned model's parameters in the places of the unrolled one's."""
    weights = params["layers"][0]["weights"]
    count = 1 if case.arm == "Tied" else case.num_steps
    cells = {
        t: weights if case.arm == "Tied" else jax.tree.map(lambda w, t=t: w[t], weights)
        for t in range(count)
    }
    return {"cells": cells, "readout": params["readout"]}


@pytest.mark.parametrize("arm", with_slow(ENDS, {"Untied"}))
def test_an_unrolled_step_is_the_scanned_one(arm):
    case = dataclasses.replace(SMALL, arm=arm)
    draws = np.random.default_rng(0)
    inputs = draws.normal(size=(3, 5, IN_FEATURES)).astype(np.float32)
    task = FixedBatch(jnp.array(inputs), jnp.array([0, 1, 1], jnp.int32))
    replica = Replica(task, jnp.uint32(7), jnp.float32(0.1))
    scanned = without_best(case.loop().init(replica))
    unrolled = dataclasses.replace(case, form="unrolled")
    state = without_best(unrolled.loop().init(replica))
    params = as_unrolled(scanned.params, case)
    same = jax.tree.structure(params) == jax.tree.structure(state.params)
    assert same, jax.tree.structure(state.params)
    state = state._replace(params=jax.tree.map(jnp.array, params))  # donated: a copy
    programs = compile_step(case).program, compile_step(unrolled).program
    for _ in range(3):
        scanned, loss = programs[0](replica, scanned)
        state, other = programs[1](replica, state)
        np.testing.assert_allclose(loss, other, rtol=1e-5)
        # Adam's first average is the gradient's: the parameters may differ by its sign.
        mean, other_mean = (
            next(x.mu for x in jax.tree.leaves(one.optimizer_state,
                 is_leaf=lambda x: hasattr(x, "mu")) if hasattr(x, "mu"))
            for one in (scanned, state)
        )  # fmt: skip
        wanted = jax.tree.leaves(as_unrolled(mean, case))
        for one, two in zip(wanted, jax.tree.leaves(other_mean), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-6)
    assert loss < 0.9 * np.log(2)  # it has learnt some of its one batch


def test_a_contender_trains_on_at_every_run():
    one, weighed = contender(SMALL)
    for _ in range(3):
        one.run()  # the state is donated: a used one would raise
    assert weighed.total > 0 and one.compile_seconds > 0
