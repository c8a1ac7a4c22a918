"""The cell state: padded tasks, ablated LSTMs, gradients at the carry, rule, figure."""

import functools
import math

import jax
import jax.numpy as jnp
import matplotlib.colors
import numpy as np
import pytest
from flax import nnx

from experiments import cell_state_claims, cell_state_study
from experiments.cell_state_study import CUT, ELMAN, LSTM, decay, judge, longest_solved
from rnnshare import ElmanCell, LSTMCell, Tied, Untied, memory_figures, unroll
from rnnshare.ablated_cells import (
    NoCellPathLSTMCell,
    NoHiddenPathLSTMCell,
    NoPathLSTMCell,
)
from rnnshare.blueprint import Blueprint, pure_params
from rnnshare.measures import carry_gradients, nudged, step_norms
from rnnshare.rnn import step_of
from rnnshare.tasks import Adding, CopyMemory, PaddedAdding, PaddedCopyMemory
from tests.law_cases import Case, assert_close, assert_equal, generic, generic_like

T, B, D, H = 6, 3, 3, 4  # those of `Case`
# Which paths there are: (by the cell state, by the recurrent map).
ABLATED = {
    NoCellPathLSTMCell: (0, 1),
    NoHiddenPathLSTMCell: (1, 0),
    NoPathLSTMCell: (0, 0),
}
every_ablated = pytest.mark.parametrize("cell", ABLATED)


# Padded tasks


@functools.partial(jax.jit, static_argnums=1)
def draw(task, count, seed=0):
    return task.sample(jax.random.key(seed), count)


@pytest.mark.parametrize(
    ("padded", "plain"),
    [
        (PaddedAdding(9), Adding(9)),
        (PaddedCopyMemory(5, 2, 4, wait=5), CopyMemory(5, 2, 4)),
    ],
    ids=lambda task: task.name,
)
def test_without_padding_the_task_is_the_plain_one(padded, plain):
    ours, theirs = (draw(task, 8) for task in (padded, plain))
    assert_equal(ours.inputs, theirs.inputs)
    assert_equal(ours.targets, theirs.targets)
    assert (ours.lengths == plain.num_steps).all()
    assert ours.mask is None or ours.mask.all()
    assert padded.lines == plain.lines
    outputs = generic((8, plain.num_steps, plain.out_features), 0)
    if isinstance(plain, Adding):
        outputs = outputs[:, 0]
    assert_close(padded.metrics(outputs, ours), plain.metrics(outputs, theirs), 1e-6)


@pytest.mark.parametrize("length", [2, 5, 8])
def test_adding_marks_one_value_in_each_half_of_the_real_steps(length):
    batch = draw(PaddedAdding(11, length=length), 300)
    values, marks = np.moveaxis(np.asarray(batch.inputs), -1, 0)
    first, second = np.sort(np.argwhere(marks)[:, 1].reshape(-1, 2)).T
    half = length // 2
    assert set(first) == set(range(half)) and set(second) == set(range(half, length))
    np.testing.assert_allclose(batch.targets[:, 0], (values * marks).sum(1), rtol=1e-6)
    assert (np.asarray(batch.lengths) == length).all()


def test_copy_memory_asks_after_the_real_wait():
    task = PaddedCopyMemory(6, num_recalled=2, num_symbols=3, wait=2)
    inputs, targets, lengths, mask = draw(task, 20)
    tokens = np.argmax(inputs, -1)
    symbols, blank, signal = tokens[:, :2], 3, 4
    assert (symbols < blank).all() and len(np.unique(symbols)) == 3
    np.testing.assert_array_equal(tokens[:, 2:], [[blank, signal] + [blank] * 6] * 20)
    np.testing.assert_array_equal(targets[:, 4:6], symbols)
    assert (np.delete(np.asarray(targets), [4, 5], axis=1) == blank).all()
    assert (np.asarray(lengths) == 6).all()
    np.testing.assert_array_equal(mask, [[True] * 6 + [False] * 4] * 20)


