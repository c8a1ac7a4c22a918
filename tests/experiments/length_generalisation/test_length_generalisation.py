"""The length study: the rules on made-up curves, figures and tables."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.length_generalisation import claims, reading
from experiments.length_generalisation.claims import (
    CONVERSE,
    EXPERIMENT,
    SHARING,
    UNSEEN,
    VARIED,
)
from experiments.length_generalisation.measure import (
    ARM,
    GOOD,
    Measured,
    cases_of,
    measure,
)
from experiments.length_generalisation.plan import PLANS, POLICIES, arms
from rnnshare import Tied
from rnnshare.plotting import save

PLAN = PLANS["smoke"]  # N = 4, L = 8


MADE = dataclasses.replace(
    PLAN, languages=("parity",), fixed=("parity",), train_max_length=6,
    eval_max_length=12, num_seeds=3,
)  # fmt: skip


def made_up(
    tied=(1.0, 1.0), literal=(1.0, 0.5), fixed=(1.0, 1.0), control=(1.0, 0.5), seeds=3
):
    """Returns curves of levels (up to N; from N + 1 to 2N), the same for all seeds.

    Args:
      tied, literal: levels, or a level pair for each language.
      fixed: tied's and untied's accuracy at N, trained at N alone.
      control: tied's levels on the control.
    """
    levels = {}
    for language, of_tied, of_untied in zip(
        MADE.languages, np.atleast_2d(tied), np.atleast_2d(literal), strict=True
    ):
        levels[language, "tied", "all", "tied"] = of_tied
        levels[language, "untied", "all", "literal"] = of_untied
        for name in POLICIES:
            levels[language, "untied", "all", name] = of_tied
    levels["reverse_string", "tied", "all", "tied"] = control
    levels["parity", "tied", "fixed", "tied"] = (fixed[0], 0.0)
    levels["parity", "untied", "fixed", "literal"] = (fixed[1], 0.0)
    index = pd.MultiIndex.from_tuples(
        [
            (language, "Elman", *rest, seed)
            for language, *rest in levels
            for seed in range(seeds)
        ],
        names=[*ARM, "lengths", "reading", "seed"],
    )
    rows = [np.repeat(level, 6) for level in levels.values() for _ in range(seeds)]
    curves = pd.DataFrame(rows, index, columns=range(1, 13))
    chance = dict.fromkeys(("parity", "reverse_string"), np.full(12, 0.5))
    return Measured(curves, chance, pd.Series(False, index, name="lost"))


@pytest.mark.parametrize(
    ("tied", "literal", "q2", "a3"),
    [
        ((1.0, 1.0), (1.0, 0.5), "supported", "supported"),
        # Halved, and yet above chance.
        ((1.0, 1.0), (1.0, 0.7), "refuted", "supported"),
        ((1.0, 1.0), (1.0, 0.9), "refuted", "refuted"),
        ((1.0, 0.6), (1.0, 0.5), "refuted", "refuted"),  # tied does not hold either
        ((1.0, 1.0), (0.9, 0.5), "undecided", "undecided"),
        ((0.9, 0.5), (1.0, 0.5), "undecided", "undecided"),
    ],
)
def test_the_rules_on_made_up_curves(tied, literal, q2, a3):
    found = made_up(tied, literal)
    judged = cases_of(MADE, found).judged
    assert (list(judged.q2), list(judged.a3)) == ([q2], [a3])
    expected = "inconclusive" if q2 == "undecided" else q2
    sharing, unseen = SHARING.judge(MADE, found), UNSEEN.judge(MADE, found)
    assert sharing.verdict == expected
    assert sharing.effect.estimate == pytest.approx(tied[1] - literal[1])
    assert unseen.verdict == ("inconclusive" if a3 == "undecided" else a3)
    if q2 == "undecided":  # nobody learnt what A3 is about
        assert "0 of the 0 cases" in unseen.summary
    assert unseen.effect.estimate == pytest.approx(literal[0] - literal[1])
    learnt = int(q2 != "undecided")
    close = "not necessary there" if learnt else "not shown to be unnecessary"
    assert f"is in {learnt} of {learnt}, so full sharing is {close}" in sharing.summary
    assert ("What would decide" in sharing.details) == (q2 == "undecided")


def test_a_case_is_judged_the_same_whatever_an_unlearnt_seed_scored():
    plan = dataclasses.replace(MADE, num_seeds=5)
    found = made_up(seeds=5)
    curves = found.curves.copy()

    def lose(reading, seed):
        levels = curves.index.to_frame()
        own = (levels.reading == reading) & (levels.seed == seed)
        own &= (levels.language == "parity") & (levels.lengths == "all")
        curves.loc[own.to_numpy(), :6] = 0.6

    def words():
        judged = cases_of(plan, found._replace(curves=curves)).judged
        return (*judged.q2, *judged.a3)

    assert words() == ("supported", "supported")
    lose("tied", 0)
    assert words() == ("supported", "supported")  # medians of the others hold
    lose("literal", 4)
    assert words() == ("supported", "supported")
    lose("literal", 3)
    assert words() == ("undecided", "undecided")  # fewer than 4 of 5


@pytest.mark.parametrize(
    ("fixed", "tied", "untied", "verdict"),
    [
        ((1.0, 1.0), 1.0, 0.8, "supported"),
        ((1.0, 1.0), 1.0, 1.0, "refuted"),
        ((1.0, 1.0), 0.8, 0.8, "inconclusive"),  # tied loses as well
        ((1.0, 1.0), 1.0, 0.92, "inconclusive"),  # neither
        ((1.0, 0.9), 1.0, 0.8, "inconclusive"),  # untied cannot be trained at N
    ],
)
def test_what_varied_lengths_cost(fixed, tied, untied, verdict, monkeypatch):
    found = made_up((tied, 1.0), (untied, 0.5), fixed)
    alone = VARIED.judge(MADE, found)
    assert alone.verdict == "inconclusive"  # one case of one language
    assert "What would decide: at least 6 cases of 2 languages" in alone.details
    for name in ("LEAST_VARIED", "LEAST_LANGUAGES"):
        monkeypatch.setattr(claims, name, 1)
    judged = VARIED.judge(MADE, found)
    assert judged.verdict == verdict
    assert judged.effect.estimate == pytest.approx(fixed[1] - untied)
    assert f"in {int(fixed[1] > 0.9)} of 1 cases" in judged.summary


@pytest.mark.parametrize(
    ("control", "verdict"),
    [
        ((1.0, 0.91), "supported"),
        ((1.0, 0.74), "refuted"),
        ((1.0, 0.8), "inconclusive"),
        ((0.9, 0.5), "inconclusive"),  # it did not learn them
        ((0.9, 1.0), "inconclusive"),
    ],
)
def test_tied_on_the_controls(control, verdict, monkeypatch):
    found = made_up(control=control)
    alone = CONVERSE.judge(MADE, found)
    assert alone.verdict == "inconclusive"
    assert "4 controls that are learnt at the trained" in alone.details
    monkeypatch.setattr(claims, "LEAST_CONTROLS", 1)
    judged = CONVERSE.judge(MADE, found)
    assert judged.verdict == verdict
    assert judged.effect.estimate == pytest.approx(control[1])
    assert ("none of them learnt" in judged.label) == (control[0] < 0.95)


class Kept:
    """A lab in whose rows some runs diverged, and all others are perfect."""

    def __init__(self, lost):
        self.lost = lost

    def kept_each(self, keys, make):
        curves = [None if self.lost(key) else [1.0] * 8 for key in keys]
        return [
            {**key, "accuracy_by_length": curve}
            for key, curve in zip(keys, curves, strict=True)
        ]


@pytest.mark.parametrize("lost", [lambda key: key["seed"] == 0, lambda key: True])
def test_a_run_that_diverged_counts_as_chance(lost, tmp_path):
    found = measure(PLAN, Kept(lost))
    every = found.curves.xs(0, level="seed")
    assert np.isfinite(every.to_numpy()).all()
    assert (every.loc["even_pairs"].to_numpy() == found.chance["even_pairs"]).all()
    count = 1 + lost({"seed": 1})
    for claim, arms_of in ((SHARING, 3), (VARIED, 6), (UNSEEN, 3), (CONVERSE, 1)):
        judged = claim.judge(PLAN, found)
        told = f"{count * arms_of} of {2 * arms_of} runs diverged and count as chance."
        assert judged.details.endswith(told)
        assert np.isfinite(judged.effect).all()
    whole = measure(PLAN, Kept(lambda key: False))
    assert all(
        "diverged" not in c.judge(PLAN, whole).details for c in EXPERIMENT.claims
    )


def test_the_figures_and_tables_are_of_all_arms(tmp_path):
    found = measure(PLAN, Kept(lambda key: key["reading"] == "literal"))
    drawn = {name: draw(PLAN, found) for name, draw in EXPERIMENT.figures.items()}
    for claim in (VARIED, CONVERSE):
        drawn[claim.id] = claim.draw(PLAN, found, None)
    words = {
        "lengths": ("Refuted if literal", "even pairs\nElman", "chance", "Untied, "
                    "literal", "Untied, one initialisation, hold"),
        "A3b": ("reverse string\nElman", "trained", "Tied"),
        "Q2b": ("varied lengths cost",),
    }  # fmt: skip
    for name, figure in drawn.items():
        texts = [t.get_text() for t in figure.findobj() if hasattr(t, "get_text")]
        assert all(any(word in text for text in texts) for word in words[name])
        save(figure, tmp_path / f"{name}.png")
    tables = {c.id: c.table(PLAN, found, None) for c in EXPERIMENT.claims}
    heads = tables["Q2"][0]
    assert heads[4:] == ("1 to 4", "5 to 7", "5 to 8 (best seed)", "5 to 8", "chance")
    assert [len(table) for table in tables.values()] == [1 + 2 + 10, 1 + 3, 0, 1 + 1]
    tied, literal = tables["Q2"][1:3]
    scores = ("1.000", "1.000", "1.000 (1.000)", "1.000", "0.500")
    assert tied == ("even pairs", "Elman", "tied", "tied", *scores)
    start = "untied, an initialisation a step"
    assert literal[2:6] == (start, "literal", "0.625", "0.500")


def test_every_plan_is_whole():
    for plan in PLANS.values():
        assert set(plan.fixed) <= set(plan.languages)
        assert plan.eval_max_length >= 2 * plan.train_max_length
        assert plan.each_max_length >= 2 * plan.train_max_length
        for arm in arms(plan):
            setting = reading.setting_of(plan, arm)
            assert setting.make_task(0).num_steps > 0
            assert (setting.sharing == Tied()) == (arm.sharing == "tied")
    assert len(set(arms(PLANS["full"]))) == len(arms(PLANS["full"])) == 48
    assert GOOD == 0.95 and [c.id for c in EXPERIMENT.claims] == [
        "Q2",
        "Q2b",
        "A3",
        "A3b",
    ]
