"""Findings made of others: Q5 of its halves, and what is undecided."""

import pytest

from experiments.claims import CLAIMS
from experiments.core_claim import __main__ as core_claim
from experiments.lab import finding as report
from experiments.lab.finding import Finding
from experiments.lab.trials import decided


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