def test_only_real_steps_are_scored_and_the_line_is_that_of_the_real_length():
    task = PaddedCopyMemory(30, num_recalled=2, num_symbols=3, wait=2)
    batch = draw(task, 2_000)
    # Without memory: certain of the blanks, even over the symbols where they are due.
    due = (np.arange(task.num_steps) >= 4)[:, None] * np.array([1, 1, 1, -99.0])
    sure = (np.arange(task.num_steps) < 4)[:, None] * np.array([0, 0, 0, 99.0])
    outputs = np.tile((due + sure).astype(np.float32), (2_000, 1, 1))
    outputs[:, 6:] = np.nan
    found, line = task.metrics(outputs, batch), task.lines["no memory"]
    assert line["loss"] == pytest.approx(2 * math.log(3) / 6)
    assert found["loss"] == pytest.approx(line["loss"], rel=1e-5)
    assert found["accuracy"] == pytest.approx(line["accuracy"], abs=0.04)
    right = 99 * np.eye(4, dtype=np.float32)[np.asarray(batch.targets)]
    assert task.metrics(right, batch)["accuracy"] == 1.0


def test_lengths_share_one_compilation():
    traces = []

    @jax.jit
    def inputs(task, key):
        traces.append(type(task))
        return task.sample(key, 2).inputs

    for length in (2, 5, 9):
        inputs(PaddedAdding(9, length=length), jax.random.key(0))
        inputs(PaddedCopyMemory(9, wait=length), jax.random.key(0))
    assert traces == [PaddedAdding, PaddedCopyMemory]
    names = {PaddedAdding(9, length=n).name for n in (2, 5)}
    assert names == {"adding_2_of_9", "adding_5_of_9"}
    assert PaddedCopyMemory(9, wait=3).name == "copy_memory_3_of_9"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PaddedAdding(9, length=1), r"PaddedAdding: length is 1\. Use a whole"),
        (lambda: PaddedAdding(9, length=10), r"length is 10\. .*2\.\.9, num_steps be"),
        (lambda: PaddedAdding(9, length=4.0), r"length is 4\.0\. Use a whole number"),
        (lambda: PaddedCopyMemory(5, wait=0), r"PaddedCopyMemory: wait is 0\..*1\.\.5"),
        (lambda: PaddedAdding(1), r"PaddedAdding: num_steps is 1"),
    ],
)  # fmt: skip
def test_wrong_lengths_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Ablated cells


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(paths, weights, inputs, carry):
    """One ablated LSTM over time, step by step, from the equations."""
    by_cell, by_hidden = paths
    (c, h), outputs = carry, []
    w, b = weights["input"]["kernel"], weights["input"]["bias"]
    for t, x in enumerate(inputs):
        z = x @ w[t] + b[t] + by_hidden * (h @ weights["recurrent"]["kernel"][t])
        i, f, g, o = np.split(z, 4, -1)
        c = by_cell * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return (c, h), np.stack(outputs)


@every_ablated
def test_numpy_float64(cell):
    case = Case(Untied(T), functools.partial(cell, D, H))
    wide = jax.tree.map(lambda x: np.asarray(x, np.float64), case.arguments)
    with jax.enable_x64(True):
        for how in ("fused", "scan"):
            found = case.run(*jax.tree.map(jnp.asarray, wide), implementation=how)
            assert_close(found, reference(ABLATED[cell], *wide), 1e-12)


@every_ablated
def test_gradients_flow_along_the_paths_that_are_left(cell):
    fused, scan = (
        Case(Untied(T), functools.partial(cell, D, H), how).gradient(*case_arguments())
        for how in ("fused", "scan")
    )
    assert_close(fused, scan)
    _, (weights, _, carry) = fused
    by_cell, by_hidden = ABLATED[cell]
    gates = {
        name: np.split(np.asarray(leaf), 4, -1)
        for name, leaf in (
            ("input", weights["input"]["kernel"]),
            ("bias", weights["input"]["bias"]),
            ("recurrent", weights["recurrent"]["kernel"]),
        )
    }
    for name, parts in gates.items():
        for gate, part in zip("ifgo", parts, strict=True):
            read = (gate != "f" or by_cell) and (name != "recurrent" or by_hidden)
            assert np.all(np.any(part.reshape(T, -1), 1) == bool(read)), (name, gate)
    assert [bool(np.any(leaf)) for leaf in carry] == [bool(by_cell), bool(by_hidden)]


def case_arguments():
    return Case(Untied(T), functools.partial(LSTMCell, D, H)).arguments


