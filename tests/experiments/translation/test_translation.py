"""The study of translation: training, exhibits, rule and what the finding says."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx

from experiments.translation.claims import (
    SOLVED,
    TRANSLATION,
    copies_less_trained,
    decide,
    existence,
    summary,
    trained_and_exhibited,
)
from experiments.translation.exhibits import Exhibit, copied, copy_and_decode
from experiments.translation.measure import Measured, Scores, best_seed
from experiments.translation.plan import PLANS, SHORT
from experiments.translation.translators import ARMS, setting_of
from rnnshare import LSTMCell, Tied
from rnnshare.cells.blueprint import pure_params
from rnnshare.tasks.data.number_words import number_words
from rnnshare.training.fitting import fit


def test_a_translator_learns_and_its_copies_say_the_same():
    plan = dataclasses.replace(
        PLANS["smoke"], cell=LSTMCell, hidden_features=24, embedding_features=8,
        num_steps=200, batch_size=32,
    )  # fmt: skip
    setting = setting_of(plan, "Tied", "de", 1_000, 2e-2, True)
    task = setting.make_task(0)
    params, (row,) = fit(setting.make_model(), setting.recipe, [(task, 0, 2e-2)])
    chance = task.baselines["chance"]
    assert row["test_loss"] < 0.6 * chance["loss"]
    assert row["test_exact_match"] > 20 * chance["exact_match"]
    found = copy_and_decode(plan, setting, 0, params[0])
    # Decoded greedily it is what the logits of the right answers said.
    for arm in plan.arms:
        assert found.exact_match[arm]["held out"] == pytest.approx(
            row["test_exact_match"], abs=1e-6
        )
    assert found.exact_match["Tied"]["longer"] == pytest.approx(
        row["test_longer_exact_match"], abs=1e-6
    )
    assert found.num_different == 0
    assert len(found.examples) == 10
    words = number_words("de").words
    right = [digits == answer for _, digits, answer in found.examples]
    assert right == sorted(right, reverse=True) and sum(right) >= 5
    for text, digits, _ in found.examples:
        assert words[int(digits)] == text


def test_copies_are_stored_as_their_arm_stores_them():
    plan = dataclasses.replace(PLANS["smoke"], hidden_features=3)
    setting = setting_of(plan, "Tied", "de", 1_000, 1e-2, True)
    params = pure_params(setting.make_model()(rngs=nnx.Rngs(0)))
    for arm, (encoder, decoder) in ARMS.items():
        found = copied(params, arm)
        for part, sharing in (("encoder", encoder), ("decoder", decoder)):
            jax.tree.map(
                lambda w, one, s=sharing: np.testing.assert_array_equal(
                    w, one if s == Tied() else np.repeat(one[None], s.num_steps, 0)
                ),
                found[part]["weights"],
                params[part]["weights"],
            )
        assert found["readout"] is params["readout"]


@pytest.mark.parametrize(
    ("pairs", "verdict", "num_missed"),
    [
        ([(0.96, 0.99), (0.95, 0.97)], "supported", 0),
        ([(0.96, 0.99), (0.94, 0.97)], "refuted", 1),
        ([(0.2, 0.94), (0.94, 0.3)], "inconclusive", 0),
        ([(0.2, 0.94), (0.96, SOLVED)], "supported", 0),
    ],
)
def test_the_rule(pairs, verdict, num_missed):
    found = dict(enumerate(pairs))
    assert decide(found)[0] == verdict and len(decide(found)[1]) == num_missed


def test_the_effect_is_paired_by_seed():
    def scores(*exact):
        return Scores(np.array(exact), np.array(exact))

    measured = {
        1_000: {"de": {"Tied": scores(1.0, 0.9), "Untied": scores(0.8, 0.8)}},
        10_000: {"de": {"Tied": scores(1.0, 1.0), "Untied": scores(1.0, 0.5)}},
    }
    np.testing.assert_allclose(copies_less_trained(measured), [0.1, 0.3])
    assert best_seed(scores(0.2, 0.9, 0.9)) == 1


# What the finding says, of made-up scores.


def made_up(tied, untied, longer):
    """Returns the scores of one language, the same at both seeds."""
    return {
        SHORT: {
            "de": {
                arm: Scores(*(np.array([x, x]) for x in (exact, 1.0, above, 1.0)))
                for arm, exact, above in zip(
                    ("Tied", "Untied"), (tied, untied), longer, strict=True
                )
            }
        }
    }


def exhibited(scores):
    """Returns the exhibits that copies of the best tied translators make."""
    return {
        below: {
            language: Exhibit(
                {arm: {"held out": float(arms["Tied"].exact_match.max()), "longer": 0.0}
                 for arm in ARMS}, 0, 0, [])
            for language, arms in languages.items()
        }
        for below, languages in scores.items()
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tied", "untied", "verdict", "told"),
    [
        (0.98, 0.97, "supported", "In each of 1 cases training solved what weights"),
        (0.98, 0.50, "refuted", "In 1 of 1 cases no seed was trained to solve what"),
        (0.94, 0.97, "inconclusive", "No tied translator solved a language, so none"),
    ],
)
def test_the_meaning_says_what_was_solved(tied, untied, verdict, told):
    scores = made_up(tied, untied, (0.0, 0.0))
    found = trained_and_exhibited(scores, exhibited(scores))
    found_verdict, missed = decide(found)
    assert found_verdict == verdict
    text = summary(verdict, found, missed, scores)
    assert text.startswith(told)
    assert f"tied {tied:.3f}, untied {untied:.3f}" in text


@pytest.mark.parametrize(
    ("longer", "told"),
    [
        ((0.1, 0.2), "No translator that was trained below 1,000 translates longer "
         "numbers (best tied 0.100, untied 0.200): it never saw"),
        ((0.1, 0.96), "Translators that were trained below 1,000 translate longer "
         "numbers: untied ones do (best tied 0.100, untied 0.960)."),
        ((SOLVED, 0.96), "translate longer numbers: tied and untied ones do"),
    ],
)  # fmt: skip
def test_longer_numbers_are_told_as_they_were_measured(longer, told):
    scores = made_up(0.98, 0.97, longer)
    text = existence(scores, exhibited(scores))
    assert told in text
    assert ("never saw" in text) == (max(longer) < SOLVED)


def test_runs_that_diverged_count_as_no_exact_match_and_are_told():
    scores = made_up(0.98, 0.0, (0.0, 0.0))
    plan = dataclasses.replace(PLANS["smoke"], hidden_features=3)
    chosen = {
        SHORT: {
            "de": {arm: setting_of(plan, arm, "de", SHORT, 1e-2, True) for arm in ARMS}
        }
    }
    found = Measured(scores, exhibited(scores), chosen, [], diverged=2)
    verdict = TRANSLATION.judge(plan, found)
    assert verdict.verdict == "refuted"
    assert "2 runs diverged, and count as no exact match" in verdict.details
    columns = chosen[SHORT]["de"]["Untied"].columns()
    # Nothing is hidden in the column of the encoder's sharing.
    assert columns["sharing"] == "Untied(num_steps=47, same_init=True)"
    assert columns["decoder_sharing"] == "Untied(num_steps=5, same_init=True)"
    assert columns["reverse_source"] is True
