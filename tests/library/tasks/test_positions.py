"""Tasks about positions: drawn training sets, the local rule, patches, the grammar."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare.models.sequence_model import BagOfSteps
from rnnshare.tasks import LocalRule, SignalPatch, WordOrder
from rnnshare.tasks.grammar import CLAUSE_FIRST, TIME_FIRST, vocabulary, weathers, words

PATCHES = SignalPatch(7, 3, num_steps=4, num_features=5)


def rows(batch):
    return [leaf.tolist() for leaf in jax.device_get(batch.inputs)]


def test_a_training_set_has_n_examples_and_another_seed_has_others():
    sample = jax.jit(lambda task, key: task.sample(key, 200))
    seen = {str(row) for row in rows(sample(PATCHES, jax.random.key(0)))}
    assert len(seen) == 7
    again = {str(row) for row in rows(sample(PATCHES, jax.random.key(1)))}
    assert again == seen
    other = dataclasses.replace(PATCHES, seed=np.uint32(4))
    assert not seen & {str(row) for row in rows(sample(other, jax.random.key(0)))}
    larger = dataclasses.replace(PATCHES, num_examples=np.int32(50))
    more = {str(row) for row in rows(sample(larger, jax.random.key(0)))}
    assert seen < more or len(more & seen) >= 5  # its first seven are the same
    assert sample._cache_size() == 1
    held = jax.device_get(PATCHES.held_out("train").inputs)
    assert {str(row.tolist()) for row in held} == seen
    for split in ("validation", "test"):
        assert not seen & {str(row) for row in rows(PATCHES.held_out(split))}


def test_the_local_rule_by_its_definition():
    task = LocalRule.of(9, split=2)
    assert task.shown.sum() == 4
    assert not np.array_equal(task.shown, LocalRule.of(9, split=3).shown)
    batch = jax.device_get(task.sample(jax.random.key(0), 30))
    for i in range(30):
        before = -1
        for t in range(9):
            assert batch.targets[i, t] == (batch.inputs[i, t, 0] != before)
            before = batch.inputs[i, t, 0]
        np.testing.assert_array_equal(batch.mask[i], task.shown)
    right = jax.nn.one_hot(batch.targets, 2)
    wrong_where_unseen = jnp.where(batch.mask[..., None], right, 1 - right)
    found = task.metrics(wrong_where_unseen, batch)
    assert (found["accuracy"], found["accuracy_unseen"]) == (1.0, 0.0)


def test_a_patch_carries_the_sign_and_the_oracle_reads_it():
    task = SignalPatch(10, 0, num_steps=8, num_held_out=4_000)
    batch = jax.device_get(task.held_out("test"))
    projections = batch.inputs @ task.direction  # [B, T]
    signs = 2 * batch.targets - 1
    # One step stands out by the strength, the others are noise: of mean 0, variance 1.
    moved = projections * signs[:, None]
    assert moved.sum(1).mean() == pytest.approx(5.0, abs=0.15)
    assert moved.mean(0) == pytest.approx(np.full(8, 5 / 8), abs=0.15)
    likelihoods = [np.logaddexp.reduce(s * 5 * projections, axis=1) for s in (1, -1)]
    accuracy = np.mean((likelihoods[0] > likelihoods[1]) == batch.targets)
    lines = task.baselines
    assert accuracy == pytest.approx(lines["oracle"]["accuracy"], abs=0.01)
    assert lines["oracle"]["accuracy"] > 0.98
    assert np.mean(batch.targets) == pytest.approx(0.5, abs=0.03)


def test_flipped_labels_are_draws_of_one_distribution_in_every_split():
    clean = SignalPatch(500, 1, num_steps=4, num_held_out=4_000)
    noisy = dataclasses.replace(clean, label_noise=np.float32(0.2))
    assert (clean.name, noisy.name) == (
        "signal_patch_4_n500", "signal_patch_4_n500_noise0.2",
    )  # fmt: skip
    held_out = jax.jit(lambda task, split: task.held_out(split), static_argnums=1)
    for split in ("train", "test"):
        before, after = held_out(clean, split), held_out(noisy, split)
        np.testing.assert_array_equal(before.inputs, after.inputs)
        flipped = np.asarray(before.targets != after.targets)
        assert flipped.mean() == pytest.approx(0.2, abs=0.05 if split == "train"
                                               else 0.02)  # fmt: skip
        if split == "train":  # an example's label is the same each time it is drawn
            np.testing.assert_array_equal(flipped[:500], flipped[500:1_000])
        # The posterior, by hand, has the oracle's loss and accuracy.
        projections = np.asarray(after.inputs, np.float64) @ clean.direction
        up, down = (np.exp(s * 5 * projections).sum(1) for s in (1, -1))
        p = 0.8 * up / (up + down) + 0.2 * down / (up + down)
        given = np.where(after.targets == 1, p, 1 - p)
        if split == "test":
            oracle = noisy.baselines["oracle"]
            assert -np.log(given).mean() == pytest.approx(oracle["loss"], abs=0.02)
            assert (given > 0.5).mean() == pytest.approx(oracle["accuracy"], abs=0.02)
    assert held_out._cache_size() == 2  # the amount of noise is data
    assert noisy.baselines["chance"] == {"accuracy": 0.5, "loss": np.log(2)}
    # Without noise the loss of the oracle is that of a clean posterior.
    plain = held_out(clean, "test")
    z = np.asarray(plain.inputs, np.float64) @ clean.direction
    margin = np.logaddexp.reduce(5 * z, 1) - np.logaddexp.reduce(-5 * z, 1)
    loss = np.logaddexp(0, np.where(plain.targets == 1, -margin, margin)).mean()
    assert loss == pytest.approx(clean.baselines["oracle"]["loss"], abs=0.01)


def facts_of(tokens):
    """Returns (weather, order, day) of each fact in a list of words, and the "
    "question."""
    text, _, question = " ".join(tokens).partition("?")
    found = []
    for part in text.split(" and "):
        spoken = [w for w in part.split() if w not in vocabulary()["filler"]]
        assert len(spoken) == 5
        if spoken[0] == "on":
            _, day, it, was, weather = spoken
            order = TIME_FIRST
        else:
            it, was, weather, on, day = spoken
            order = CLAUSE_FIRST
            assert on == "on"
        assert (it, was) == ("it", "was")
        found.append((weather, order, day))
    return found, question.strip()


