"""Long sequences: the time and memory of a train step, with remat in blocks or without.

Question: how many steps may a sequence have?
Command:  python -m experiments.benchmark.long_race
Time:     five minutes on 2 cores; less with fewer --num_steps or --rounds.
Expect:   100,000 steps of a tied LSTM within 2.5 GB, of which the outputs and their
          gradient are 1.6.

An LSTM with a read-out at every step is trained by gradient descent. Ways to run are
raced in turn; what the process has held at most is of the largest, so ask for one alone
to know its own.
"""

import functools
import json
import resource

from absl import flags

from experiments.lab import choices
from experiments.lab import flags as common

_STEPS = common.define_integer("num_steps", 100_000, "T.", most=10**8)
_BATCH = common.define_integer("batch_size", 16, "Sequences.", most=10**6)
_HIDDEN = common.define_integer("hidden_features", 128, "H.", most=1_000_000)
_SHARING = common.define_choice(
    "sharing", "tied", ("tied", "untied"), "How the weights are shared across time."
)
_REMAT = flags.DEFINE_multi_enum(
    "remat", ["sqrt"], tuple(choices.REMATS), "What the backward pass makes again: "
    "nothing, each step, or blocks of sqrt(T) steps; several are raced.",
)  # fmt: skip
_ROUNDS = common.define_integer("rounds", 3, "Train steps of each.", most=10**6)


def model(remat, num_steps, hidden, sharing):
    """Returns the factory of a model that reads one feature, and the sharing."""
    from rnnshare import LSTMCell, SequenceModel, Tied, Untied

    shared = Tied() if sharing == "tied" else Untied(num_steps, same_init=True)
    return functools.partial(
        SequenceModel, LSTMCell, 1, hidden, 1, shared, readout="every", remat=remat
    )


def contender(remat, num_steps, batch_size, hidden, sharing):
    """Returns a train step that learns the running sum of the inputs."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from experiments.lab.racing import compiled
    from rnnshare.cells.blueprint import Blueprint, pure_params

    make = model(remat, num_steps, hidden, sharing)
    blueprint, params = Blueprint.of(make), pure_params(make(rngs=nnx.Rngs(0)))
    inputs = jax.random.normal(jax.random.key(0), (batch_size, num_steps, 1))
    targets = jnp.cumsum(inputs, 1) / num_steps**0.5

    def train_step(params, inputs, targets):
        def loss_of(params):
            return jnp.mean((blueprint.bind(params)(inputs) - targets) ** 2)

        gradient = jax.grad(loss_of)(params)
        return jax.tree.map(lambda w, g: w - 1e-3 * g, params, gradient)

    return compiled(train_step, params, inputs, targets)


def needed(remat, num_steps, batch_size, hidden, sharing):
    """Returns {what needs it: bytes}, at the least, of one way to run."""
    from rnnshare.cells.blueprint import Blueprint
    from rnnshare.sharing.base import num_parameters

    make = model(remat, 2, hidden, sharing)
    size = num_parameters(list(Blueprint.of(make).shapes))
    if sharing == "untied":
        size *= num_steps / 2
    kept = 2 * num_steps * batch_size * hidden
    return {
        "weights, old and new, and gradient": 4 * 3 * size,
        "outputs and their gradient": 4 * kept,
    }


def prepare():
    """Returns what is raced, which the machine has room for."""
    from experiments.lab import machine

    sizes = _STEPS.value, _BATCH.value, _HIDDEN.value, _SHARING.value
    for name in _REMAT.value:
        machine.require(needed(choices.REMATS[name], *sizes))
    return (sizes,)


def main(sizes) -> None:
    """Runs the race and prints its figures as JSON."""
    from experiments.lab.racing import race, summary

    contenders = {
        name: contender(choices.REMATS[name], *sizes) for name in _REMAT.value
    }
    found = summary(contenders, race(contenders, _ROUNDS.value))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"peak_resident_gb": peak, **found}))


if __name__ == "__main__":
    common.run(main, prepare=prepare, on_devices=False)
