"""The benchmark's study: 8 seeds of one model, by rnnshare and by conventional loops.

Question: what does a study of several seeds cost?
Command:  python -m experiments.benchmark.study_race
Time:     two minutes on 2 cores.
Expect:   rnnshare several times faster than a loop of one jitted step a batch.

`experiments.benchmark` runs this in a process of its own, as it makes the cores of a
CPU as many devices. Every contender trains an LSTM with a linear read-out by Adam on
the same batches of the drift task, seed after seed or all at once. Times are of runs
after a first one, which compiles.
"""

import functools
import json
import time

from experiments.lab import flags as common

_SEEDS = common.define_integer("num_seeds", 8, "Seeds of the study.", most=10_000)
_STEPS = common.define_integer("num_steps", 300, "Training steps.", most=10**9)
_ROUNDS = common.define_integer("rounds", 7, "Runs of each contender.", most=10**6)

BATCH, HIDDEN, RATE, EXAMPLES = 32, 32, 1e-3, 1_000


def rnnshare_study(num_seeds, num_steps, task, num_devices):
    """Returns a function that trains all seeds by `rnnshare.training.fit`."""
    import jax

    from rnnshare import LSTMCell, Tied
    from rnnshare.training import Recipe, Setting, fit

    recipe = Recipe(num_steps, BATCH, validate_every=num_steps, patience=None)
    setting = Setting(lambda split: task, LSTMCell, Tied(), HIDDEN, RATE, recipe)
    model = setting.make_model()
    mesh = jax.sharding.Mesh(jax.devices()[:num_devices], ("replica",))
    replicas = [(task, seed, RATE) for seed in range(num_seeds)]
    return lambda: fit(model, recipe, replicas, mesh=mesh).metrics


def batches_of(task, seed, num_steps):
    """Returns the batches of a seed, made beforehand."""
    import jax

    sample = jax.jit(functools.partial(task.sample, batch_size=BATCH))
    keys = jax.random.split(jax.random.key(seed), num_steps)
    return jax.block_until_ready([sample(key) for key in keys])


def _model(task, seed):
    import jax.numpy as jnp
    from flax import nnx

    class Model(nnx.Module):
        def __init__(self, rngs):
            cell = nnx.OptimizedLSTMCell(task.in_features, HIDDEN, rngs=rngs)
            self.rnn = nnx.RNN(cell)
            self.readout = nnx.Linear(HIDDEN, task.out_features, rngs=rngs)

        def __call__(self, inputs):
            # A carry of its own would draw random numbers, which plain jit refuses.
            zero = jnp.zeros((len(inputs), HIDDEN))
            return self.readout(self.rnn(inputs, initial_carry=(zero, zero)))

    return Model(nnx.Rngs(seed))


def flax_study(num_seeds, num_steps, task):
    """Returns a function that trains seed after seed by a step under `nnx.jit`."""
    import jax
    import optax
    from flax import nnx

    data = [batches_of(task, seed, num_steps) for seed in range(num_seeds)]

    @nnx.jit
    def step(model, optimizer, batch):
        def loss_of(model):
            return task.loss(model(batch.inputs), batch)

        loss, gradient = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, gradient)
        return loss

    def run():
        losses = []
        for seed in range(num_seeds):
            model = _model(task, seed)
            optimizer = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)
            for batch in data[seed]:
                loss = step(model, optimizer, batch)
            losses.append(float(jax.block_until_ready(loss)))
        return losses

    return run


def jax_study(num_seeds, num_steps, task):
    """Returns a function that trains seed after seed by a plain `jax.jit` of a step."""
    import jax
    import optax
    from flax import nnx

    data = [batches_of(task, seed, num_steps) for seed in range(num_seeds)]
    graph, _, rest = nnx.split(_model(task, 0), nnx.Param, ...)  # type: ignore[misc]
    optimizer = optax.adam(RATE)

    @jax.jit
    def step(params, state, batch):
        def loss_of(params):
            return task.loss(nnx.merge(graph, params, rest)(batch.inputs), batch)

        loss, gradient = jax.value_and_grad(loss_of)(params)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, loss

    def run():
        losses = []
        for seed in range(num_seeds):
            params = nnx.state(_model(task, seed), nnx.Param)
            state = optimizer.init(params)
            for batch in data[seed]:
                params, state, loss = step(params, state, batch)
            losses.append(float(jax.block_until_ready(loss)))
        return losses

    return run


def study(num_seeds, num_steps, rounds):
    """Returns {contender: first run, median and quartiles in seconds}."""
    import jax

    from experiments.lab.racing import Contender, race, summary
    from rnnshare import tasks

    task = tasks.drift(amount=0.2, num_examples=EXAMPLES)
    devices = jax.device_count()
    runs = {
        f"rnnshare, {n} device{'s' * (n > 1)}": rnnshare_study(
            num_seeds, num_steps, task, n
        )
        for n in sorted({1, devices})
    }
    runs["nnx.jit loop"] = flax_study(num_seeds, num_steps, task)
    runs["jax.jit loop"] = jax_study(num_seeds, num_steps, task)
    first = {}
    for name, run in runs.items():
        begin = time.perf_counter()
        run()
        first[name] = time.perf_counter() - begin
    contenders = {name: Contender(run) for name, run in runs.items()}
    found = summary(contenders, race(contenders, rounds))
    return {name: {**found[name], "first_s": first[name]} for name in found}


def prepare():
    """Raises unless there is room for the batches, which are made beforehand."""
    import jax

    from experiments.lab import machine
    from rnnshare import tasks

    task = tasks.drift(amount=0.2, num_examples=EXAMPLES)
    batch = jax.eval_shape(lambda: task.sample(jax.random.key(0), BATCH))
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(batch))
    what = f"{_SEEDS.value:,} times {_STEPS.value:,} batches"
    machine.require({what: 2 * size * _SEEDS.value * _STEPS.value})  # of two contenders
    return ()


def main() -> None:
    """Runs the study and prints its figures as JSON."""
    print(json.dumps(study(_SEEDS.value, _STEPS.value, _ROUNDS.value)))


if __name__ == "__main__":
    common.run(main, prepare=prepare)