def test_the_draws_are_those_of_the_lstm():
    assert all(cell.__init__ is LSTMCell.__init__ for cell in ABLATED)
    ours, theirs = (
        pure_params(cell(D, H, rngs=nnx.Rngs(5))) for cell in (NoPathLSTMCell, LSTMCell)
    )
    assert_equal(ours, theirs)


# Gradients at the carry


def carry_case(cell):
    """Returns step, stored, inputs, carry and what the last output is pulled by."""
    blueprint = Blueprint.of(functools.partial(cell, D, H))
    case = Case(Untied(T), functools.partial(cell, D, H))
    stored, inputs, carry = jax.tree.map(
        lambda x: jnp.asarray(np.asarray(x, np.float64)), case.arguments
    )
    return step_of(blueprint), stored, inputs, carry, jnp.asarray(generic((B, H), 7))


def gradients_of(step, stored, inputs, carry, pull, **options):
    """Returns the gradients at the carry, and the loss as a function of the nudges."""

    def loss(nudges):
        _, outputs = unroll(
            nudged(step), Untied(T), stored, (inputs, nudges), carry, **options
        )
        return jnp.sum(outputs[-1] * pull.astype(outputs.dtype))

    return jax.jit(functools.partial(carry_gradients, loss, num_steps=T))(carry), loss


@pytest.mark.parametrize("cell", [ElmanCell, LSTMCell])
def test_gradients_at_the_carry_are_products_of_the_steps_jacobians(cell):
    with jax.enable_x64(True):
        step, stored, inputs, carry, pull = carry_case(cell)
        found, _ = gradients_of(step, stored, inputs, carry, pull)
        jacobians = jax.jit(jax.jacfwd(lambda carry, w, x: step(w, carry, x), 0))
        flat, unflatten = jax.flatten_util.ravel_pytree(carry)
        states = [carry]
        for t in range(T):
            w = jax.tree.map(lambda leaf, t=t: leaf[t], stored)
            states.append(step(w, states[-1], inputs[t])[0])
        gradient = np.zeros(flat.size)  # of the carry after the last step
        for t in reversed(range(T)):
            w = jax.tree.map(lambda leaf, t=t: leaf[t], stored)
            of_carry, of_output = jacobians(states[t], w, inputs[t])
            gradient = gradient @ matrix(of_carry, flat.size)
            if t == T - 1:
                rows = matrix(of_output, flat.size)
                gradient = gradient + np.ravel(pull).astype(np.float64) @ rows
            ours = jax.tree.map(lambda g, t=t: g[t], found)
            assert_close(ours, unflatten(jnp.asarray(gradient)), 1e-12)
            assert np.any(gradient != 0)


def matrix(jacobian, size):
    """Returns a Jacobian by the carry as a matrix [outputs, carry]."""

    def columns(tree, count):
        return np.concatenate(
            [np.reshape(leaf, (count, -1)) for leaf in jax.tree.leaves(tree)], axis=1
        )

    # The leaves of a carry pair hold the derivatives by each leaf of the pair.
    rows = jacobian if isinstance(jacobian, tuple) else (jacobian,)
    if isinstance(rows[0], tuple):
        return np.concatenate([columns(row, B * H) for row in rows])
    found = columns(jacobian, B * H)
    assert found.shape == (B * H, size)
    return found


def test_gradients_at_the_carry_are_finite_differences():
    with jax.enable_x64(True):
        step, stored, inputs, carry, pull = carry_case(NoHiddenPathLSTMCell)
        found, loss = gradients_of(step, stored, inputs, carry, pull)
        nudges = jax.tree.map(jnp.zeros_like, found)
        direction = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, jnp.float64), generic_like(nudges, 9)
        )
        run = jax.jit(loss)

        def moved(by):
            return run(jax.tree.map(lambda n, d: n + by * d, nudges, direction))

        slope = (moved(1e-5) - moved(-1e-5)) / 2e-5
        along = sum(
            np.sum(g * d)
            for g, d in zip(jax.tree.leaves(found), direction, strict=True)
        )
        assert float(along) == pytest.approx(float(slope), rel=1e-8)
        assert abs(along) > 1e-3


