"""The figures of a comparison: the arms; what the recommended one reads, and holds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from rnnshare import Tied
from rnnshare.cells.blueprint import Blueprint
from rnnshare.plotting.style import INK, colour_of, dress, log_axis, new_figure
from rnnshare.sharing.base import expand
from rnnshare.sharing.measures import weight_similarity
from rnnshare.tasks import Task
from rnnshare.training import Setting

READ = 200  # test examples by which the steps that a model reads are told


def weights_over_time(
    setting: Setting, params: Any, num_steps: int
) -> np.ndarray | None:
    """Returns [T, P], the recurrent layer's weights of each step; None if tied."""
    sharing = setting.sharing
    if sharing == Tied():
        return None
    bound = Blueprint.of(setting.make_model()).bind(params)
    (layer,) = bound.layers
    leaves = jax.tree.leaves(expand(sharing, layer.stored, num_steps))
    return np.concatenate([np.reshape(leaf, (num_steps, -1)) for leaf in leaves], 1)


def steps_read(setting: Setting, params: Any, task: Task) -> np.ndarray | None:
    """Returns [T], how far a model's answer moves with the input of each step.

    The mean over test examples of the norm of the answer's derivative; None of a model
    that answers at every step, and of tokens, which do not move.
    """
    if task.readout == "every" or task.num_tokens is not None:
        return None
    bound = Blueprint.of(setting.make_model()).bind(params)
    batch = task.held_out("test")
    x = batch.inputs[:READ]
    lengths = np.full(len(x), task.num_steps, np.int32)
    if batch.lengths is not None:
        lengths = batch.lengths[:READ]

    def answer(x: jax.Array, length: jax.Array) -> jax.Array:
        return bound(x[None], seq_lengths=length[None])[0]

    slopes = jax.jit(jax.vmap(jax.jacrev(answer)))(x, lengths)
    return np.sqrt((np.asarray(slopes) ** 2).sum((1, 3))).mean(0)


def draw_reading(sizes: np.ndarray, steps: Sequence[str]) -> Any:
    """Returns the figure of `steps_read`."""
    figure = new_figure(2.8)
    panel = figure.subplots()
    panel.plot(sizes, "o-", color=INK)
    places = _some(len(sizes))
    panel.set_xticks(places, [steps[i] for i in places], fontsize=8)
    panel.set_ylim(bottom=0)
    dress(panel, "step", "size of the derivative", grid="y")
    return figure


def draw_weights(weights: np.ndarray, title: str, steps: Sequence[str]) -> Any:
    """Returns the figure of the likeness of any two steps' weights."""
    likeness = weight_similarity({"apart": weights - weights.mean(0)})
    figure = new_figure(4.2)
    panel = figure.subplots()
    image = panel.imshow(likeness, vmin=-1, vmax=1, cmap="RdBu")
    figure.colorbar(image, ax=panel, label="cosine")
    panel.set(xlabel="step", ylabel="step", title=title)
    places = _some(len(weights))
    for set_ticks in (panel.set_xticks, panel.set_yticks):
        set_ticks(places, [steps[i] for i in places], fontsize=8)
    return figure


def _some(count: int) -> list[int]:
    return list(range(0, count, max(1, math.ceil(count / 12))))


def draw_arms(facts: Mapping[str, Any], chosen: str | None) -> Any:
    """Returns the figure of the metric against the parameters."""
    figure = new_figure(3.6)
    panel, sizes = figure.subplots(), [a["parameters"] for a in facts["arms"].values()]
    for name, arm in facts["arms"].items():
        low, high = arm["interval"]
        value, size = arm["metric"], arm["parameters"]
        mark = "D" if name == chosen else "s" if name == "tied, wide" else "o"
        look: Any = {"fmt": mark, "capsize": 3, "color": colour_of(arm["sharing"])}
        look["label"] = name
        panel.errorbar(size, value, yerr=[[value - low], [high - value]], **look)
    log_axis(panel, sizes)
    panel.margins(x=0.12)
    beside: Any = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
    panel.legend(frameon=False, fontsize=9, **beside)
    dress(panel, "parameters", f"test {facts['metric']}", grid="y")
    return figure
