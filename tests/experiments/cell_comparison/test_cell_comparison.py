"""A6: whether cells agree, its verdicts, and where its effects come from."""

import numpy as np
import pytest

from experiments.cell_comparison import measure
from experiments.cell_comparison.claims import ALIKE, EXPERIMENT, agree, relative
from experiments.cell_comparison.measure import PLANS
from experiments.lab.trials import Lab
from rnnshare.plotting import save

PLAN = PLANS["quick"]
SEEDS = np.array([-0.02, 0.0, 0.01, 0.02, -0.01])


@pytest.mark.parametrize(
    ("effects", "same"),
    [
        ((0.5, 0.6, 0.9), True),
        ((0.5, 0.6, 1.1), False),  # more than twice
        ((0.5, 0.6, -0.5), False),
        ((0.5, 0.6, 0.0), False),
        ((0.5,), False),  # one cell alone agrees with nobody
    ],
)
def test_cells_agree_by_sign_and_within_a_factor_of_two(effects, same):
    cells = dict(zip(("LSTM", "Elman", "GRU"), effects, strict=False))
    assert agree({cell: effect + SEEDS for cell, effect in cells.items()}) == same


def test_the_verdict_counts_the_effects_that_agree(tmp_path):
    alike = {"LSTM": 1 + SEEDS, "Elman": 1.5 + SEEDS}
    apart = {"LSTM": 1 + SEEDS, "Elman": -1 + SEEDS}
    cases = {
        "supported": (alike, alike, alike),
        "inconclusive": (alike, alike, apart),
        "refuted": (alike, apart, apart),
    }
    for verdict, effects in cases.items():
        found = dict(zip("abc", effects, strict=True))
        judged = ALIKE.judge(PLAN, found)
        assert (judged.verdict, judged.count) == (verdict, 5)
        assert judged.summary[-1] == "."
        assert ("The ratio leaves" in judged.details) == (verdict != "supported")
        assert "seeds" not in judged.details
        assert len(ALIKE.table(PLAN, found, judged)) == 1 + 6
        save(ALIKE.draw(PLAN, found, judged), tmp_path / "effects.png")


@pytest.mark.parametrize("others", ["alike", "apart"])
def test_an_effect_of_one_cell_alone_decides_nothing(others):
    sign = 1 if others == "alike" else -1
    two = {"LSTM": 1 + SEEDS, "Elman": sign + SEEDS}
    for found in (
        {"a": two, "b": two, "c": {"LSTM": 1 + SEEDS}},
        {"a": {"LSTM": 1 + SEEDS}, "b": {}, "c": {"Elman": 1 + SEEDS}},
    ):
        judged = ALIKE.judge(PLAN, found)
        # Whatever the third would say.
        decides = found["a"] is two and others == "apart"
        assert judged.verdict == ("refuted" if decides else "inconclusive")
        assert "; fewer than two have " in judged.summary and judged.summary[-1] == "."


def test_the_effects_are_those_of_the_three_studies(monkeypatch, tmp_path):
    asked = {}

    def answer(value):
        def by_cell(plan, lab):
            asked[lab.folder.name] = plan
            return value

        return by_cell

    fall, gap = {"LSTM": 1 + SEEDS}, {"LSTM": 2 + SEEDS, "Elman": SEEDS[:1]}
    rule = {"Elman": {"Tied": (None, 1 + SEEDS), "Untied": (None, SEEDS)}}
    for study, name, value in (
        (measure.lengths, "falls_by_cell", fall),
        (measure.positions, "local_rule_by_cell", rule),
        (measure.over_fitting, "gaps_by_cell", gap),
    ):
        monkeypatch.setattr(study, name, answer(value), raising=False)
    found = measure.measure(PLAN, Lab(tmp_path / "cell_comparison"))
    folders = "length_generalisation", "position_generalisation", "over_fitting"
    assert asked == dict(zip(folders, PLAN.studies, strict=True))
    lengths, positions, gaps = found.values()
    assert lengths is not fall and lengths == fall and set(gaps) == {"LSTM"}
    np.testing.assert_allclose(positions["Elman"], 1.0)