def test_nudges_of_zero_change_nothing_and_padding_has_no_gradient():
    step, stored, inputs, carry, pull = carry_case(LSTMCell)
    plain = unroll(step, Untied(T), stored, inputs, carry)
    zeros = jax.tree.map(lambda leaf: jnp.zeros((T, *leaf.shape), leaf.dtype), carry)
    assert_close(unroll(nudged(step), Untied(T), stored, (inputs, zeros), carry), plain)
    lengths = np.array([T, 2, 0])

    def loss(nudges):
        (_, h), _ = unroll(
            nudged(step), Untied(T), stored, (inputs, nudges), carry, lengths=lengths
        )
        return jnp.sum(h * pull)

    found = carry_gradients(loss, carry, T)
    is_real = np.arange(T)[:, None] < lengths
    for leaf in found:
        assert np.all(np.any(leaf != 0, -1) == is_real)
    assert step_norms(found).shape == (T,)
    with pytest.raises(ValueError, match=r"num_steps is 0\. Use at least 1"):
        carry_gradients(loss, carry, 0)


# The study


def test_the_gradient_of_the_study_is_that_of_the_model_that_was_trained():
    """The last of the gradients of a tied and an untied copy of it are the same."""
    plan = cell_state_study.PLANS["smoke"]
    untied = cell_state_study.setting_of(plan, "adding", LSTM, 1e-2, True)
    tied = cell_state_study.setting_of(plan, "adding", "Tied LSTM", 1e-2, True)
    assert (untied.sharing, tied.sharing) == (Untied(6, same_init=True), Tied())
    params = pure_params(tied.make_model()(rngs=nnx.Rngs(0)))
    layers = params["layers"][0]["weights"]
    copies = jax.tree.map(lambda w: jnp.stack([w] * 6), layers)
    ours, theirs = (
        cell_state_study.gradient_norms(
            plan, "adding", s, {"layers": {0: {"weights": w}}}
        )
        for s, w in ((untied, copies), (tied, layers))
    )
    assert ours.shape == (4,)  # the length that is probed
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert np.all(ours > 0)


def test_the_decay_is_the_slope_of_the_log_norm():
    back = np.arange(10, 0, -1)
    rows = np.stack([3 * np.exp(-0.5 * back), np.full(10, 2.0), 1e-6 * 1.1**back])
    np.testing.assert_allclose(decay(rows), [-0.5, 0, math.log(1.1)], atol=1e-12)
    lost = np.exp(-9.0 * back)
    lost[lost < 1e-30] = 0.0  # underflow is left out, and does not tilt the line
    np.testing.assert_allclose(decay(lost[None]), [-9.0])
    assert np.isnan(decay(np.zeros((1, 10)))).all()


def test_the_longest_solved():
    lengths = (10, 20, 40)
    losses = np.array([[0.01, 0.02, 0.1], [0.01, 0.05, 0.04], [0.1, 0.1, np.inf],
                       [0.01, 1 / 24, 0.2]])  # fmt: skip
    np.testing.assert_array_equal(longest_solved("adding", lengths, losses),
                                  [20, 40, 5, 10])  # fmt: skip
    accuracies = np.array([[1.0, 0.9, 0.3], [0.25, 0.89, 0.0]])
    np.testing.assert_array_equal(longest_solved("copy memory", lengths, accuracies),
                                  [20, 5])  # fmt: skip
    assert cell_state_study.bar_of("adding") == pytest.approx(1 / 24)
    assert cell_state_study.task_line("copy memory") == 1 / 4


NOISE = np.array([-1.0, 0.5, 0.0, 0.5, -0.5])


def arms(lstm, elman, cut):
    return {LSTM: lstm, ELMAN: elman, CUT: cut}


