"""The report says what the findings say, safely, in one file, in the same bytes."""

# ruff: noqa: RUF001  the report writes a proper minus and a multiplication sign

import dataclasses
import html.parser
import json
import re

import numpy as np
import pytest

from experiments.lab import report
from experiments.lab.finding import Finding, read_findings, to_json
from experiments.lab.report import format_number, format_seconds
from rnnshare import Tied
from rnnshare.plotting import draw_tying_matrices, save

NASTY = 'Is a < b & "c" | d * e_f `g` <script>alert(1)</script>?'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("report")
    save(draw_tying_matrices([Tied()], 3), path / "figures" / "Q5.png")
    return path


def a_finding(**changes):
    finding = Finding(
        id="Q5",
        claim="Untied would do better.",
        verdict="refuted",
        effect=-0.04123,
        effect_label="test accuracy, untied minus tied",
        interval=(-0.0605, -0.0231),
        num_seeds=8,
        rule="The interval lies above 0.",
        command="python -m experiments.real_data --preset=quick",
        figure="figures/Q5.png",
        seconds=185.2,
        summary="It does not. Sharing costs nothing here.",
    )
    return dataclasses.replace(finding, **changes)


def write(folder, findings, **changes):
    given = {
        "question": "Why share?",
        "lead": ["Because it pays."],
        "environment": {"Preset": "quick"},
        "figures": [("figures/Q5.png", "What was seen.")],
        **changes,
    }
    given.setdefault("untested", [("B9", "A claim for later.")])
    return report.write(findings, folder, **given)