def test_linear_cells_stand_beside_and_decide_nothing(monkeypatch, tmp_path):
    plan = PLANS["full"]
    assert plan.linear == ("MinGRU", "MinLSTM", "LRU") and not PLAN.linear
    asked = []
    for study, name in (
        (measure.lengths, "falls_by_cell"),
        (measure.positions, "local_rule_by_cell"),
        (measure.over_fitting, "gaps_by_cell"),
    ):
        take = lambda own, lab: asked.append(own.cells) or {}  # noqa: E731
        monkeypatch.setattr(study, name, take)
    measure.measure(plan, Lab(tmp_path / "cell_comparison"))
    for own, cells in zip(plan.studies, asked, strict=True):
        assert (
            cells
            == ("Elman", "GRU", "LSTM", *plan.linear)
            == (
                *own.cells,
                *plan.linear,
            )
        )

    three = {"LSTM": 1 + SEEDS, "Elman": 1.5 + SEEDS}
    found = {"a": three | {"MinGRU": 1.6 + SEEDS, "LRU": -1 + SEEDS}} | {
        name: three | {"LRU": 1.5 + SEEDS} for name in "bc"
    }
    judged = ALIKE.judge(plan, found)
    alone = ALIKE.judge(plan, dict.fromkeys("abc", three))
    assert judged.verdict == alone.verdict == "supported"
    assert judged.effect == alone.effect
    assert "MinGRU is like the others in a, +1.600" in judged.details
    assert "LRU is not like the others in a, -1.000" in judged.details
    assert "MinLSTM has no effect of b; LRU is like the others in b" in judged.details
    rows = {tuple(row[:2]): row[-1] for row in ALIKE.table(plan, found, judged)}
    assert rows["a", "LSTM"] == "yes" and rows["a", "LRU"] == "no"
    save(ALIKE.draw(plan, found, judged), tmp_path / "effects.png")


@pytest.mark.slow
def test_linear_cells_are_trained_in_every_study(tmp_path):
    plan = PLANS["smoke"]._replace(linear=("MinGRU", "LRU"))
    lab = Lab(tmp_path / "cell_comparison")
    found = measure.measure(plan, lab)
    for name in ("unseen positions (A4)", "train-test gap (B7)"):
        assert list(found[name]) == ["Elman", "MinGRU", "LRU"]
    rows = lab.of("length_generalisation").others.rows
    assert {"MinGRU", "LRU"} <= {row["cell"] for row in rows}


@pytest.mark.parametrize("left", [4, 0])
def test_fewer_seeds_than_planned_are_told(left, tmp_path):
    cells = {"LSTM": 1 + SEEDS, "Elman": 1.5 + SEEDS}
    fewer = {cell: values[:left] for cell, values in cells.items() if left}
    found = {"a": cells, "b": cells, "gap": fewer}
    judged = ALIKE.judge(PLAN, found)
    assert f"The effect 'gap' rests on {left} of 5 seeds." in judged.details
    assert judged.verdict == ("supported" if left else "inconclusive")
    assert judged.count == (left or 5)
    assert np.isfinite(judged.effect).all()
    save(ALIKE.draw(PLAN, found, judged), tmp_path / "effects.png")


def test_the_lstms_effect_over_the_others():
    found = {
        "a": {"LSTM": 2 + SEEDS, "Elman": 1 + SEEDS, "GRU": 3 + SEEDS},
        "b": {"LSTM": 3 + SEEDS, "Elman": 1 + SEEDS},
        "c": {"LSTM": 3 + SEEDS},  # nothing to compare with
    }
    interval = relative(found)
    assert interval.estimate == pytest.approx(2.0)  # the mean of 1 and 3
    assert interval.low < 2.0 < interval.high
    # No ratio to an effect that the others lack, nor one of nothing.
    none = {"d": {"LSTM": 1 + SEEDS, "Elman": 0 * SEEDS}, "e": {}}
    assert relative(none) == (1.0, 1.0, 1.0)
    assert relative(found | none) == interval


def test_the_plans_are_those_of_the_studies():
    assert set(PLANS) == {"smoke", "quick", "full"}
    for name, plan in PLANS.items():
        assert len({each.num_seeds for each in plan.studies}) == 1
        for each in plan.studies:  # the LSTM is compared with another one
            assert {"LSTM", "Elman"} <= {*each.cells} or name == "smoke"
    assert [claim.id for claim in EXPERIMENT.claims] == ["A6"]
