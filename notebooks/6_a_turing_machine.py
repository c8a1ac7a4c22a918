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
# # A Turing machine in one tied cell
#
# What does sharing cost in power? Nothing: a single recurrent cell with the same weights
# at every step computes whatever a Turing machine does (Siegelmann and Sontag, 1995). It
# is compiled here, not trained, and run beside the machine that it came from.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from rnnshare import num_parameters
from rnnshare.machines import (
    bits_of,
    compile_stacks,
    first_error,
    follow_exactly,
    follow_in_floats,
    load,
    moments_of,
    run_tape,
    stacks_at_start,
)

# %matplotlib inline

# %% [markdown]
# ## The machine
#
# It adds one to a binary number: it seeks the right end, carries leftwards, and comes
# back. Nine rules of state and symbol: what to write, where to move, what to be next.

# %%
machine = load("increment")
pd.DataFrame(
    [(state, symbol, move.symbol, move.direction, move.state)
     for (state, symbol), move in machine.moves.items()],
    columns=["state", "reads", "writes", "moves", "becomes"],
)  # fmt: skip

# %% [markdown]
# ## The cell
#
# A tape with a head is two stacks, left and right of it. A stack is one number, its
# symbols the digits behind the point, so that a push divides and a pop multiplies. The
# cell is Elman's, `h' = clip(h U + b, 0, 1)`, with no input at all; three of its steps
# are one of the machine's.

# %%
number = "1011"
start = (list(number), 0)
stacked, stacks = stacks_at_start(machine, start)
compiled = compile_stacks(stacked)
count = num_parameters(compiled.cell.stored())
print(f"{len(compiled.cell.units)} units, {count:,} parameters")
print("weights used:", sorted({*np.unique(compiled.cell.recurrent_kernel).tolist()}))

# %% [markdown]
# ## It runs
#
# All units over time, read after every third step; the machine's states are the rows at
# the top, the stacks' numbers further down. One matrix does it all, again and again.

# %%
STEPS = 14
inputs = np.zeros((compiled.cell_steps * STEPS, 0))
carry = compiled.encode_floats(stacks, bits=24)
_, outputs = compiled.cell.run(inputs, carry)
seen = np.concatenate([carry[None], outputs[compiled.cell_steps - 1 :: 3]])
units = compiled.state_units + [u for stack in compiled.stack_units for u in stack]
figure, panel = plt.subplots(figsize=(7, 3.6))
panel.imshow(seen[:, units].T, aspect="auto", cmap="Blues", vmin=0, vmax=1)
panel.set_yticks(range(len(units)))
names = [compiled.cell.units[u].removeprefix("act ") for u in units]
panel.set_yticklabels(names, fontsize=8)
panel.set_xlabel("step of the machine")
plt.show()

# %% [markdown]
# Beside it, the machine on its tape: the cell's states are its states at every step.

# %%
rows = []
for step, moment in enumerate(run_tape(machine, *start[:1], STEPS, start[1])):
    at = int(np.argmax(seen[step, compiled.state_units]))
    cells = range(min(moment.tape), max(moment.tape) + 1)
    rows.append(
        {"tape": "".join(moment.tape.get(i, "_") for i in cells), "head": moment.head,
         "machine's state": moment.state, "cell's state": stacked.states[at]}
    )  # fmt: skip
pd.DataFrame(rows)

# %% [markdown]
# ## For ever?
#
# In exact arithmetic for ever. In floats a stack is as deep as its mantissa is long:
# the step of the first error is known beforehand, and it is met to the step. A longer
# number shows it.

# %%
rng = np.random.default_rng(0)
long = ("".join(rng.choice(["0", "1"], 30)) + "1" * 10, 0)
program, held = stacks_at_start(machine, (list(long[0]), long[1]))
most = 100
rows = {}
exact = follow_exactly(compile_stacks(program), moments_of(machine, long, most))
rows["exact"] = {"predicted": None, "first error": exact.first_error}
for dtype in (np.float32, np.float64):
    bits = bits_of(dtype)
    (found,) = follow_in_floats(compiled, [moments_of(machine, long, most)], dtype)
    predicted = first_error(program, compiled.code, held, most, bits)
    rows[dtype.__name__] = {"predicted": predicted, "first error": found.first_error}
pd.DataFrame(rows).T

# %% [markdown]
# ## Where to go next
#
# `python -m experiments.universality` runs eleven machines, the busy beaver of five
# states for a million steps among them, and trains nothing. That a tied network *can*
# compute it does not say that gradient descent finds it: `length_generalisation` asks
# that.
