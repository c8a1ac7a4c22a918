"""The figures of a comparison: the arms, and the weights of the recommended one."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from rnnshare import Tied
from rnnshare.cells.blueprint import Blueprint
from rnnshare.plotting.style import INK, colour_of, dress, log_axis, new_figure
from rnnshare.sharing.base import expand
from rnnshare.training import Setting


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


def draw_weights(weights: np.ndarray, title: str, steps: Sequence[str]) -> Any:
    """Returns the figure of the likeness of any two steps' weights."""
    apart = weights - weights.mean(0)
    sizes = np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-12)
    likeness = (apart / sizes) @ (apart / sizes).T
    figure = new_figure(4.2)
    panel = figure.subplots()
    image = panel.imshow(likeness, vmin=-1, vmax=1, cmap="RdBu_r")
    figure.colorbar(image, ax=panel, label="cosine")
    panel.set(xlabel="step", ylabel="step", title=title)
    every = max(1, math.ceil(len(weights) / 12))
    places = range(0, len(weights), every)
    for set_ticks in (panel.set_xticks, panel.set_yticks):
        set_ticks(list(places), [steps[i] for i in places], fontsize=8)
    return figure


def draw_arms(facts: Mapping[str, Any], chosen: str | None) -> Any:
    """Returns the figure of the metric against the parameters."""
    figure = new_figure(3.6)
    panel, sizes = figure.subplots(), [a["parameters"] for a in facts["arms"].values()]
    middle = math.sqrt(min(sizes) * max(sizes))
    for name, arm in facts["arms"].items():
        low, high = arm["interval"]
        value, size = arm["metric"], arm["parameters"]
        mark = "D" if name == chosen else "o"
        look: Any = {"fmt": mark, "capsize": 3, "color": colour_of(arm["sharing"])}
        panel.errorbar(size, value, yerr=[[value - low], [high - value]], **look)
        place, side = ((-6, 5), "right") if size > middle else ((6, 5), "left")
        panel.annotate(
            name,
            (size, value),
            xytext=place,
            ha=side,
            textcoords="offset points",
            fontsize=9,
            color=INK,
        )
    log_axis(panel, sizes)
    panel.margins(x=0.12)
    dress(panel, "parameters", f"test {facts['metric']}", grid="y")
    return figure
