"""Findings made of others: Q5 of its halves, A6 of three effects, what is undecided."""

import numpy as np
import pytest

from experiments.cell_comparison import measure as cell_comparison_study
from experiments.cell_comparison.measure import agree, relative
from experiments.claims import CLAIMS
from experiments.core_claim import __main__ as core_claim
from experiments.lab import finding as report
from experiments.lab.finding import Finding
from experiments.lab.trials import decided

SEEDS = np.array([-0.02, 0.0, 0.01, 0.02, -0.01])


def finding(verdict, label, **more):
    return Finding(
        id="Q5",
        claim=CLAIMS["Q5"],
        verdict=verdict,
        effect=-1.0,
        effect_label=label,
        interval=(-2.0, -0.5),
        num_seeds=5,
        rule="Supported if it is, else refuted.",
        command="python -m experiments.x --preset=quick",
        figure="",
        seconds=2.0,
        meaning=f"What the {label} shows.",
        **more,
    )


@pytest.mark.parametrize(
    ("on_map", "on_data", "verdict", "first"),
    [
        ("supported", "refuted", "supported", "map"),
        ("inconclusive", "supported", "supported", "data"),
        ("supported", "supported", "supported", "map"),
        ("refuted", "refuted", "refuted", "map"),
        ("refuted", "inconclusive", "inconclusive", "data"),
        ("inconclusive", "inconclusive", "inconclusive", "map"),
    ],
)
def test_q5_is_told_by_the_half_that_decides_it(on_map, on_data, verdict, first):
    halves = finding(on_map, "map"), finding(on_data, "data")
    joined = core_claim.join(*halves, "quick")
    assert (joined.verdict, joined.effect_label) == (verdict, first)
    (other,) = joined.also
    assert {other.effect_label, first} == {"map", "data"}
    assert joined.rule == core_claim.RULES["Q5"] and joined.seconds == 4.0


def test_the_report_shows_both_halves(tmp_path):
    joined = core_claim.join(
        finding("refuted", "map"), finding("supported", "data"), "quick"
    )
    page = report.write(
        [joined], [], tmp_path, question="?", lead="", environment={"python": "3"}
    )
    for text in (page.read_text(), (tmp_path / "report.md").read_text()):
        assert text.index("What the data shows.") < text.index("What the map shows.")
        assert "Also (refuted): map" in text
    assert (tmp_path / "claims.json").read_text().count('"id"') == 1


def test_what_is_not_decided_names_the_command_that_decides():
    assert decided(finding("refuted", "x"), "quick") == finding("refuted", "x")
    told = decided(finding("inconclusive", "x"), "quick").meaning
    assert told.endswith("to decide it: python -m experiments.x --preset=full")
    full = finding("inconclusive", "x")
    assert decided(full, "full") == full


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


def test_the_verdict_counts_the_effects_that_agree():
    alike = {"LSTM": 1 + SEEDS, "Elman": 1.5 + SEEDS}
    apart = {"LSTM": 1 + SEEDS, "Elman": -1 + SEEDS}
    judge = cell_comparison_study.judge
    assert judge({"a": alike, "b": alike, "c": alike}) == "supported"
    assert judge({"a": alike, "b": alike, "c": apart}) == "inconclusive"
    assert judge({"a": alike, "b": apart, "c": apart}) == "refuted"


def test_the_lstms_effect_over_the_others():
    found = {
        "a": {"LSTM": 2 + SEEDS, "Elman": 1 + SEEDS, "GRU": 3 + SEEDS},
        "b": {"LSTM": 3 + SEEDS, "Elman": 1 + SEEDS},
        "c": {"LSTM": 3 + SEEDS},  # nothing to compare with
    }
    interval = relative(found)
    assert interval.estimate == pytest.approx(2.0)  # the mean of 1 and 3
    assert interval.low < 2.0 < interval.high
