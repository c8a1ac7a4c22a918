"""The search for a training-set size, and the verdicts, on made-up accuracies."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from flax import nnx

from experiments.position_generalisation import measure as study
from experiments.position_generalisation.claims import (
    EXPERIMENT,
    POSITIONS,
    WORD_ORDER,
)
from experiments.position_generalisation.measure import Measured, examples_needed
from experiments.position_generalisation.plan import PILOT_SEEDS, PLANS, Grammar
from rnnshare import LSTMCell, Tied
from rnnshare.models.sequence_model import BagOfSteps, SequenceModel
from rnnshare.tasks import SignalPatch, WordOrder
from rnnshare.training import Call, Setting

PLAN = dataclasses.replace(
    PLANS["quick"],
    num_seeds=3,
    patch_steps=(4, 8, 16),
    most_examples=2**12,
)


class Learners:
    """A lab whose seed s needs 2^(7 + s / 2) examples, and which remembers the sizes.

    Seed `lost` diverges at every size.
    """

    def __init__(self, lost=None):
        self.asked, self.lost = [], lost

    def tune(self, candidates, budget):
        assert budget == PLAN.num_tuning * len(candidates)
        return candidates[0]

    def train(self, settings, repeats):
        (setting,) = settings
        exponent = np.log2(int(setting.make_task(0).num_examples))
        self.asked.append(int(exponent))
        # Linear in log N from 0.5 to 1, and 0.9 at the wanted size.
        scores = [0.9 + 0.1 * (exponent - 7 - r.seed / 2) for r in repeats]
        return [
            {"test_accuracy": None if r.seed == self.lost else np.clip(score, 0.5, 1.0)}
            for r, score in zip(repeats, scores, strict=True)
        ]


def search(plan, lab, first):
    make_task = Call(SignalPatch, 8, num_steps=4)
    chosen = study.tuned(plan, lab, make_task, LSTMCell, [Tied()])
    return examples_needed(study.search(plan, lab, chosen, first), plan.accuracy)


@pytest.mark.parametrize("first", [2, 7, 11])
def test_it_finds_each_seeds_size_from_anywhere(first):
    lab = Learners()
    np.testing.assert_allclose(np.log2(search(PLAN, lab, first)), [7, 7.5, 8])
    assert len(lab.asked) == len(set(lab.asked))  # nothing is run twice


def test_a_size_that_is_never_enough_is_infinite():
    lab, few = Learners(), dataclasses.replace(PLAN, most_examples=2**6)
    assert np.isinf(search(few, lab, 3)).all()
    assert max(lab.asked) == 6


def test_a_seed_that_diverges_guesses():
    found = search(PLAN, Learners(lost=1), 7)
    assert np.isinf(found).tolist() == [False, True, False]


def test_what_was_reached_stays_reached():
    accuracies = {4: [0.5, 0.95], 8: [0.95, 0.5], 2: [0.5, 0.95], 16: [0.6, 0.6]}
    found = examples_needed({n: np.array(a) for n, a in accuracies.items()}, 0.725)
    np.testing.assert_allclose(found, [2**2.5, 2])


def runs_of(scores, **more):
    """Returns runs of {(cell, arm): (seen, unseen)}, with a little noise over seeds."""
    noise = np.array([0.0, 0.001, -0.001])
    parts = [
        pd.DataFrame({"cell": cell, "arm": arm, "seed": range(3), **more}).assign(
            seen=seen + noise, unseen=unseen + noise
        )
        for (cell, arm), (seen, unseen) in scores.items()
    ]
    return pd.concat(parts, ignore_index=True)


def patches_of(powers, steps=PLAN.patch_steps):
    """Returns patches whose seeds need T^power examples, to the power's arm."""
    noise = np.array([0.0, 0.01, -0.01])
    return {
        (arm, t): {
            2**n: np.clip(0.9 + 0.1 * (n - power * np.log2(t)) + noise, 0.5, 1.0)
            for n in range(1, 13)
        }
        for arm, power in powers.items()
        for t in steps
    }


def positions(unseen, powers):
    rule = {
        (cell, arm): (1.0, score)
        for cell in PLAN.cells
        for arm, score in zip(("Tied", "Untied"), unseen, strict=True)
    }
    return Measured(runs_of(rule), patches_of(powers), None)


