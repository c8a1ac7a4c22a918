"""The answer: every claim has its rule beforehand, and one report tells all."""

import re

import pytest

from experiments import answer
from experiments.claims import CLAIMS, QUESTIONS
from experiments.lab.flags import PRESETS
from tests.experiments.scripts import EXPERIMENTS, ROOT, refused, run, strict_json

KEPT = ROOT / "experiments/results"

OWNERS = {
    claim.id: (name, claim)
    for name, experiment in EXPERIMENTS.items()
    for claim in experiment.claims
    if answer.OWNER.get(claim.id, name) == name
}


def test_every_claim_has_its_rule_beforehand():
    assert set(OWNERS) == set(CLAIMS)
    grouped = [key for ids in QUESTIONS.values() for key in ids]
    assert sorted(grouped) == sorted(CLAIMS)
    for _, claim in OWNERS.values():
        assert re.search(r"supported\b[^.:]* if ", claim.rule.lower())
        assert "refuted" in claim.rule.lower()
    for experiment in EXPERIMENTS.values():
        assert set(experiment.plans) == set(PRESETS)


def test_the_nights_run_every_experiment():
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    names = re.search(r"^NIGHTS := (.*)$", makefile, re.MULTILINE)[1].split()
    assert sorted(names) == sorted(answer.EXPERIMENTS)


def check_page(folder):
    """Every claim stands in the table of its question, and links to its section."""
    page = (folder / "report.md").read_text()
    verdict = "(?:supported|refuted|inconclusive)"
    rows = re.findall(rf"^\| \[(\w+)\]\(.*\) \| .*{verdict}\*\* \|", page, re.M)
    assert rows == [key for ids in QUESTIONS.values() for key in CLAIMS if key in ids]
    web = (folder / "report.html").read_text()
    assert all(f'<h4 id="{key.lower()}">' in web for key in CLAIMS)
    figures = {c["figure"] for c in strict_json((folder / "claims.json").read_text())}
    assert web.count("data:image/png;base64,") >= len(figures)


def test_the_report_of_what_is_kept(tmp_path):
    done = refused(
        "answer", "--collect", f"--workdir={tmp_path}", f"--evidence={KEPT}",
        begin=lambda *_: None,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    check_page(tmp_path)


@pytest.mark.slow
def test_answer(tmp_path):
    done = run("answer", "--preset=smoke", f"--workdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    claims = strict_json((tmp_path / "claims.json").read_text())
    assert [claim["id"] for claim in claims] == list(CLAIMS)
    keys = "id claim verdict effect interval num_seeds rule command figure seconds"
    for claim in claims:
        assert set(claim) == {*keys.split(), "repeats", "evidence", "decides"}
        assert (tmp_path / claim["figure"]).is_file()
        low, high = claim["interval"]
        assert low <= claim["effect"] <= high
        name, owner = OWNERS[claim["id"]]
        assert claim["rule"] == owner.rule
        assert claim["evidence"] == {"preset": "smoke", "folder": f"smoke/{name}"}
        undecided = claim["verdict"] == "inconclusive" and owner.full_decides
        assert bool(claim["decides"]) == undecided
    verdicts = {claim["id"]: claim["verdict"] for claim in claims}
    exact = {claim.id for claim in EXPERIMENTS["identities"].claims}
    assert {verdicts[key] for key in exact} == {"supported"}
    check_page(tmp_path)
    # What one command found is not overwritten by another: it has its own folder.
    before = (tmp_path / "claims.json").read_bytes()
    alone = run("identities", "--preset=smoke", f"--workdir={tmp_path}")
    assert alone.returncode == 0, alone.stderr
    assert (tmp_path / "claims.json").read_bytes() == before
    # Every verdict is judged again from the rows alone.
    for name in answer.EXPERIMENTS:
        again = EXPERIMENTS[name].judge_again("smoke", tmp_path / "smoke" / name)
        for key, found in again.items():
            if OWNERS[key][0] == name:
                assert found.verdict == verdicts[key], key
