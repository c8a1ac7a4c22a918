"""The kept results: every verdict is judged again from its rows; a lost row is told."""

import json
import pathlib
import re
import shutil

import pytest

from experiments import answer
from experiments.lab import report, script
from experiments.lab.finding import read_findings
from experiments.lab.report import format_effect
from tests.cases import with_slow

RESULTS = pathlib.Path(answer.__file__).parent / "results"
FOLDERS = sorted(
    path.parent.relative_to(RESULTS).as_posix()
    for path in RESULTS.glob("*/*/claims.json")
)


def told(row):
    """Returns the columns that say what was trained, none that was measured."""
    measured = r"(train|validation|test)_.*|key|crc32|best_step|steps_trained|diverged"
    return {k: v for k, v in row.items() if not re.fullmatch(measured, k)}


def test_every_study_is_kept():
    kept = {pathlib.Path(folder).name for folder in FOLDERS}
    assert kept == set(answer.EXPERIMENTS)
    for folder in FOLDERS:  # rows of the present schema, each known by its key
        for path in (RESULTS / folder).glob("[tk]*.jsonl"):
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            assert {row["schema"] for row in rows} == {2}
            keys = [row["key"] for row in rows]
            assert len(keys) == len(set(keys)), path
            if path.stem == "trained":  # to a reader's eye as well, without their keys
                named = {json.dumps(told(row), sort_keys=True) for row in rows}
                assert len(named) == len(rows), path


# Of each study the best evidence, which is what is shown.
BEST = {folder.partition("/")[2]: folder for folder in reversed(FOLDERS)}


# But for what joins others' rows, whose own verdicts are judged again.
AGAIN = {*BEST.values()} - {BEST["core_claim"]}


@pytest.mark.parametrize("folder", with_slow(FOLDERS, AGAIN))
def test_verdicts_are_judged_again_from_the_rows(folder):
    preset, name = folder.split("/")
    claims = json.loads((RESULTS / folder / "claims.json").read_text())
    again = script.load(name).judge_again(preset, RESULTS / folder)
    assert [claim["id"] for claim in claims] == list(again)
    for claim in claims:
        verdict = again[claim["id"]]
        assert script.agree(verdict, claim, script.ENDS_WITHIN), claim["id"]
        assert claim["num_seeds"] == again[claim["id"]].count
        assert claim["evidence"] == {"preset": preset, "folder": folder}


def judged(folder):
    """Returns a folder's rows, and those not of the tuning, which verdicts read."""
    path = RESULTS / folder / "trained.jsonl"
    text = path.read_text() if path.exists() else ""
    rows = [json.loads(line) for line in text.splitlines()]
    # Its seeds are between those of the two editions.
    return rows, [row for row in rows if not 1_000 <= row["seed"] < 10_000]


@pytest.mark.parametrize(
    "folder",
    with_slow(
        [f for f in FOLDERS if "quick" in f and judged(f)[1]],
        {
            "quick/spectrum",
            "quick/length_generalisation",
        },
    ),
)
def test_a_run_that_diverged_ends_in_a_report(folder, tmp_path):
    preset, name = folder.split("/")
    shutil.copytree(RESULTS / preset, tmp_path / preset)
    path = tmp_path / folder / "trained.jsonl"
    rows, (lost, *_) = judged(folder)
    metrics = [k for k in lost if re.match("(train|validation|test)_", k)]
    assert "test_loss" in metrics
    lost |= dict.fromkeys(metrics) | {"diverged": 1}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = script.load(name).findings(preset, tmp_path, judge_only=True)
    page = report.write(found, tmp_path / folder, question="?", lead=[], environment={})
    text = page.with_suffix(".md").read_text()
    assert "diverged" in text or "left out" in text


def test_the_tables_say_what_the_claims_say():
    """README's table is generated: its numbers are those of the evidence."""
    table = (RESULTS / "README.md").read_text()
    findings = read_findings(RESULTS)
    assert [f.id for f in findings] == list(answer.CLAIMS)
    best = answer.collect(RESULTS, [RESULTS])  # also of what was kept since then
    assert [f.folder for f in findings] == [f.folder for f in best]
    for finding in findings:
        (row,) = re.findall(rf"^\| \[{finding.id}\]\(.*$", table, re.MULTILINE)
        assert finding.verdict in row and report.escape(format_effect(finding)) in row
        assert f"| {finding.preset} |" in row
        source = RESULTS / finding.folder / "claims.json"
        kept = {claim["id"]: claim for claim in json.loads(source.read_text())}
        assert kept[finding.id]["effect"] == finding.effect
        assert kept[finding.id]["verdict"] == finding.verdict