class Page(html.parser.HTMLParser):
    """Collects the text, the attributes and the open tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.words, self.attributes, self.tags, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)


def test_json_is_strict_and_has_exactly_the_keys():
    finding = a_finding(effect=np.float32(0.5), num_seeds=np.int64(3))

    def refuse(name):
        raise AssertionError(name)

    (record,) = json.loads(to_json([finding]), parse_constant=refuse)
    assert sorted(record) == sorted(
        [
            *("id", "claim", "verdict", "effect", "interval", "num_seeds", "rule"),
            *("command", "figure", "seconds", "repeats", "evidence", "decides"),
        ]
    )
    assert record["effect"] == 0.5 and record["num_seeds"] == 3
    assert record["interval"] == [-0.0605, -0.0231]
    for key in ("id", "claim", "verdict", "rule", "command", "figure", "seconds"):
        assert record[key] == getattr(finding, key)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"effect": float("nan")}, "'Q5': effect is nan.*Leave the failed runs out"),
        ({"interval": (0.0, float("inf"))}, "high is inf"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"interval": (1.0, 0.0)}, "lower end first"),
        ({"verdict": "true"}, "'true'. Use one of supported, refuted, inconclusive"),
        ({"id": "Q 5"}, "'Q 5' cannot be an anchor"),
    ],
)
def test_findings_that_cannot_be_reported_are_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        a_finding(**changes)


def test_text_is_shown_as_written_and_never_run(folder):
    finding = a_finding(
        claim=NASTY, rule=NASTY, summary=NASTY, command=NASTY, effect_label=NASTY
    )
    finding = dataclasses.replace(finding, details=NASTY, table=((NASTY,), (NASTY,)))
    path = write(
        folder,
        [finding],
        question=NASTY,
        lead=[NASTY],
        environment={NASTY: NASTY},
        untested=[("B9", NASTY)],
        figures=[("figures/Q5.png", NASTY)],
    )
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == [] and "script" not in page.tags
    assert " ".join(page.words).count(NASTY) >= 13
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    rendered = markdown.replace(f"    {NASTY}\n", "")  # code is shown as it is
    assert not re.search(r"(?<!\\)<script", rendered)
    rows = [line for line in rendered.splitlines() if line.startswith("| [Q5]")]
    assert len(rows) == 1 and len(re.findall(r"(?<!\\)\|", rows[0])) == 7


def test_page_is_one_file_that_asks_for_nothing(folder):
    path = write(folder, [a_finding()])
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    sources = [value for name, value in page.attributes if name == "src"]
    assert len(sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    links = [value for name, value in page.attributes if name == "href"]
    anchors = {value for name, value in page.attributes if name == "id"}
    assert links and all(link[0] == "#" and link[1:] in anchors for link in links)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "http:" not in text and "https:" not in text and "url(" not in text
    alts = [value for name, value in page.attributes if name == "alt"]
    assert len(alts) == 2 and all(alts)


def test_all_claims_are_on_both_pages(folder):
    findings = [
        a_finding(),
        a_finding(
            id="B4",
            claim="It grows by a line.",
            verdict="supported",
            effect=20_736.0,
            interval=(20_736.0, 20_736.0),
            num_seeds=0,
            figure="",
            repeats="",
            table=(("steps", "parameters"), ("28", "580,608")),
            details="First.\n\nSecond.",
        ),
    ]
    path = write(folder, findings)
    words = " ".join(Page(path.read_text(encoding="utf-8")).words)
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    for shown in ("−0.0412", "20,736", "exact", "8 seeds", "3 min 5 s"):
        assert shown in words and shown in markdown
    for key in ("Q5", "B4"):
        assert re.search(rf"^\| \[{key}\]\(#{key.lower()}\) \|", markdown, re.M)
        assert f'<h4 id="{key.lower()}">{key}: ' in markdown
    assert "2 claims" not in words  # the untested one counts
    told = "3 claims. 1 measured: 1 refuted; 1 definitions, identities, constructions "
    assert f"{told}and proofs: 1 supported; 1 not yet tested." in words
    assert "identity" in words  # by which B4 is exact
    assert "- **B9** A claim for later." in markdown
    assert "](figures/Q5.png)" in markdown and "| 28 | 580,608 |" in markdown
    assert "First.\n\nSecond." in markdown
    assert (folder / "claims.json").read_text() == to_json(findings)
    assert read_findings(folder) == findings


def test_what_follows_stands_before_the_rule_which_is_folded(folder):
    finding = a_finding(
        verdict="inconclusive",
        decides="python -m experiments.real_data --preset=full",
        details="Fine print.",
        related=(a_finding(verdict="supported", preset="quick", summary="It did."),),
    )
    groups = {"Would it?": ["Q5"], "Why?": ["B4"]}
    page = write(folder, [finding], groups=groups).read_text(encoding="utf-8")
    order = ("It does not.", "<img", "<details><summary>The rule", "Fine print.")
    section = page[page.index('<h4 id="q5">') :]
    places = [section.index(text) for text in order]
    assert places == sorted(places)
    assert "to decide it: <code>python -m experiments.real_data --preset=full" in page
    assert section.index("It did.") > section.index("Fine print.")  # the related one
    assert '<a href="#would-it">' in page and '<h3 id="would-it">' in page
    assert "Why?" not in page.replace("Why share?", "")  # nothing to tell under it
    # A wide table scrolls, and can be reached by the keyboard.
    assert '<div class="wide" tabindex="0"><table>' in page


def test_equal_findings_give_equal_bytes(folder):
    names = ("report.html", "report.md", "claims.json")
    write(folder, [a_finding()])
    first = [(folder / name).read_bytes() for name in names]
    write(folder, [a_finding()])
    assert [(folder / name).read_bytes() for name in names] == first


def test_missing_figures_and_repeated_ids_are_refused(folder):
    with pytest.raises(ValueError, match=r"'figures/none.png', but there is no such"):
        write(folder, [a_finding(figure="figures/none.png")])
    with pytest.raises(ValueError, match=r"\['Q5'\] appear twice"):
        write(folder, [a_finding(), a_finding()])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (20_736.0, "20,736"),
        (-0.04123, "−0.0412"),
        (0.4, "0.400"),
        (123.4, "123"),
        (999.7, "1,000"),
        (12_345.6, "12,300"),
        (1.1e-6, "1.10 × 10⁻⁶"),
        (-2.5e20, "−2.50 × 10²⁰"),
    ],
)
def test_numbers_are_for_people(value, text):
    assert format_number(value) == text


def test_durations_are_for_people():
    seconds = (0.42, 9.96, 59.7, 185.2)
    shown = [format_seconds(value) for value in seconds]
    assert shown == ["0.4 s", "10 s", "1 min 0 s", "3 min 5 s"]
