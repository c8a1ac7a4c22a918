"""Faults planted in a training are found, named, and met as the recipe says."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rnnshare.tasks import Batch, Task
from rnnshare.tasks.base import as_pytree
from rnnshare.training import Checkpoints, Recipe, fit, nonfinite
from rnnshare.training.fitting import Loop, Replica
from tests.cases import with_slow

NUM_STEPS, EVERY, RATE = 24, 4, 0.05
NONE, INPUTS, TARGETS, LOSS, GRADIENT, METRIC = range(6)


class Line(nnx.Module):
    """y = x w, called as `SequenceModel` is."""

    def __init__(self, *, rngs):
        self.w = nnx.Param(jax.random.normal(rngs.params(), (2,)))

    def __call__(self, inputs, *, seq_lengths=None, rngs=None):
        return inputs @ self.w[...]


@as_pytree("fault", "first", "last", "key")
@dataclasses.dataclass(frozen=True)
class Planted(Task):
    """A line, with a fault in the batches of some steps, counted from 1.

    Attributes:
      fault: which.
      first, last: the steps.
      key: where not 0, only the batch of this key has it.
    """

    fault: int
    first: int = 0
    last: int = 0
    key: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2, np.uint32))
    name = "planted"
    num_steps, in_features, out_features = 1, 2, 1

    def sample(self, key, batch_size):
        inputs = jax.random.normal(key, (batch_size, 2))
        return Batch(inputs, 10 * inputs[:, 0], None, jnp.bool(False))

    def sample_at(self, key, batch_size, progress):
        batch = self.sample(key, batch_size)
        step = jnp.round(progress * NUM_STEPS).astype(jnp.int32) + 1
        hit = (step >= self.first) & (step <= self.last)
        hit &= jnp.all((self.key == 0) | (self.key == jax.random.key_data(key)))
        inputs = jnp.where(hit & (self.fault == INPUTS), jnp.inf, batch.inputs)
        targets = jnp.where(hit & (self.fault == TARGETS), jnp.nan, batch.targets)
        targets = jnp.where(hit & (self.fault == LOSS), 1e30, targets)
        return Batch(inputs, targets, None, hit & (self.fault == GRADIENT))

    def held_out(self, split):
        return self.sample(jax.random.key(len(split)), 8)

    def loss(self, outputs, batch):
        # 0, of an infinite slope, where the mask says so.
        zero = outputs[0] - jax.lax.stop_gradient(outputs[0])
        root = jnp.sqrt(jnp.where(batch.mask, zero, 1.0))
        return jnp.mean((outputs - batch.targets) ** 2) + root

    def metrics(self, outputs, batch):
        score = jnp.where(self.fault == METRIC, jnp.nan, 0.0)
        return {"loss": self.loss(outputs, batch), "score": score}


def key_of_batch(seed, step):
    """The key of a batch, by the loop's own rule; steps count from 1 here."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 1), step - 1)


KEY = np.asarray(jax.random.key_data(key_of_batch(7, 6)))
# Each its seed, by its place: the task, and the step and words of the first fault.
CASES = [
    (Planted(NONE), None, ""),
    (Planted(INPUTS, 6, 6), 6, "the batch's inputs"),
    (Planted(TARGETS, 6, 6), 6, "the batch's targets"),
    (Planted(LOSS, 6, 6), 6, "the loss"),
    (Planted(GRADIENT, 6, 6), 6, "the gradient of w"),
    (Planted(GRADIENT, 8, 8), 8, "the gradient of w"),
    (Planted(METRIC), 4, "validation_score"),
    (Planted(INPUTS, 6, 6, KEY), 6, "the batch's inputs"),
    (Planted(INPUTS, 6, NUM_STEPS), 6, "the batch's inputs"),
    (Planted(NONE), 1, "the update of w"),  # at a rate that takes it past float32
]
RATES = [RATE] * 9 + [3e38]
# The step at which each diverges, and how many steps are skipped, how often it goes
# back. A loss tells of a bad gradient one step later, if there is one in its chunk.
EXPECTED = {
    "stop": ([None, 6, 6, 6, 7, 8, 4, 6, 6, 2], [None] * 10),
    "skip": (
        [None, None, None, None, None, None, 4, None, 15, 10],
        [0, 1, 1, 1, 1, 1, 0, 1, 11, 12],
    ),
    "rollback": ([None, 6, 6, 6, 7, 8, 4, None, 6, 2], [0, 3, 3, 3, 3, 3, 3, 1, 3, 3]),
}


def recipe(policy, **options):
    options = {"optimizer": optax.sgd, **options}
    return Recipe(
        NUM_STEPS, 4, EVERY, None, None, keep="last", on_nonfinite=policy, **options
    )


def trained(made, cases, rates, **options):
    replicas = [
        (task, seed, rate)
        for seed, (task, rate) in enumerate(zip(cases, rates, strict=True))
    ]
    return fit(Line, made, replicas, **options)


