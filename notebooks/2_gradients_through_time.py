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
# # Gradients through time
#
# Back-propagation through time visits every step twice over: the gradient passes from
# carry to carry, and at each step it leaves a demand on that step's weights. A tied
# model adds the demands up. This notebook measures both, and shows that the demands
# themselves say whether one set of weights is enough.

# %%
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import nnx

from rnnshare import RNN, ElmanCell, GRUCell, LSTMCell, Tied, Untied, tasks, unroll
from rnnshare.cells.blueprint import Blueprint
from rnnshare.models.rnn import step_of
from rnnshare.plotting.weights import draw_similarity, draw_step_norms
from rnnshare.sharing.measures import carry_gradients, nudged, per_step_gradients
from rnnshare.sharing.measures import step_norms
from rnnshare.training import Recipe, Setting, fit

# %matplotlib inline

# %% [markdown]
# ## How far back does the last answer reach?
#
# The loss reads the last output alone. A nudge of zero is added to every carry, and the
# gradient at the nudges is what reaches each step. At their first weights Elman's cell
# and the GRU forget alike, a tenth every five or six steps; the LSTM's forget gate begins
# open, and over 60 steps it lets through a hundred thousand times as much.

# %%
T, B, D, H = 60, 16, 8, 32
inputs = jax.random.normal(jax.random.key(0), (T, B, D))


def reaching(cell):
    """Returns the norm of the gradient at the carry of each step."""
    make_cell = functools.partial(cell, D, H)
    rnn = RNN(make_cell, Tied(), rngs=nnx.Rngs(0))
    carry = make_cell(rngs=nnx.Rngs(0)).initialize_carry((B, D))
    step = nudged(step_of(Blueprint.of(make_cell)))

    def loss(nudges):
        _, outputs = unroll(step, Tied(), rnn.stored, (inputs, nudges), carry)
        return jnp.sum(outputs[-1] ** 2) / B

    return step_norms(carry_gradients(loss, carry, T))


draw_step_norms(
    {cell.__name__: reaching(cell) for cell in (ElmanCell, GRUCell, LSTMCell)},
    "gradient of the last answer at the carry",
)

# %% [markdown]
# ## What each step would ask for
#
# Two tasks: the rule by which inputs make targets is one at every step (drift 0), or it
# moves by up to .2 from step to step. A tied GRU is trained on each. What is left of its
# gradient is a sum over the steps: do they ask for the same?

# %%
STEPS = 20
recipe = Recipe(num_steps=1_500, validate_every=100, patience=None)
models = {}
for amount in (0.0, 0.2):
    make_task = functools.partial(tasks.drift, amount=amount, num_steps=STEPS)
    setting = Setting(make_task, GRUCell, Tied(), 32, recipe=recipe)
    fitted = fit(setting.make_model(), recipe, [(make_task(0), 0, 1e-2)])
    models[amount] = make_task, fitted.params[0]
    print(f"drift {amount}: test loss {fitted.metrics[0]['test_loss']:.3f}")

# %% [markdown]
# `per_step_gradients` returns the demand of every step: a stack of gradients, one for
# each step's weights, at the weights that all of them share.

# %%
def demands(make_task, params):
    task = make_task(0)
    batch = task.held_out("train")
    untied = Blueprint.of(Setting(make_task, GRUCell, Untied(STEPS), 32).make_model())
    stored = params["layers"][0]["weights"]

    def loss(weights):
        layers = {0: {**params["layers"][0], "weights": weights}}
        model = untied.bind({**params, "layers": layers})
        return task.loss(model(batch.inputs), batch)

    return per_step_gradients(loss, Tied(), stored, STEPS)


gradients = {f"drift {a}": demands(*pair) for a, pair in models.items()}
rows = {}
for name, stack in gradients.items():
    total = jax.tree.map(lambda leaf: jnp.sum(leaf, 0, keepdims=True), stack)
    rows[name] = {
        "norm of the sum": f"{step_norms(total)[0]:.4f}",
        "sum of the norms": f"{step_norms(stack).sum():.4f}",
    }
pd.DataFrame(rows).T

# %% [markdown]
# Where the rule is one, most of the demands add up; where it moves, more than half of
# them cancel. The picture shows between whom: of any two steps, blue where both ask for
# the same change, white where their demands have nothing to do with each other, red
# where what helps one step harms the other.

# %%
draw_similarity(gradients, of="gradients")

# %% [markdown]
# Under one rule neighbours agree, as they have the same mistakes to mend; under a rule
# that moves hardly any two steps do. This is what a score test asks: do demands change
# with time by more than chance would make them? `python -m experiments.should_i_untie` does it with intervals, on a task of this
# package or on a file of yours, and says what un-tying would gain.
#
# ## Where to go next
#
# - Notebook 4 looks at the weights that an un-shared model ends with.
# - `rnnshare.analysis.score_test` is the test; `per_step_gradients` takes any loss.

# %%
{name: np.round(step_norms(stack)[:5], 4).tolist() for name, stack in gradients.items()}
