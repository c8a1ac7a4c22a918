"""The answer joins what folders hold: the best evidence first, and nothing is lost."""

import dataclasses
import pathlib
import types

import pytest
from absl import flags
from absl.testing import flagsaver

from experiments import answer
from experiments.claims import CLAIMS
from experiments.lab import script, side_by_side
from experiments.lab.finding import Finding, read_findings, write_findings


def finding(key="A4", preset="quick", **changes):
    made = Finding(
        id=key,
        claim=CLAIMS[key],
        verdict="supported",
        effect=0.5,
        effect_label="a difference",
        interval=(0.4, 0.6),
        num_seeds=5,
        rule="Supported if it is, refuted if not.",
        command="python -m experiments.x",
        figure="figures/A4.png",
        seconds=1.0,
        summary="It is.",
        preset=preset,
        folder=f"{preset}/position_generalisation",
    )
    return dataclasses.replace(made, **changes)


def keep(root, *findings):
    for one in findings:
        write_findings([one], root / one.folder)


def test_the_best_evidence_counts_and_this_runs_stands_beside_it(tmp_path):
    here, kept = tmp_path / "here", tmp_path / "kept"
    keep(here, finding(effect=0.45))
    keep(kept, finding(preset="full", num_seeds=10), finding(effect=0.55))
    (found,) = answer.collect(here, [here, kept])
    assert (found.preset, found.effect, found.num_seeds) == ("full", 0.5, 10)
    (beside,) = found.related
    assert (beside.preset, beside.effect) == ("quick", 0.45)
    # Figures are found from where the report stands.
    assert found.figure == "../kept/full/position_generalisation/figures/A4.png"
    assert beside.figure == "quick/position_generalisation/figures/A4.png"
    (alone,) = answer.collect(here, [here])
    assert alone.preset == "quick" and alone.related == ()


def test_a_claim_that_two_studies_judge_is_the_joint_ones(tmp_path):
    half = finding("Q5", folder="quick/drift_map", effect=0.41)
    keep(tmp_path, half, finding("Q5", folder="quick/core_claim", effect=0.59))
    (found,) = answer.collect(tmp_path, [tmp_path])
    assert found.effect == 0.59 and found.related == ()
    # A half that was run in full is better evidence than both in the quick preset.
    full = finding("Q5", "full", folder="full/drift_map", effect=0.42)
    keep(tmp_path, full)
    (found,) = answer.collect(tmp_path, [tmp_path])
    assert found.effect == 0.42 and [f.effect for f in found.related] == [0.59]
    assert read_findings(tmp_path / "quick/drift_map") == [half]


@pytest.mark.parametrize("verdict", ["supported", "refuted", "inconclusive"])
def test_the_lead_says_what_each_verdict_says(verdict):
    keys = [*answer.WHY, *answer.WHETHER]
    findings = [finding(key, verdict=verdict) for key in keys]
    why, whether, alone = answer.lead(findings)
    assert alone == "All of this is of the quick preset alone."
    better = [finding(keys[0], "full", verdict=verdict), *findings[1:]]
    assert len(answer.lead(better)) == 2
    assert ("0.500" in why) == (verdict == "supported")
    assert verdict in why or verdict == "supported"
    assert "{" not in why + whether
    for text in (why, whether):
        assert len(text.split(". ")) >= 3
    assert answer.lead([]) == ["Why? ", "Would un-shared do better? "]


def test_an_experiment_that_fails_is_told_and_nothing_reads_of_it(
    monkeypatch, tmp_path, capsys
):
    stages = []

    def run(commands, jobs, tell):
        timed = {"--times_only" in words for words in commands.values()}
        stages.append((list(commands), jobs, timed))
        tell("depth", "D1: supported. As it should be.")
        tell("depth", "a\ttable")
        tell("depth", "told")
        return {name: int(name == "depth") for name in commands}

    monkeypatch.setattr(side_by_side, "run", run)
    # Their data are not looked for.
    monkeypatch.setattr(script, "load", lambda name: types.SimpleNamespace(check=tuple))
    with flagsaver.flagsaver(), pytest.raises(SystemExit) as ended:
        flags.FLAGS.mark_as_parsed()
        flags.FLAGS.jobs = 3
        answer.measure(tmp_path)
    assert ended.value.code == 2
    (alone, one, timed), (together, three, rest) = stages  # none reads of them
    assert (alone, one, three) == (list(answer.TIMED), 1, 3)
    assert (timed, rest) == ({True}, {False})
    assert [*together, *answer.READERS] == [*answer.EXPERIMENTS]
    told = capsys.readouterr()
    assert told.out.splitlines() == ["depth: D1: supported", "depth: told"] * 2
    assert told.err.startswith("error: depth ended with an error, told above.")


def test_each_experiment_has_its_rooms():
    folder = pathlib.Path(answer.__file__).parent
    for name in answer.EXPERIMENTS:
        rooms = {path.stem for path in (folder / name).glob("*.py")}
        assert rooms >= {"__init__", "__main__", "measure", "claims"}, name