@pytest.mark.parametrize(
    ("unseen", "untied_power", "verdict"),
    [
        ((0.98, 0.5), 2.0, "supported"),
        ((0.9, 0.5), 2.0, "inconclusive"),  # tied does not know the rule
        ((0.98, 0.7), 2.0, "inconclusive"),  # untied knows of it
        ((0.98, 0.5), 1.2, "inconclusive"),
        ((0.98, 0.98), 1.2, "refuted"),
        ((0.98, 0.98), 2.0, "inconclusive"),
        ((0.98, 0.5), 9.0, "inconclusive"),  # untied's sizes were never reached
    ],
)
def test_each_verdict_of_the_positions_is_reached(unseen, untied_power, verdict):
    found = positions(unseen, {"Tied": 1.0, "Untied": untied_power})
    told = POSITIONS.judge(PLAN, found)
    assert told.verdict == verdict
    if untied_power < 9:
        assert told.effect.estimate == pytest.approx(untied_power - 1, abs=0.02)
        assert "T = 4, 8, 16" in told.details
    else:
        assert told.effect.estimate == pytest.approx(unseen[0] - unseen[1])
        assert "not measured" in told.summary and "never shown" in told.label
    table = POSITIONS.table(PLAN, found, told)
    assert table[1] == ("Elman", "Tied", "1.000", f"{unseen[0]:.3f}")
    assert [row[:3] for row in table[-2:]] == [
        ("LSTM", arm, "examples needed") for arm in ("Tied", "Untied")
    ]


def words(tied, trained=1.0):
    """Returns grammars, one-hot and embedded, of {cell: tied's accuracy, one fact}."""
    arms = "Tied", *study.STARTS
    scores = {
        (cell, arm): (trained if arm == "Tied" else 1.0, value - 0.4 * (arm != "Tied"))
        for cell, value in tied.items()
        for arm in arms
    }
    bag = {("bag of words", "no order"): (1.0, 0.5)}
    runs = [
        runs_of(scores | bag, facts=1, one_hot=one_hot) for one_hot in (True, False)
    ]
    return Measured(None, None, pd.concat(runs, ignore_index=True))


@pytest.mark.parametrize(
    ("tied", "trained", "verdict"),
    [
        ((0.95, 0.91), 1.0, "supported"),
        ((0.95, 0.89), 1.0, "inconclusive"),
        ((0.95, 0.59), 1.0, "refuted"),
        ((0.95, 0.61), 1.0, "inconclusive"),
        ((0.95, 0.91), 0.9, "inconclusive"),  # none has learnt
        ((0.5, 0.5), 0.9, "inconclusive"),
    ],
)
def test_each_verdict_of_the_word_order_is_reached(tied, trained, verdict):
    found = words(dict(zip(PLAN.cells, tied, strict=True)), trained)
    told = WORD_ORDER.judge(PLAN, found)
    assert told.verdict == verdict
    assert told.effect.estimate == pytest.approx(np.mean(tied))
    assert f"{2 if trained > 0.95 else 0} of 2 cells learnt" in told.summary
    assert "a start a step 0.400 [0.400, 0.400]" in told.summary
    assert f"tied {np.mean(tied):.3f}; untied {np.mean(tied) - 0.4:.3f}" in told.details
    table = WORD_ORDER.table(PLAN, found, told)
    assert table[1][:4] == ("1", "one-hot", "Elman", "Tied") and len(table) == 1 + 2 * 7
    assert table[7] == ("1", "one-hot", "bag of words", "", "1.000", "0.500")


@pytest.mark.parametrize(
    ("lost", "verdict"), [(0, "supported"), (1, "inconclusive"), (2, "inconclusive")]
)
def test_a_verdict_holds_whatever_seeds_scored_that_did_not_learn(lost, verdict):
    """Of ten seeds: one that is right on nothing brings the mean below .9."""
    scores = {("LSTM", arm): (1.0, 0.98) for arm in ("Tied", *study.STARTS)}
    runs = pd.concat([runs_of(scores, facts=1, one_hot=True)] * 4, ignore_index=True)
    for arm in ("Tied", *study.STARTS):
        own = runs.arm == arm
        runs.loc[own, "seed"] = range(own.sum())
    runs = runs[runs.seed < 10]
    runs.loc[(runs.arm == "Tied") & (runs.seed < lost), "seen"] = 0.6
    found = Measured(None, None, runs)
    told = WORD_ORDER.judge(PLAN, found)
    assert told.verdict == verdict
    assert "embedding that all steps share" not in told.details


