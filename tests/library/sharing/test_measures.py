"""Measures of weights have their known values, and figures show them."""

import jax
import jax.numpy as jnp
import matplotlib.colors
import numpy as np
import pytest

from rnnshare import Cyclic, Segments, Tied, Untied, expand, unroll
from rnnshare.analysis.statistics import mean_interval
from rnnshare.plotting import weights as figures
from rnnshare.plotting.style import COLOURS, MUTED
from rnnshare.sharing import measures
from rnnshare.sharing.combinations import Drift, Mixture
from tests.cases import with_slow

T, B, D, H = 12, 3, 2, 4
STEP = np.arange(T)


def init_cell(key):
    one, two = jax.random.split(key)
    return {
        "kernel": jax.random.normal(one, (D + H, H)) / 2,
        "bias": jax.random.normal(two, (H,)) / 2,
    }


def weights_of(sharing, seed=0):
    return expand(sharing, sharing.init(jax.random.key(seed), init_cell), T)


def orthogonal(norms):
    """Weight sets of these norms, each on an axis of its own, in two leaves."""
    rows = np.diag(np.asarray(norms, dtype=np.float32))
    return {"a": rows[:, :2], "b": rows[:, 2:].reshape(len(rows), -1, 1)}


def step(weights, carry, x):
    joined = jnp.concatenate([x, carry], axis=1)
    carry = jnp.tanh(joined @ weights["kernel"] + weights["bias"][None])
    return carry, carry


def loss_under(sharing):
    inputs = jax.random.normal(jax.random.key(5), (T, B, D))

    def loss(stored):
        outputs = unroll(step, sharing, stored, inputs, jnp.zeros((B, H)))[1]
        return jnp.mean(outputs**2)

    return loss


PATTERNS = {
    "Tied": (Tied(), np.zeros(T)),
    "Untied": (Untied(T), STEP),
    "Segments": (Segments(T, 3), STEP // 4),
    "Cyclic": (Cyclic(4), STEP % 4),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_similarity_is_one_exactly_where_steps_read_the_same_weights(name):
    sharing, template = PATTERNS[name]
    matrix = measures.weight_similarity(weights_of(sharing))
    same = template[:, None] == template[None]
    np.testing.assert_array_equal(matrix == 1.0, same)
    assert np.abs(matrix[~same]).max(initial=0.0) < 0.9
    np.testing.assert_allclose(matrix, matrix.T, rtol=0, atol=1e-12)


def test_similarity_is_the_cosine_whatever_the_scale_and_the_axes():
    weights = weights_of(Untied(T))
    flat = np.concatenate([np.reshape(w, (T, -1)) for w in weights.values()], 1)
    flat = flat.astype(np.float64)  # a step of this size, joined in the other order
    matrix = measures.weight_similarity(weights)
    cosine = flat[2] @ flat[7] / np.sqrt(flat[2] @ flat[2] * (flat[7] @ flat[7]))
    assert matrix[2, 7] == pytest.approx(cosine, abs=1e-12)

    scale = 10.0 ** np.linspace(-9, 9, T)
    scaled = measures.weight_similarity(flat * scale[:, None])
    np.testing.assert_allclose(scaled, matrix, atol=1e-12)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=[flat.shape[1]] * 2))
    turned = measures.weight_similarity({"all": flat @ rotation[0]})
    np.testing.assert_allclose(turned, matrix, atol=1e-12)
    assert measures.weight_similarity(np.array([[1.0], [-2.0]]))[0, 1] == -1.0


def test_zero_weight_sets_are_like_one_another_and_like_nothing_else():
    weights = np.array([[0.0, 0.0], [1.0, 2.0], [-0.0, 0.0]], np.float32)
    expected = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    np.testing.assert_array_equal(measures.weight_similarity(weights), expected)
    zeros = np.zeros((3, 2))
    assert measures.distance_from_tied(zeros) == 0.0
    assert measures.effective_num_steps(zeros) == 1.0


def test_tied_and_orthogonal_weights_have_known_measures():
    tied = weights_of(Tied())
    assert measures.distance_from_tied(tied) == 0.0
    uneven = np.repeat(np.random.default_rng(0).normal(size=(1, 99)), T, axis=0)
    assert np.any(uneven.mean(axis=0) != uneven[0])  # what a plain mean would leave
    assert measures.distance_from_tied(uneven) == 0.0
    assert measures.effective_num_steps(tied) == pytest.approx(1.0, abs=1e-12)

    apart = orthogonal(np.ones(6))
    assert measures.distance_from_tied(apart) == pytest.approx(np.sqrt(5 / 6))
    assert measures.effective_num_steps(apart) == pytest.approx(6.0)
    unequal = orthogonal([3.0, 1.0, 1.0])  # eigenvalues 9, 1, 1
    assert measures.effective_num_steps(unequal) == pytest.approx(121 / 83)
    np.testing.assert_allclose(measures.step_norms(unequal), [3.0, 1.0, 1.0])

    turned = {"w": np.array([[3.0], [3.0j]])}  # by a right angle
    assert measures.effective_num_steps(turned) == pytest.approx(2.0)
    np.testing.assert_allclose(measures.step_norms(turned), [3.0, 3.0])

    opposite = np.array([[1.0, 2.0], [-1.0, -2.0]])
    assert measures.distance_from_tied(opposite) == pytest.approx(1.0)
    assert measures.effective_num_steps(opposite) == pytest.approx(1.0)


