"""What a comparison recommends of losses that are made up, and of data that are."""

import numpy as np
import pytest

from experiments.compare.contest import (
    LONGEST,
    SHORTEST,
    Arm,
    Outcome,
    arms_of,
    relative_work,
    setting_of,
    updates_for,
)
from experiments.compare.reading_law import find_period, in_words, read_law
from experiments.compare.verdict import CANNOT_TELL, recommend
from rnnshare import Tied
from rnnshare.tasks import from_arrays

RNG = np.random.default_rng(0)
SEEDS = 10
X = RNG.standard_normal((400, 12, 2))
MAKE_TASK = from_arrays(X, X[:, -1, 0])
ARMS = {arm.name: arm for arm in arms_of(12, 2, 8, 4)}
NOISE = {name: 0.05 * RNG.standard_normal(SEEDS) for name in ARMS}


def outcome(**losses):
    """An outcome with these mean losses; '_' stands for a blank, '__' for a comma."""
    named = {k.replace("__", ",").replace("_", " "): v for k, v in losses.items()}
    settings = {
        name: setting_of(MAKE_TASK, ARMS[name], 1e-2, 200, 32) for name in named
    }
    rows = {
        name: [
            {
                f"{split}_loss": mean and mean * np.exp(noise)
                for split in ("test", "validation")
            }
            for noise in NOISE[name]
        ]
        for name, mean in named.items()
    }
    return Outcome(settings, rows, (), 200, 1.0, {})


def test_what_is_better_is_recommended():
    found = recommend(outcome(tied=0.5, low_rank=0.3, segments=0.4), 1.0, 0.0)
    assert found.arm == "low rank"
    assert found.sharing == "LowRank(num_steps=12, rank=2)" and found.width == 8
    assert found.ratio.high < 1


def test_of_those_that_are_alike_it_is_the_smallest():
    found = recommend(outcome(tied=0.5, low_rank=0.3, cyclic=0.302), 1.0, 0.0)
    sizes = {
        name: setting_of(MAKE_TASK, ARMS[name], 1e-2, 200, 32).num_parameters()
        for name in ("low rank", "cyclic")
    }
    assert found.arm == min(sizes, key=sizes.__getitem__)


def with_unshared(**losses):
    unshared = losses.pop("unshared")
    found = outcome(**losses)
    more = outcome(**{"un-shared": unshared})
    return found._replace(
        settings=found.settings | more.settings, rows=found.rows | more.rows
    )


def test_tied_is_recommended_where_unshared_is_worse():
    found = recommend(with_unshared(tied=0.3, low_rank=0.3, unshared=0.5), 1.0, 0.0)
    assert found.sharing == repr(Tied())
    alike = recommend(with_unshared(tied=0.3, low_rank=0.3, unshared=0.3), 1.0, 0.0)
    assert alike.sharing == CANNOT_TELL and alike.arm is None


def test_a_wider_tied_model_is_recommended_where_width_is_what_helps():
    losses = {"tied": 0.5, "tied,_wide": 0.3, "low_rank": 0.5, "unshared": 0.5}
    found = recommend(with_unshared(**losses), 1.0, 0.0)
    assert (found.arm, found.width) == ("tied, wide", ARMS["tied, wide"].width)


def test_what_nothing_has_learnt_tells_nothing():
    found = recommend(with_unshared(tied=0.99, low_rank=0.8, unshared=1.5), 0.8, 0.0)
    assert found.sharing == CANNOT_TELL and "guessing" in " ".join(found.reasons)


def test_overlap_makes_less_of_a_difference():
    losses = {"tied": 0.5, "low_rank": 0.46}
    assert recommend(outcome(**losses), 1.0, 0.0).ratio.high < 1
    assert recommend(outcome(**losses), 1.0, 1 / 3).sharing == CANNOT_TELL


def test_an_arm_that_diverged_is_left_out():
    found = recommend(outcome(tied=0.5, low_rank=None, segments=0.3), 1.0, 0.0)
    assert found.arm == "segments"
    assert "'low rank' diverged on some seed" in found.reasons[0]