@pytest.mark.parametrize(
    ("longest", "slopes", "verdict"),
    [
        ([(40, 20, 20)] * 2, [(-0.1, -0.3, -0.4)] * 2, "supported"),
        ([(40, 20, 20), (40, 20, 40)], [(-0.1, -0.3, -0.4)] * 2, "inconclusive"),
        ([(40, 20, 20)] * 2, [(-0.1, -0.3, -0.4), (-0.1, -0.05, -0.4)], "inconclusive"),
        ([(40, 20, 20)] * 2, [(-0.1, -0.1, -0.4)] * 2, "inconclusive"),
        ([(20, 20, 10)] * 2, [(-0.3, -0.1, -0.4)] * 2, "refuted"),
        ([(20, 40, 10), (20, 20, 20)], [(-0.3, -0.1, -0.4)] * 2, "refuted"),
        ([(20, 20, 10)] * 2, [(-0.3, -0.1, -0.4), (-0.1, -0.2, -0.4)], "inconclusive"),
    ],
)
def test_the_rule(longest, slopes, verdict):
    names = ("adding", "copy memory")
    solved = {
        name: arms(*(np.full(5, float(n)) for n in each))
        for name, each in zip(names, longest, strict=True)
    }
    decays = {
        name: arms(*(s + 0.01 * NOISE * (i + 1) for i, s in enumerate(each)))
        for name, each in zip(names, slopes, strict=True)
    }
    found, tests = judge(solved, decays)
    assert found == verdict
    for name, each in zip(names, longest, strict=True):
        assert [longer for longer, _ in tests[name].values()] == [
            each[0] > rival for rival in each[1:]
        ]
    if verdict == "supported":
        assert cell_state_study.doublings(solved) == (1.0, 1.0, 1.0)


def test_a_seed_without_a_slope_is_left_out_of_all_but_the_control_has_none():
    ones = np.exp(-np.arange(30.0)).reshape(5, 6)
    broken = ones.copy()
    broken[3] = np.nan
    make = cell_state_study.Measured
    scores = np.arange(5.0)[:, None]
    measured = {
        "adding": {
            LSTM: make(scores, ones, ones, ""),
            ELMAN: make(scores, ones, broken, ""),
            cell_state_study.NO_CARRY: make(scores, 0 * ones, 0 * ones, ""),
        }
    }
    whole = cell_state_claims._whole(measured)["adding"]
    for m in whole.values():
        np.testing.assert_array_equal(m.score[:, 0], [0, 1, 2, 4])
        assert len(m.start) == len(m.trained) == 4


def test_every_plan_is_probed_at_a_length_that_it_trains():
    for plan in cell_state_study.PLANS.values():
        assert plan.probed.keys() == plan.lengths.keys()
        assert all(plan.probed[task] in plan.lengths[task] for task in plan.lengths)
        assert {LSTM, ELMAN} <= set(plan.arms) <= set(cell_state_study.CELLS)
        assert plan.num_steps % max(1, plan.num_steps // 20) == 0
    for name, least in (("quick", 5), ("full", 10)):
        assert cell_state_study.PLANS[name].num_seeds >= least
        assert CUT in cell_state_study.PLANS[name].arms


def test_the_figure_shows_scores_levels_gradients_and_what_refutes():
    rng = np.random.default_rng(0)
    scores = {LSTM: rng.uniform(0, 1, (5, 3)), ELMAN: rng.uniform(0, 1, (5, 3)),
              "Tied LSTM": rng.uniform(0, 1, (5, 3))}  # fmt: skip
    gradients = {LSTM: rng.uniform(1, 2, (5, 8)), ELMAN: np.zeros((5, 8))}
    panel = memory_figures.MemoryPanel(
        "Adding", "steps T", "test loss", (10, 20, 40), scores, {"no memory": 0.5},
        gradients,
    )  # fmt: skip
    figure = memory_figures.draw_memory([panel, panel], "it does not", "norm")
    assert "Refuted if it does not." in figure.get_suptitle()
    upper, _, lower, _ = figure.axes
    assert any(np.all(np.equal(line.get_ydata(), 0.5)) for line in upper.lines)
    assert "no memory" in [text.get_text() for text in upper.texts]
    assert (upper.get_xlabel(), upper.get_ylabel()) == ("steps T", "test loss")
    (line,) = lower.lines  # a gradient of zero has no line
    np.testing.assert_array_equal(line.get_xdata(), np.arange(8, 0, -1))
    means = np.exp(np.log(gradients[LSTM]).mean(0))
    np.testing.assert_allclose(line.get_ydata(), means)
    assert lower.get_yscale() == "log"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(scores)
    colours = {matplotlib.colors.to_hex(c.lines[0].get_color()).upper()
               for c in upper.containers}  # fmt: skip
    assert {"#D55E00", "#0072B2"} < colours and len(colours) == 3
    short = panel._replace(scores={LSTM: np.zeros((5, 2))})
    with pytest.raises(ValueError, match=r"scores of shape \(5, 2\), but there are 3"):
        memory_figures.draw_memory([short], "", "")