@pytest.mark.parametrize("num_facts", [1, 2])
def test_sentences_are_parsed_to_their_answers(num_facts):
    task = WordOrder.of(300, split=1, num_facts=num_facts, num_held_out=300)
    held_out = dict(zip(weathers(), task.held_out_order.tolist(), strict=True))
    wet = vocabulary()["wet"]
    for half in (task.held_out_order[:4], task.held_out_order[4:]):
        assert {0, 1, 2} == set(half.tolist())
    for split in ("train", "validation", "test"):
        batch = jax.device_get(task.held_out(split))
        texts = set()
        for tokens, answer, length in zip(
            batch.inputs, batch.targets, batch.lengths, strict=True
        ):
            facts, question = facts_of([words()[t] for t in tokens[:length]])
            texts.add(str(facts))
            for weather, order, _ in facts:
                assert (held_out[weather] == order) == (split == "test")
            if num_facts == 1:
                assert answer == (facts[0][0] in wet)
            else:
                assert (facts[0][0] in wet) != (facts[1][0] in wet)
                asked = [fact for fact in facts if fact[2] == question]
                assert len(asked) == 1 and answer == (asked[0][0] in wet)
        assert len(texts) > 10
        assert 0.4 < np.mean(batch.targets) < 0.6
        assert batch.inputs.shape == (300, task.num_steps)
        assert batch.lengths.max() == task.num_steps


def test_a_bag_knows_no_order_and_no_padding():
    bag = BagOfSteps(3, 8, 2, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (4, 5, 3))
    shuffled = x[:, jnp.array([3, 1, 4, 0, 2])]
    np.testing.assert_allclose(bag(x), bag(shuffled), rtol=1e-5, atol=1e-6)
    lengths = jnp.array([5, 3, 1, 0])
    padded = jnp.where((jnp.arange(5)[None] < lengths[:, None])[..., None], x, jnp.nan)
    found = bag(padded, seq_lengths=lengths)
    np.testing.assert_allclose(found[1], bag(x[1:2, :3])[0], rtol=1e-5, atol=1e-6)
    assert np.isfinite(found).all()
    tokens = BagOfSteps(3, 8, 2, num_tokens=7, rngs=nnx.Rngs(0))
    assert tokens(jnp.array([[1, 2, 6]])).shape == (1, 2)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: SignalPatch(0, 0), "SignalPatch: num_examples is 0"),
        (lambda: SignalPatch(1, 0, strength=0.0), "strength is 0.0. Use a positive"),
        (lambda: SignalPatch(1, 0, label_noise=0.5), "label_noise is 0.5. Use a prob"),
        (lambda: LocalRule.of(1), "num_steps is 1. Use at least 2"),
        (lambda: WordOrder.of(5, num_facts=3), "num_facts is 3. Use 1 or 2"),
    ],
)
def test_errors_say_the_way_out(make, error):
    with pytest.raises(ValueError, match=error):
        make()