def test_templates_count_as_many_steps_as_there_are():
    templates = np.eye(3, 5, dtype=np.float32)
    for sharing in (Segments(T, 3), Cyclic(3)):
        weights = expand(sharing, templates, T)
        assert measures.effective_num_steps(weights) == pytest.approx(3.0)
        assert measures.distance_from_tied(weights) == pytest.approx(np.sqrt(2 / 3))


@pytest.mark.parametrize(
    "sharing",
    with_slow(
        [Tied(), Segments(T, 3), Cyclic(5), Mixture(T, 2), Drift(8.0)],
        [Tied(), Segments(T, 3), Mixture(T, 2)],
    ),
    ids=repr,
)
def test_gradients_of_the_steps_add_up_to_that_of_what_is_stored(sharing):
    stored = sharing.init(jax.random.key(1), init_cell)
    count = None if sharing.num_steps else T
    ours = measures.per_step_gradients(loss_under(Untied(T)), sharing, stored, count)
    assert jax.tree.map(jnp.shape, ours) == {"kernel": (T, D + H, H), "bias": (T, H)}
    _, pull = jax.vjp(lambda stored: expand(sharing, stored, T), stored)
    summed = (
        jax.tree.map(lambda g: jnp.sum(g, 0), ours)
        if sharing == Tied()
        else pull(ours)[0]
    )
    theirs = jax.jit(jax.grad(loss_under(sharing)))(stored)
    assert max(measures.step_norms(ours)) > 0.01
    assert measures.distance(theirs, summed) < 1e-5


def test_gradient_of_a_step_is_the_finite_difference():
    loss, stored = loss_under(Untied(T)), init_cell(jax.random.key(2))
    ours = measures.per_step_gradients(loss, Tied(), stored, T)["kernel"][9, 1, 2]
    weights, size = expand(Tied(), stored, T), 1e-2

    def moved(by):
        return loss(weights | {"kernel": weights["kernel"].at[9, 1, 2].add(by)})

    slope = float(moved(size) - moved(-size)) / (2 * size)
    assert abs(slope) > 1e-3 and float(ours) == pytest.approx(slope, rel=1e-2)


def test_distance_is_relative_to_the_first():
    weights = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0]])}
    others = {"a": np.array([3.0, 1.0]), "b": np.array([[4.0]])}
    assert measures.distance(weights, others) == pytest.approx(0.2)
    assert measures.distance(others, others) == 0.0
    zeros = jax.tree.map(np.zeros_like, weights)
    assert measures.distance(zeros, zeros) == 0.0
    assert measures.distance(weights, zeros) == 1.0
    assert measures.distance(zeros, weights) == np.inf
    half = jax.tree.map(lambda w: jnp.asarray(w, jnp.bfloat16), others)
    assert measures.distance(others, half) == 0.0


@pytest.mark.parametrize(
    "measure",
    [
        measures.weight_similarity,
        measures.distance_from_tied,
        measures.effective_num_steps,
        measures.step_norms,
    ],
)
def test_what_is_not_the_weights_of_steps_is_refused(measure):
    ragged = {"a": np.zeros((3, 2)), "b": np.zeros((4, 2))}
    with pytest.raises(ValueError, match=r"\(3, 2\), \(4, 2\).*rnnshare\.expand"):
        measure(ragged)
    for wrong in (np.float32(1.0), np.zeros((0, 2))):
        with pytest.raises(ValueError, match="share their leading axis, time"):
            measure([wrong])
    with pytest.raises(ValueError, match=r"no arrays.*rnnshare\.expand"):
        measure({})


def test_what_cannot_be_compared_is_refused():
    one = {"a": np.zeros((3, 2))}
    with pytest.raises(ValueError, match=r"structures .*'a'.*'b'.*Expand both"):
        measures.distance(one, {"b": np.zeros((3, 2))})
    with pytest.raises(ValueError, match=r"\['a'\] has the shapes \(3, 2\) and \(4, 2"):
        measures.distance(one, {"a": np.zeros((4, 2))})
    with pytest.raises(ValueError, match=r"no arrays.*rnnshare\.expand"):
        measures.distance({}, {})
    with pytest.raises(ValueError, match="num_steps="):
        measures.per_step_gradients(lambda w: jnp.sum(w["bias"]), Tied(), one)


