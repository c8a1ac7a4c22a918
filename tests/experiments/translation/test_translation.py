"""The study of translation: training, exhibits, rule and what the finding says."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx

from experiments.translation.claims import KINDS, POWERFUL, SOLVED
from experiments.translation.exhibits import Exhibit, copied, copy_and_decode
from experiments.translation.existence import SIZES, Existence
from experiments.translation.measure import Measured, Scores, best_seed
from experiments.translation.plan import PLANS
from experiments.translation.translators import ARMS, setting_of
from rnnshare import LSTMCell, Tied
from rnnshare.cells.blueprint import pure_params
from rnnshare.tasks.data.number_words import number_words
from rnnshare.training.fitting import fit


@pytest.mark.slow
def test_a_translator_learns_and_its_copies_say_the_same():
    plan = dataclasses.replace(
        PLANS["smoke"], cell=LSTMCell, hidden_features=24, embedding_features=8,
        num_steps=200, batch_size=32,
    )  # fmt: skip
    setting = setting_of(plan, "Tied", "de", 2e-2, True)
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
    assert found.num_different == 0
    assert len(found.examples) == 10
    words = number_words("de").words
    right = [digits == answer for _, digits, answer in found.examples]
    assert right == sorted(right, reverse=True) and sum(right) >= 5
    for text, digits, _ in found.examples:
        assert words[int(digits)] == text


def test_copies_are_stored_as_their_arm_stores_them():
    plan = dataclasses.replace(PLANS["smoke"], hidden_features=3)
    setting = setting_of(plan, "Tied", "de", 1e-2, True)
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


def existence(answers):
    """Returns rows of {(size, kind): (holds, by what)}."""
    return [
        Existence(size, f"{kind}, some", "others", holds, by, *"abc")
        for (size, kind), (holds, by) in answers.items()
    ]


def made_up(rows, tied=0.98, untied=0.97, diverged=0):
    """Returns what was measured, of one language and the same at both seeds."""
    plan = dataclasses.replace(PLANS["smoke"], hidden_features=3)
    pair = {"Tied": tied, "Untied": untied}
    scores = {
        "de": {arm: Scores(*np.full((2, 2), value)) for arm, value in pair.items()}
    }
    copies = {arm: {"held out": tied} for arm in pair}
    chosen = {"de": {arm: setting_of(plan, arm, "de", 1e-2, True) for arm in ARMS}}
    shown = {"de": Exhibit(copies, 0, 0, [["drei", "3", "3"], ["vier", "4", "5"]])}
    return plan, Measured(scores, shown, chosen, rows, diverged)


NEVER = {(size, kind): (False, "proof") for size in SIZES for kind in KINDS}
OPEN = {("any size", "tied"): (None, "literature")}
SOME = {("equal size", "untied"): (True, "proof")}


@pytest.mark.parametrize(
    ("rows", "verdict", "count"),
    [
        (NEVER | SOME, "supported", 1),
        (SOME, "supported", 1),
        (NEVER, "refuted", 0),
        (NEVER | OPEN, "inconclusive", 0),
        ({("unbounded length", "tied"): (True, "definition")}, "inconclusive", 0),
    ],
)
@pytest.mark.parametrize("untied", [0.97, 0.2])
def test_the_rule_asks_proofs_and_no_training(rows, verdict, count, untied):
    judged = POWERFUL.judge(*made_up(existence(rows), untied=untied))
    assert judged.verdict == verdict and judged.effect == (count,) * 3
    assert not judged.repeats


@pytest.mark.parametrize(
    ("tied", "untied", "told"),
    [
        (0.98, 0.97, "Training found them in every language."),
        (0.98, 0.50, "In German no seed of untied weights was trained to that"),
        (SOLVED - 0.01, 0.50, "Training found them in every language."),  # none exist
    ],
)
def test_trainability_is_told_beside(tied, untied, told):
    plan, found = made_up(existence(SOME), tied, untied)
    judged = POWERFUL.judge(plan, found)
    assert told in judged.details and "diverged" not in judged.details
    assert f"tied {tied:.3f}, untied {untied:.3f}" in judged.details
    assert "drei: 3 (right); vier: 5 (wrong, it is 4)" in judged.details
    table = POWERFUL.table(plan, found, judged)
    assert [row[3] for row in table[1:]] == ["yes", *["decides nothing"] * 2]
    figure = POWERFUL.draw(plan, found, judged)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["yes", *["open"] * 5]


def test_the_best_seed_is_the_first_of_equals():
    assert best_seed(Scores(np.array([0.2, 0.9, 0.9]), np.zeros(3))) == 1


def test_runs_that_diverged_count_as_no_exact_match_and_are_told():
    plan, found = made_up(existence(SOME), untied=0.0, diverged=2)
    verdict = POWERFUL.judge(plan, found)
    assert verdict.verdict == "supported"
    assert "2 runs diverged, and count as no exact match" in verdict.details
    columns = found.chosen["de"]["Untied"].columns()
    # Nothing is hidden in the column of the encoder's sharing.
    assert columns["sharing"] == "Untied(num_steps=47, same_init=True)"
    assert columns["decoder_sharing"] == "Untied(num_steps=5, same_init=True)"
    assert columns["reverse_source"] is True