def test_where_all_but_tied_arms_diverged_nothing_is_told():
    losses = {"tied": 0.5, "tied,_wide": 0.4, "low_rank": None}
    found = recommend(outcome(**losses), 1.0, 0.0)
    assert found.reasons[-1] == "Too little was trained." and found.arm is None


def test_a_loss_of_0_is_one_that_rounding_hides():
    found = recommend(with_unshared(tied=0.0, low_rank=0.0, unshared=0.3), 1.0, 0.0)
    assert found.arm == "tied" and found.ratio == (1.0, 1.0, 1.0)
    other = recommend(outcome(tied=0.5, low_rank=0.0), 1.0, 0.0)
    assert other.arm == "low rank" and 0 < other.ratio.high < 1


@pytest.mark.parametrize("period", [None, 4])
def test_arms_are_in_the_order_of_their_weight(period):
    arms = arms_of(12, 2, 8, period)
    names = [arm.name for arm in arms]
    assert names[:2] == ["tied", "un-shared"] and ("cyclic" in names) == bool(period)
    for arm in arms:
        assert setting_of(MAKE_TASK, arm, 1e-2, 200, 32).num_parameters() > 0
    assert 8 < ARMS["tied, wide"].width <= 3 * 8


def test_updates_fit_the_time():
    counts = [updates_for(seconds, 1e-3, 8) for seconds in (1, 60, 300, 10_000)]
    assert counts == sorted(counts)
    assert counts[0] == SHORTEST and counts[-1] == LONGEST
    assert updates_for(60, 1.0, 8) == SHORTEST


def rule(kind, count=400, still=()):
    """Inputs and an answer a step, by a rule that is one, or has a period of 4.

    Some steps may be still, as the sun's light is by night: their inputs are 0.
    """
    weights = np.tile(RNG.standard_normal((4, 2)), (3, 1))
    if kind == "one":
        weights = np.tile(weights[:1], (12, 1))
    x = X[:count].copy()
    x[:, still] = 0
    y = np.einsum("ntd,td->nt", x, weights)
    y += 0.3 * RNG.standard_normal(y.shape)
    return from_arrays(x, y, readout="every")(0)


def test_a_period_is_found_where_there_is_one():
    assert find_period(rule("four")) == 4
    assert find_period(rule("one")) is None
    assert find_period(rule("four", still=[0])) == 4


def test_the_law_tells_the_side():
    assert read_law(rule("four"))["side"] == "untied"
    assert read_law(rule("one"))["side"] != "untied"
    last = read_law(MAKE_TASK(0))
    assert last["side"] == "untied" and last["noise_variance"] < 1e-3
    few = read_law(from_arrays(X[:30], X[:30, -1, 0])(0))
    assert few["side"] == "cannot tell" and "too few sequences" in few["why"]
    ragged = from_arrays(X, X[:, 0, 0], lengths=RNG.integers(1, 13, 400))(0)
    assert "differ in length" in read_law(ragged)["why"]
    tokens = from_arrays(RNG.integers(0, 3, (40, 6)), X[:40, 0, 0])(0)
    assert "tokens" in read_law(tokens)["why"] and find_period(tokens) is None


def test_the_law_is_told_in_sentences():
    law = read_law(rule("four")) | {"crossover": 7.2, "confidence": 1.0}
    told = in_words(law, 280)
    assert "says 'untied' (the other side has a probability of 0.01)" in told
    assert "pay from some 8 training sequences on, and here are 280" in told
    assert "pay at no number" in in_words(law | {"crossover": "infinite"}, 280)
    few = in_words(read_law(from_arrays(X[:30], X[:30, -1, 0])(0)), 21)
    assert few.startswith("The law cannot be read here: there are too few")


def test_a_wider_arm_is_expected_to_take_longer():
    arms = [Arm("tied", Tied(), width) for width in (8, 16, 24)]
    assert [relative_work(arm, arms[0]) for arm in arms] == [1.0, 2.5, 5.0]