def test_runs_that_diverged_count_as_guessing_and_are_told():
    found = positions((0.98, 0.5), {"Tied": 1.0, "Untied": 2.0})
    found.rule.loc[0, ["seen", "unseen"]] = np.nan
    found.patches["Tied", 4][4][0] = np.nan
    told = POSITIONS.judge(PLAN, found)
    count = 12 + sum(v.size for of in found.patches.values() for v in of.values())
    assert f"2 of {count} runs diverged and count as guessing." in told.details
    assert study.by_cell(found.rule)["Elman"]["Tied"][1][0] == study.CHANCE
    assert "diverged" not in WORD_ORDER.judge(PLAN, words({"LSTM": 0.9})).details
    found = words({"LSTM": 0.9})
    found.words.loc[:, ["seen", "unseen"]] = np.nan
    told = WORD_ORDER.judge(PLAN, found)
    assert told.verdict == "inconclusive" and told.effect == (0.5, 0.5, 0.5)
    assert "24 of 24 runs diverged and count as guessing." in told.details


def test_the_figures_hold_every_seed_and_what_was_not_reached():
    found = positions((0.98, 0.5), {"Tied": 1.0, "Untied": 9.0})
    figure = POSITIONS.draw(PLAN, found, POSITIONS.judge(PLAN, found))
    texts = " ".join(t.get_text() for t in figure.findobj() if hasattr(t, "get_text"))
    for words_ in ("x: not reached", "Elman\nunseen", "LSTM\nshown", "chance", "90%"):
        assert words_ in texts
    found = words({"LSTM": 0.9})
    figure = WORD_ORDER.draw(PLAN, found, WORD_ORDER.judge(PLAN, found))
    titles = [panel.get_title() for panel in figure.axes if panel.get_title()]
    assert titles == [
        f"{cell}\n1 fact, {read}"
        for read in ("one-hot", "embedded")
        for cell in ("LSTM", "bag of words")
    ]


@pytest.mark.parametrize("score", [0.5, None])
def test_the_runs_are_of_each_cells_arms_and_of_the_bag(score):
    asked = []

    class Lab(Learners):
        def train(self, settings, repeats):
            asked.append(type(settings[0]))
            names = "test_accuracy", "test_accuracy_unseen", "validation_accuracy"
            return [{"seed": r.seed, **dict.fromkeys(names, score)} for r in repeats]

    runs = study.word_order(PLAN, Lab(), Grammar(PLAN.cells))
    cases = runs.drop_duplicates(["cell", "arm"])[["cell", "arm"]].to_numpy().tolist()
    assert cases[-1] == ["bag of words", "no order"]
    assert cases[:-1] == [[c, a] for c in PLAN.cells for a in ("Tied", *study.STARTS)]
    assert asked == [Setting] * 6 + [study.BagSetting]
    by_cell = study.local_rule_by_cell(PLAN, Lab())
    assert list(by_cell) == list(PLAN.cells)
    assert by_cell["LSTM"]["Tied"][1].tolist() == [0.5] * 3  # diverged: at chance
    assert runs.seed.min() == PILOT_SEEDS
    told = WORD_ORDER.judge(PLAN, Measured(None, None, runs))
    assert told.verdict == "inconclusive"
    assert ("21 of 21 runs diverged" in told.details) == (score is None)
    task = Call(WordOrder.of, 20, num_facts=1)
    for kind, cell, model in (
        (study.BagSetting, BagOfSteps, BagOfSteps),
        (Setting, LSTMCell, SequenceModel),
    ):
        setting = kind(task, cell, Tied(), 4)
        assert isinstance(setting.make_model()(rngs=nnx.Rngs(0)), model)
        assert hash(setting.make_model()) == hash(setting.make_model())


def test_plans_hold_what_the_rules_speak_of():
    assert [claim.id for claim in EXPERIMENT.claims] == ["A4", "A5"]
    for plan in PLANS.values():
        assert plan.rule_steps >= 2 and len(plan.patch_steps) >= 2
    assert PLANS["full"].num_seeds == 10 and PLANS["full"].patch_steps[-1] == 64
    assert PLANS["quick"].accuracy == PLANS["full"].accuracy == 0.9
    for plan in PLANS.values():
        first = plan.grammars[0]
        assert first.one_hot and first.num_facts == 1
        assert plan.first_word_seed >= PILOT_SEEDS
    assert "bring an LSTM to 90 % on" in POSITIONS.rule