# Figures.


def texts_of(panel):
    return [text.get_text() for text in panel.texts]


def colour(line):
    return matplotlib.colors.to_hex(line.get_color()).upper()


def test_similarity_has_a_panel_a_label():
    sharings = {"Tied": Tied(), "Cyclic, K = 4": Cyclic(4), "late": Segments(T, 2)}
    weights = {label: weights_of(sharing) for label, sharing in sharings.items()}
    figure = figures.draw_similarity(weights)
    drawn = [panel for panel in figure.axes if panel.images]
    assert [panel.get_title() for panel in drawn] == list(weights)
    for panel, tree in zip(drawn, weights.values(), strict=True):
        shown = panel.images[0].get_array()
        np.testing.assert_array_equal(shown, measures.weight_similarity(tree))
        assert panel.get_xlabel() == "step"
    assert figure.axes[-1].get_xlabel().startswith("cosine between")
    with pytest.raises(ValueError, match="leading axis"):
        figures.draw_similarity({"Tied": {"a": np.zeros(2), "b": np.zeros(3)}})


def test_distances_have_a_row_a_label():
    weights = {"Tied": weights_of(Tied()), "Untied": orthogonal(np.ones(6))}
    panel = figures.draw_distances(weights).axes[0]
    assert [tick.get_text() for tick in panel.get_yticklabels()] == list(weights)
    dots = [line for line in panel.lines if line.get_marker() == "o"]
    far = [float(np.ravel(line.get_xdata())[0]) for line in dots]
    assert far == pytest.approx([0.0, np.sqrt(5 / 6)])
    assert [colour(line) for line in dots] == [COLOURS["Tied"], COLOURS["Untied"]]
    assert texts_of(panel) == ["1.0 of 12", "6.0 of 6", "effective\nnumber of steps"]
    assert panel.get_xlabel().startswith("distance from tied")


def test_norms_are_lines_over_steps_with_a_band_over_seeds():
    seeds = np.random.default_rng(0).uniform(1.0, 2.0, (4, T))
    norms = {"Tied": seeds, "Untied": seeds[0]}
    panel = figures.draw_step_norms(norms).axes[0]
    for line, shown in zip(panel.lines, (seeds.mean(0), seeds[0]), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), STEP)
        np.testing.assert_allclose(line.get_ydata(), shown)
    (band,) = panel.collections
    corners = band.get_paths()[0].vertices
    _, low, high = mean_interval(seeds[:, 3])
    assert {low, high} <= set(corners[corners[:, 0] == 3.0, 1])
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("step t", "gradient norm")
    assert texts_of(panel) == list(norms) and panel.get_yscale() == "linear"
    decades = figures.draw_step_norms({"Tied": 10.0 ** -STEP.astype(float)})
    assert decades.axes[0].get_yscale() == "log"


def test_curves_of_one_colour_differ_in_dash_and_marker():
    x = np.array([8, 16, 32])
    curves = dict.fromkeys(("Tied", "torch", "flax", "haiku"), (x, x / 100))
    figure = figures.draw_curves(
        curves, "length (steps)", "accuracy", {"chance": 0.1}, True, {"trained": 16}
    )
    panel = figure.axes[0]
    drawn = [line for line in panel.lines if line.get_marker() not in ("None", None)]
    assert [colour(line) for line in drawn] == [COLOURS["Tied"], *[MUTED.upper()] * 3]
    assert len({(line.get_marker(), line.get_linestyle()) for line in drawn[1:]}) == 3
    assert set(texts_of(panel)) == {*curves, "chance 0.1", "trained"}
    heights = sorted(t.get_position()[1] for t in panel.texts if t.get_text() in curves)
    assert np.diff(heights).min() > 0.04 and 0 < heights[0] < heights[-1] < 1
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("length (steps)", "accuracy")
    assert panel.get_xscale() == "log"


def test_ragged_curves_are_refused():
    with pytest.raises(ValueError, match="'Tied' holds rows of different lengths"):
        figures.draw_step_norms({"Tied": [[1.0, 2.0], [1.0]]})
    with pytest.raises(ValueError, match=r"'Tied' has shape \(1, 1, 2\).*\[S, X\]"):
        figures.draw_step_norms({"Tied": [[[1.0, 2.0]]]})
    with pytest.raises(ValueError, match=r"'Tied' has 3 places .*shape \(2,\)"):
        figures.draw_curves({"Tied": ([1, 2, 3], [1, 2])}, "x", "y")