@pytest.mark.parametrize(
    ("policy", "per_device"),
    with_slow([("stop", 1), ("skip", 5), ("rollback", 5)], {("rollback", 5)}),
)
def test_faults_are_named_and_met(policy, per_device, tmp_path, capsys):
    told = []
    out = trained(
        recipe(policy), [case[0] for case in CASES], RATES,
        per_device=per_device, checkpoints=tmp_path, checkpoint_every=0.0,
        on_chunk=lambda step, rows: told.extend((i, step) for i in rows),
    )  # fmt: skip
    diverged, counted = EXPECTED[policy]
    assert [row["diverged"] for row in out.metrics] == diverged
    column = {"skip": "skipped", "rollback": "rolled_back"}.get(policy)
    assert [row.get(column) for row in out.metrics] == counted
    assert len(told) == len(set(told))  # each step once
    assert all(np.isfinite(params["w"]).all() for params in out.params)
    for row in out.metrics:
        finite = [np.isfinite(row[f"{s}_loss"]) for s in ("train", "validation")]
        assert finite == [row["diverged"] is None] * 2

    lines = capsys.readouterr().err.splitlines()
    for seed, (_, step, words) in enumerate(CASES):
        mine = [line for line in lines if line.startswith(f"seed {seed}, ")]
        assert bool(mine) == (step is not None)
        begin = f"seed {seed}, learning rate {RATES[seed]:g}, step {step}: {words} is "
        named = mine[:1] if policy == "skip" else mine  # once, and when it diverges
        assert [line[: len(begin)] for line in named] == [begin] * len(named)
        lost = "it has diverged" in "".join(mine[-1:])
        assert lost == (diverged[seed] is not None)
        if policy == "rollback" and mine:
            assert len(mine) == counted[seed] + lost

    if policy != "stop":
        np.testing.assert_allclose(out.params[7]["w"], by_hand(policy), rtol=1e-5)
    with np.load(Checkpoints(tmp_path).newest().path / "arrays.npz") as arrays:
        names = [name for name in arrays if "params/" in name]
        assert len(names) == 2 * len(CASES)
        assert all(np.isfinite(arrays[name]).all() for name in names)


def by_hand(policy, seed=7):
    """Returns the weights of that seed, whose sixth batch has a fault, by NumPy.

    Without that step, or with batches of another stream from the last validation on.
    """
    replica = Replica(CASES[0][0], jnp.uint32(seed), jnp.float32(RATE))
    w = np.asarray(Loop(Line, recipe(policy)).init(replica).params["w"])
    for step in range(1, NUM_STEPS + 1):
        key = key_of_batch(seed, step)
        if policy == "rollback" and step > EVERY:
            other = jax.random.fold_in(jax.random.key(seed), 3)
            key = jax.random.fold_in(jax.random.fold_in(other, 1), step - 1)
        batch = jax.device_get(CASES[seed][0].sample(key, 4))
        if policy != "skip" or step != 6:
            error = batch.inputs @ w - batch.targets
            w = w - RATE * 2 * error @ batch.inputs / 4
    return w


def sign_sgd(rate):
    return optax.chain(optax.scale_by_sign(), optax.sgd(rate))


@pytest.mark.parametrize(("optimizer", "diverged"), [(sign_sgd, 0), (optax.lion, 8)])
def test_an_infinite_gradient_is_found_by_what_it_leaves(optimizer, diverged):
    """Its sign is finite, and leaves nothing; the mean of past ones is infinite."""
    loop = Loop(Line, recipe("stop", optimizer=optimizer))
    replica = Replica(Planted(GRADIENT, 6, 6), jnp.uint32(0), jnp.float32(RATE))
    state, chunk = loop.init(replica), jax.jit(loop.chunk)
    for _ in range(2):
        state, _ = chunk(replica, state)
    assert np.isfinite(state.params["w"]).all()
    assert int(state.diverged) == diverged


def test_a_policy_that_is_none_is_refused():
    with pytest.raises(
        ValueError, match=r"on_nonfinite is 'go'\. Use 'stop', 'skip' or"
    ):
        recipe("go")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [("after", 0), ("after", 3), ("both", 1), (None, 0)])
def test_all_at_once_is_each_by_itself(bad, place):
    """What the loop asks of all leaves together is what is asked of each to name it."""
    which, index = place
    dtypes = (jnp.float32, jnp.bfloat16, jnp.int32, jnp.complex64, jnp.float32)
    before = [np.ones((2, 3), dtype) for dtype in dtypes] + [np.float32(1)]
    after = [leaf.copy() for leaf in before]
    if which is not None:
        after[index][1, 2] = bad
    if which == "both":
        before[index][1, 2] = bad
    finite = nonfinite.all_finite(after)
    still = nonfinite.still_finite(before, after)
    assert bool(finite) == (which is None)
    assert bool(still) == (which != "after")
    assert finite == nonfinite.every(nonfinite.each_finite(after))
    assert still == nonfinite.every(nonfinite.each_still_finite(before, after))
