"""`RNN` under every sharing: what is told agrees with what the sharing is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import (
    RNN,
    Basis,
    Cyclic,
    Drift,
    GRUCell,
    LowRank,
    LSTMCell,
    Mixture,
    Partition,
    Scaled,
    Segments,
    Tied,
    TimeInput,
    Untied,
)
from rnnshare.auditing import audit
from rnnshare.plotting import tying_matrix
from tests.cases import with_slow

T = 6
X = jax.ShapeDtypeStruct((2, T, 3), jnp.float32)
WAYS = ("scan", "fused")
SELECTING = (
    Tied(), Untied(T), Segments(T, 4), Cyclic(4), Untied(4, beyond="cycle"),
    Untied(4, beyond="hold"), Segments(3, 2, beyond="stretch"),
)  # fmt: skip


@functools.cache
def found_of(sharing, way, cell=GRUCell, **options):
    make_cell = functools.partial(cell, 3, 4)

    def make():
        return RNN(make_cell, sharing, rngs=nnx.Rngs(0), implementation=way)

    return audit(nnx.eval_shape(make), X, **options)


def how(found, part):
    """Returns {how a loop reads a parameter} of those that have a part in the path."""
    return {
        read.how
        for parameter in found.parameters
        if part in parameter.path.split("/")
        for read in parameter.reads
        if read.loop is not None
    }


@pytest.mark.parametrize(
    ("sharing", "way"),
    with_slow(
        [(sharing, way) for sharing in SELECTING for way in WAYS],
        [(Tied(), "fused"), (Untied(T), "fused"), (Cyclic(4), "fused"),
         (Cyclic(4), "scan"), (Segments(T, 4), "scan")],
    ),
)  # fmt: skip
def test_the_matrix_is_that_of_the_sharing(sharing, way):
    found = found_of(sharing, way)
    wanted = tying_matrix(sharing, T) == 1
    np.testing.assert_array_equal(found.tying(), wanted)
    for parameter in found.parameters:
        np.testing.assert_array_equal(found.tying(parameter.path), wanted)
    assert len(found.loops) == 1 and found.loops[0].num_steps == T


@pytest.mark.parametrize("way", WAYS)
def test_a_low_rank_correction_is_untied_and_its_base_tied(way):
    found = found_of(LowRank(T, 1), way)
    assert how(found, "base") == {"the same"}
    assert how(found, "correction") == {"a slice a step"}
    np.testing.assert_array_equal(found.tying(), np.eye(T))


@pytest.mark.parametrize(
    ("sharing", "way"),
    with_slow(
        [(Partition({"recurrent": Untied(T), "bias": Cyclic(2)}), way) for way in WAYS],
        [(Partition({"recurrent": Untied(T), "bias": Cyclic(2)}), "fused")],
    ),
)
def test_each_part_of_a_partition_is_as_its_own_sharing(sharing, way):
    found = found_of(sharing, way)
    assert how(found, "rest") == {"the same"}
    step = np.arange(T)
    for parameter in found.parameters:
        label = parameter.path.split("/")[1]
        index = {"rest": step * 0, "recurrent": step, "bias": step % 2}[label]
        np.testing.assert_array_equal(
            found.tying(parameter.path), index[:, None] == index
        )


def test_a_partition_by_gates():
    sharing = Partition({"f": Untied(T)}, gates=LSTMCell.gates)
    found = found_of(sharing, "scan", LSTMCell)
    assert how(found, "rest") == {"the same"}
    assert how(found, "f") == {"a slice a step"}


@pytest.mark.parametrize(
    ("sharing", "tied", "untied"),
    with_slow(
        [
            (Scaled(T), "base", "correction"),
            (Mixture(T, 2), "templates", "logits"),
            (Basis(2, period=T), "templates", None),
            (Drift(unit=T), "weights", None),
            (TimeInput(2, period=T), "base", "correction"),
        ],
        [(Mixture(T, 2), "templates", "logits")],
    ),
)
def test_sharings_that_compute_read_all_templates_at_every_step(sharing, tied, untied):
    found = found_of(sharing, "scan")
    assert how(found, tied) <= {"the same", "in parts"}
    if untied is not None:
        assert how(found, untied) <= {"a slice a step", "the same"}
    assert "unknown" not in how(found, "weights")


def test_reversed_and_padded_the_steps_are_positions():
    lengths = jax.ShapeDtypeStruct((2,), jnp.int32)
    found = found_of(Cyclic(4), "scan", reverse=True, seq_lengths=lengths)
    np.testing.assert_array_equal(found.tying(), tying_matrix(Cyclic(4), T) == 1)
    (read,) = found.parameters[-1].reads
    assert read.index == (0, 1, 2, 3, 0, 1)


def test_a_traced_start_is_an_index_that_depends_on_inputs():
    start = jax.ShapeDtypeStruct((), jnp.int32)
    found = found_of(Cyclic(4), "scan", start=start)
    assert how(found, "weights") == {"unknown"}
    assert how(found_of(Tied(), "scan", start=start), "weights") == {"the same"}
