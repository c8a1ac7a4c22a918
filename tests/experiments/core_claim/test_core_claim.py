"""Q5 of its two halves: which is told first, and how both are shown."""

import dataclasses

import pytest
from matplotlib.figure import Figure

from experiments.core_claim import claims
from experiments.core_claim.claims import PLANS
from experiments.drift_map.plan import PLANS as ON_MAP
from experiments.lab.experiment import Claim, Experiment, Half, Verdict
from experiments.lab.trials import Lab
from experiments.real_data.plan import PLANS as ON_DATA
from rnnshare.analysis.statistics import Interval
from rnnshare.training import JsonLines


def half(verdict, label):
    """Returns a half of this verdict, with a figure and a table of its own."""
    found = Verdict(
        verdict, Interval(-1.0, -2.0, -0.5), label, f"What the {label} shows.", 5
    )
    claim = Claim(
        id="Q5",
        rule="Supported if it is, else refuted.",
        judge=lambda plan, measured: found,
        draw=lambda plan, measured, verdict: Figure(),
        table=lambda plan, measured, verdict: (("half",), (label,)),
        refuted_if=f"the {label} shows it",
    )
    study = Experiment(label, {"quick": None}, lambda plan, lab: None, (claim,))
    return Half(study, claim, None, None, found)


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
    joined = claims.join(half(on_map, "map"), half(on_data, "data"), "who wins where")
    assert (joined.verdict, joined.label, joined.count) == (verdict, first, 5)
    (other,) = joined.related
    assert {other.verdict.label, first} == {"map", "data"}
    assert joined.summary == (
        f"On the map who wins where. What the {first} shows. The other half is "
        f"{other.verdict.verdict}."
    )


def test_the_frame_tells_both_halves(tmp_path):
    """The other half's finding and figure are those of its own experiment."""
    halves = half("refuted", "map"), half("inconclusive", "data")
    study = Experiment(
        "core_claim",
        {"quick": None},
        lambda plan, lab: None,
        (
            Claim(
                "Q5",
                claims.CORE.rule,
                lambda plan, measured: claims.join(*halves, "nobody wins"),
                claims.draw,
                claims.table,
            ),
        ),
    )
    (finding,) = study.findings("quick", tmp_path)
    assert (finding.verdict, finding.effect_label) == ("inconclusive", "data")
    assert finding.table == (("half",), ("data",))
    assert finding.decides == "python -m experiments.core_claim --preset=full"
    (other,) = finding.related
    assert (other.verdict, other.summary) == ("refuted", "What the map shows.")
    assert (other.folder, other.figure) == ("quick/map", "../map/figures/Q5.png")
    assert other.command == "python -m experiments.map --preset=quick"
    for figure in (finding.figure, other.figure):
        assert (tmp_path / "quick/core_claim" / figure).is_file()


def test_the_time_of_rows_that_others_measured_counts(tmp_path):
    told = half("refuted", "map")
    JsonLines(tmp_path / "quick/map/sessions.jsonl").append({"seconds": 100.0})
    joining = dataclasses.replace(
        told.experiment, name="core_claim", measure=lambda plan, lab: lab.of("map")
    )
    for _ in range(2):  # the second time, what the first one told is not added to
        (found,) = joining.findings("quick", tmp_path)
        assert found.seconds == 100.0


def test_the_halves_are_judged_by_their_own_claims():
    (core,) = claims.EXPERIMENT.claims
    for _, claim in claims.HALVES:
        assert claim.id == core.id and claim.rule in core.rule
    for preset, plan in PLANS.items():
        assert plan == (ON_MAP[preset], ON_DATA[preset])


def test_each_half_is_measured_in_the_folder_of_its_experiment(tmp_path, monkeypatch):
    from experiments.core_claim import measure as study

    for name in ("drift_map", "real_data"):
        monkeypatch.setattr(
            getattr(study, name), "measure", lambda plan, lab: (plan, lab.folder.name)
        )
    found = study.measure(PLANS["quick"], Lab(tmp_path / "quick/core_claim"))
    assert found.on_map == (ON_MAP["quick"], "drift_map")
    assert found.on_data == (ON_DATA["quick"], "real_data")
