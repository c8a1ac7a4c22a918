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
# # Your own cell and your own sharing
#
# A cell names its gates and writes one pointwise function; a sharing is three short
# methods. All that the package does with its own it then does with yours: jit, lengths,
# chunks, the fused unroll, the training loop.

# %%
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import nnx

from rnnshare import RNN, AffineCell, GRUCell, Sharing, Tied, Untied, expand
from rnnshare import num_parameters, tasks
from rnnshare.auditing import audit
from rnnshare.plotting import draw_tying_matrices
from rnnshare.training import Recipe, Setting, fit

# %matplotlib inline

# %% [markdown]
# ## A cell
#
# The minimal gated unit: one gate both forgets and resets. `AffineCell` has the two
# affine maps; what is left to write is what happens behind them.

# %%
class MinimalGatedCell(AffineCell):
    """h' = (1 - f) h + f n, with f = sigmoid(a_f + u_f), n = tanh(a_n + f u_n)."""

    gates = ("f", "n")

    @staticmethod
    def activate(carry, from_input, from_hidden):
        input_f, input_n = jnp.split(from_input, 2, axis=-1)
        hidden_f, hidden_n = jnp.split(from_hidden, 2, axis=-1)
        f = nnx.sigmoid(input_f + hidden_f)
        h = (1 - f) * carry + f * jnp.tanh(input_n + f * hidden_n)
        return h, h


# %% [markdown]
# ## A sharing
#
# Weights of their own for the first steps, and one set for all that follow: a model
# that starts up, and then goes on for ever. `init` draws what is stored, `split` parts
# it into what all steps see and what each sees, here a number, and `merge` makes the
# weights of one step of the two.

# %%
@dataclasses.dataclass(frozen=True)
class WarmUp(Sharing):
    """Weights of their own for the first steps, and one set for all others.

    Attributes:
      first: how many steps have weights of their own.
    """

    first: int
    num_steps = None  # it has weights for any step

    def init(self, key, init_cell):
        return jax.vmap(init_cell)(jax.random.split(key, self.first + 1))

    def split(self, stored, steps):
        return stored, jnp.minimum(jnp.asarray(steps), self.first)

    def merge(self, common, per_step_t):
        return jax.tree.map(lambda leaf: leaf[per_step_t], common)


draw_tying_matrices([Tied(), Untied(12), WarmUp(3)], 12)

# %% [markdown]
# ## Both at once, as a layer
#
# Any length, padding, chunks with the carry handed on: `RNN` knows the two no less than
# its own.

# %%
rnn = RNN(functools.partial(MinimalGatedCell, 4, 16), WarmUp(3), rngs=nnx.Rngs(0))
x = jax.random.normal(jax.random.key(0), (8, 50, 4))
lengths = np.array([50, 3, 0, 7, 50, 20, 1, 49])
whole = rnn(x, seq_lengths=lengths)
carry, head = rnn(x[:, :20], return_carry=True)
tail = rnn(x[:, 20:], initial_carry=carry, start=20)
print(whole.shape, num_parameters(rnn.stored))
print("in two chunks:", float(jnp.abs(jnp.concatenate([head, tail], 1) - rnn(x)).max()))

# %% [markdown]
# ## The law that every sharing obeys
#
# Its outputs are those of the un-shared model with its weights, step by step. Three lines
# check it. And what a model shares can be asked of any, whoever wrote it (Flax, Equinox,
# Haiku): `audit` follows every parameter through the traced program.

# %%
print(audit(rnn, x[:, :12]))
untied = RNN(functools.partial(MinimalGatedCell, 4, 16), Untied(50), rngs=nnx.Rngs(0))
untied.load(expand(rnn.sharing, rnn.stored, 50))
float(jnp.abs(untied(x) - rnn(x)).max())

# %% [markdown]
# ## Trained by the loop of the package
#
# On Japanese vowels, spoken by nine men: which of them speaks? A setting says what is
# trained; the cells and sharings stand in it by their classes.

# %%
recipe = Recipe(num_steps=400, validate_every=50, patience=None)
rows = []
for cell in (GRUCell, MinimalGatedCell):
    for sharing in (Tied(), WarmUp(3)):
        setting = Setting(tasks.japanese_vowels, cell, sharing, 32, recipe=recipe)
        replicas = [(tasks.japanese_vowels(0), 0, 1e-2)]
        fitted = fit(setting.make_model(), recipe, replicas)
        rows.append(
            {"cell": cell.__name__, "sharing": str(sharing),
             "parameters": setting.num_parameters(),
             "test accuracy": fitted.metrics[0]["test_accuracy"]}
        )  # fmt: skip
pd.DataFrame(rows).round(3)

# %% [markdown]
# One seed decides nothing; `rnnshare.training.run` trains many, on resampled splits,
# and keeps a row of each. In a study a cell and a sharing live in a module, so that a
# row can name them.
