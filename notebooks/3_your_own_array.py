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
# # Your own array, tied and untied
#
# An array of sequences, what to predict of each, and ten lines: shared weights, weights
# of each step's own, and two ways between are trained on the same splits and seeds.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from rnnshare import GRUCell, LowRank, Tied, TimeInput, Untied, tasks
from rnnshare.analysis.statistics import paired_difference
from rnnshare.cells.blueprint import Blueprint
from rnnshare.plotting import COLOURS
from rnnshare.training import Recipe, Setting, fit

# %% [markdown]
# ## The array
#
# Put yours here: `x` is [sequences, steps, features], or [sequences, steps] of one
# feature; `y` has an answer for each sequence: strings or integers are classes, floats
# are values. This one is 600 days of 24 hours, and the evening is `high` if there was
# more at 7 o'clock than at 15.

# %%
T = 24
rng = np.random.default_rng(0)
x = rng.standard_normal((600, T)).astype(np.float32)
y = np.where(x[:, 7] > x[:, 15], "high", "low")

# %% [markdown]
# ## Ten lines
#
# `from_arrays` checks the array, parts it anew for every split, and measures its numbers
# by the training part. `fit` trains a model once for each (task, seed, rate).

# %%
make_task = tasks.from_arrays(x, y)
recipe = Recipe(num_steps=600, validate_every=100, patience=None)
rows, params, settings = [], {}, {}
for sharing in (Tied(), Untied(T, same_init=True), LowRank(T, 2), TimeInput(period=T)):
    setting = Setting(make_task, GRUCell, sharing, 32, recipe=recipe)
    runs = [(make_task(seed), seed, 1e-2) for seed in range(4)]
    fitted = fit(setting.make_model(), recipe, runs)
    params[sharing], settings[sharing] = fitted.params[0], setting
    for seed, found in enumerate(fitted.metrics):
        rows.append({"sharing": str(sharing), "seed": seed, **found})
table = pd.DataFrame(rows)

# %%
means = table.groupby("sharing", sort=False)[["train_accuracy", "test_accuracy"]].mean()
means.round(3)

# %% [markdown]
# ## Is that more than luck?
#
# Seed by seed each model saw the same split, so that differences are paired.

# %%
accuracy = table.pivot(index="seed", columns="sharing", values="test_accuracy")
for name in accuracy.columns.drop("Tied()"):
    apart = paired_difference(accuracy[name], accuracy["Tied()"])
    print(f"{name}: {apart:+.3f} of accuracy more than Tied()")

# %% [markdown]
# ## Which steps does a model read?
#
# How much the answer moves with the input of each step, over the test set of split 0.
# The tied model reads all steps alike; weights of one's own pick the two that count.

# %%
inputs = make_task(0).held_out("test").inputs


def moves(sharing):
    model = Blueprint.of(settings[sharing].make_model()).bind(params[sharing])
    slopes = jax.vmap(jax.grad(lambda x: jnp.subtract(*model(x[None])[0])))(inputs)
    return jnp.abs(slopes).mean((0, 2))


figure, panel = plt.subplots(figsize=(6.4, 2.8))
for sharing in (Tied(), Untied(T, same_init=True)):
    name = type(sharing).__name__
    panel.plot(moves(sharing), "o-", color=COLOURS[name], label=name)
panel.set(xlabel="step", ylabel="mean size of the slope")
panel.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Without a line of code
#
# `python -m experiments.compare --data=FILE.csv --target=COLUMN` does it on a table: it
# tunes each sharing by itself, trains as many seeds as five minutes allow, and writes a
# page with its recommendation, 'cannot tell' among them, and the model.
