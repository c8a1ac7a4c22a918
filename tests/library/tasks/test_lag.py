"""The lag task against its definition, told step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.tasks import LagRecall

TASK = LagRecall(60, 12, 5, bounds=(1, 5, 9, 12), num_held_out=300)


@pytest.mark.parametrize("split", ["sample", "train", "validation", "test"])
def test_every_query_asks_for_the_symbol_of_its_lag(split):
    if split == "sample":
        batch = TASK.sample(jax.random.key(1), 200)
    else:
        batch = TASK.held_out(split)
    lags = np.asarray(TASK.lags_of(batch))
    seen, gaps = set(), []
    for inputs, targets, mask, told in zip(
        *map(np.asarray, (batch.inputs, batch.targets, batch.mask)), lags, strict=True
    ):
        shown, query = None, -1
        for t, x in enumerate(inputs):
            assert x.sum() in (0, 1)
            if x[:4].any():
                if shown is not None:
                    assert query > shown[0]  # one question at a time
                    gaps.append(t - query)
                shown = t, int(np.argmax(x))
            assert bool(mask[t]) == bool(x[4]) == (told[t] > 0)
            if mask[t]:
                query = t
                assert targets[t] == shown[1]
                assert told[t] == t - shown[0]
                seen.add(int(told[t]))
    assert set(gaps) == {1}  # the next symbol follows at once
    assert seen == set(range(1 if split == "test" else 5, 13))


def test_accuracy_is_parted_by_the_lag():
    batch = TASK.held_out("test")
    lags = TASK.lags_of(batch)
    right = (lags > 4) & (lags < 10)  # answers these alone
    answers = jnp.where(right, batch.targets, (batch.targets + 1) % 4)
    found = TASK.metrics(jax.nn.one_hot(answers, 4), batch)
    assert TASK.parts == {
        "accuracy_1_4": (1, 4),
        "accuracy_5_8": (5, 8),
        "accuracy_9_12": (9, 12),
    }
    share = [float(found[name]) for name in TASK.parts]
    assert share[:2] == [0.0, 1.0] and 0.1 < share[2] < 0.4  # 9 is right, 10..12 not
    assert float(found["accuracy"]) == pytest.approx(
        float(jnp.sum(right & batch.mask) / jnp.sum(batch.mask))
    )


def test_lines():
    batch = TASK.held_out("test")
    guess = TASK.metrics(jnp.zeros((300, 60, 4)), batch)
    assert float(guess["loss"]) == pytest.approx(TASK.baselines["chance"]["loss"])
    assert float(guess["accuracy"]) == pytest.approx(0.25, abs=0.05)


def test_lags_share_one_compilation():
    trees = [jax.tree.structure(LagRecall(60, 12, low)) for low in (1, 5)]
    assert trees[0] == trees[1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_steps": 20}, "num_steps is 20. Use an integer of at least 24"),
        ({"shortest": 13}, "shortest is 13, longest 12. Use a shortest lag up to"),
        ({"bounds": (5, 1)}, r"bounds are \(5, 1\). Give rising lags"),
    ],
)
def test_bad_lags_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        LagRecall(**{"num_steps": 60, "longest": 12} | options)
