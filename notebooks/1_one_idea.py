# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One idea: a sharing
#
# An RNN unrolled for T steps is a function of T weight sets, one for each step. What
# the optimiser stores is one pytree, and a *sharing* is the map from that pytree to
# the T weight sets. Tied is the constant map, untied the identity, and everything in
# between is a map too, so that only this map changes from one model to the next.

# %%
import functools
import os

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import nnx

from rnnshare import RNN, Cyclic, GRUCell, LSTMCell, Segments, Tied, Untied
from rnnshare import expand, num_parameters, tasks, unroll
from rnnshare.plotting import draw_tying_matrices, style
from rnnshare.training import Recipe, Setting, fit

# %matplotlib inline
# One device a core, so that replicas train side by side.
jax.config.update("jax_num_cpu_devices", os.cpu_count())

# %% [markdown]
# ## Four sharings of 24 steps
#
# A tying matrix compares the weights of every two steps at the start of training: dark
# blue where both read the same weight set, pale where the two have nothing to do with
# each other. Think of the steps as the hours of a day: `Segments` parts it into night,
# morning, afternoon and evening, and `Cyclic` begins anew every six hours.

# %%
T = 24
SHARINGS = [Tied(), Untied(T), Segments(T, 4), Cyclic(6)]
draw_tying_matrices(SHARINGS, T)

# %% [markdown]
# What is stored is one cell's weights, or a stack of them along a new first axis. An
# `RNN` takes a cell's factory and a sharing, and is called as `flax.nnx.RNN` is.

# %%
make_cell = functools.partial(LSTMCell, 12, 64)  # 12 input features, 64 hidden
rnns = {sharing: RNN(make_cell, sharing, rngs=nnx.Rngs(0)) for sharing in SHARINGS}
pd.DataFrame(
    {
        "input kernel": str(rnn.stored["input"]["kernel"].shape),
        "recurrent kernel": str(rnn.stored["recurrent"]["kernel"].shape),
        "parameters": f"{num_parameters(rnn.stored):,}",
    }
    for rnn in rnns.values()
).set_axis([str(sharing) for sharing in SHARINGS])

# %% [markdown]
# ## Tied is the RNN that everybody knows
#
# With the same weights it computes what `flax.nnx.RNN` does. Its gradient is the sum of
# the untied gradients over the steps: to share weights is to add up what each step
# would have asked for by itself.

# %%
tied, untied = rnns[Tied()], rnns[Untied(T)]
cell = make_cell(rngs=nnx.Rngs(0))
nnx.update(cell, tied.stored)  # the same weights in Flax's layer ...
nnx.update(untied, {"weights": expand(Tied(), tied.stored, T)})  # ... and at each step
inputs = jax.random.normal(jax.random.key(1), (8, T, 12))


def loss(rnn):
    return jnp.mean(rnn(inputs) ** 2)


def relative_difference(these, those):
    pairs = zip(jax.tree.leaves(these), jax.tree.leaves(those), strict=True)
    return max(float(jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(b))) for a, b in pairs)


summed = jax.tree.map(lambda gradient: jnp.sum(gradient, 0), nnx.grad(loss)(untied))
pd.Series(
    {
        "outputs: tied and flax.nnx.RNN": relative_difference(
            tied(inputs), nnx.RNN(cell)(inputs)
        ),
        "gradients: tied and untied, summed": relative_difference(
            nnx.grad(loss)(tied), summed
        ),
    },
    name="largest relative difference",
).to_frame().map("{:.0e}".format)

# %% [markdown]
# ## Four models on one task
#
# ItalyPowerDemand holds the electricity demand of single days, hour by hour: is it a
# day of the winter half of the year, or of the summer half? Step 7 is the same hour of
# the day in every sequence, which is where weights of their own could pay. The four
# models differ in the sharing alone: the same GRU with 16 hidden features, the same
# recipe, the same two seeds, one seed on each device.

# %%
task = tasks.italy_power_demand()
SEEDS = (0, 1)


def train(sharing):
    setting = Setting(
        make_task=tasks.italy_power_demand,
        cell=GRUCell,
        sharing=sharing,
        hidden_features=16,
        learning_rate=3e-3,
        recipe=Recipe(num_steps=400, validate_every=20, patience=None),
    )
    curves = [{} for _ in SEEDS]  # step -> loss

    def on_chunk(step, measured):
        for i, row in measured.items():
            curves[i][step] = row["validation_loss"]

    replicas = [(task, seed, setting.learning_rate) for seed in SEEDS]
    fitted = fit(setting.make_model(), setting.recipe, replicas, on_chunk=on_chunk)
    return setting.num_parameters(), curves, fitted.metrics


trained = {sharing: train(sharing) for sharing in SHARINGS}


# %%
def draw_curves(trained, chance):
    figure = style.new_figure(height=4.2)
    panel = figure.subplots()
    for sharing, (_, curves, _) in trained.items():
        colour = style.colour_of(sharing)
        for label, curve in zip((str(sharing), None), curves, strict=True):
            steps, losses = list(curve), list(curve.values())
            panel.semilogy(steps, losses, color=colour, lw=2, label=label)
    style.mark_level(panel, chance, "chance")
    panel.set_xlim(left=0)
    panel.legend(loc="lower left", frameon=False, fontsize=style.FONT - 2)
    style.dress(panel, "optimiser step", "validation loss (nats)", grid="y")
    return figure


draw_curves(trained, task.baselines["chance"]["loss"])

# %%
def mean(metrics, name):
    return np.mean([row[name] for row in metrics])


rows = {
    str(sharing): {
        "parameters": f"{count:,}",
        "validation loss": f"{mean(metrics, 'validation_loss'):.4f}",
        "test loss": f"{mean(metrics, 'test_loss'):.2f}",
        **{
            f"test accuracy, seed {seed}": f"{row['test_accuracy']:.1%}"
            for seed, row in zip(SEEDS, metrics, strict=True)
        },
    }
    for sharing, (count, _, metrics) in trained.items()
}
pd.DataFrame.from_dict(rows, orient="index")

# %% [markdown]
# The more weight sets a model stores, the lower its validation loss ends: the untied
# one, with 23 times the parameters, at about a ninth of the tied one's. Little of that
# reaches the 1029 test days, where the tied loss is the lowest and the mean accuracies
# of the four lie closer together than the two seeds of `Segments`: 14 validation days,
# two seeds and one learning rate for all decide nothing, which is what studies are for.
#
# ## Where to go next
#
# - `make answer` asks the question with tuned rates, many seeds and intervals.
# - `python -m experiments.train --task=italy_power_demand --sharing=untied` trains one
#   model from the command line; `--help` shows what else it takes.
# - In code of your own, `unroll` needs neither Flax nor an `RNN`: a step function, any
#   pytree of weights, and a sharing.

# %%
def init_cell(key):
    into, back = jax.random.normal(key, (2, 8, 8)) / 3
    return {"input": into[:3], "recurrent": back}


def step(weights, carry, x):
    carry = jnp.tanh(x @ weights["input"] + carry @ weights["recurrent"])
    return carry, carry


sharing = Segments(T, 4)
stored = sharing.init(jax.random.key(0), init_cell)
carry, outputs = unroll(step, sharing, stored, jnp.ones((T, 5, 3)), jnp.zeros((5, 8)))
outputs.shape, jax.tree.map(jnp.shape, stored)
