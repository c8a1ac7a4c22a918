"""The report of findings: one Markdown page, and the same as one HTML file.

The Markdown is the source: it shows on any host, and markdown-it makes the HTML of it,
its figures embedded. Every text that comes from outside is escaped where it is put on
the page. A report is a function of its findings: equal input gives equal bytes.
"""

import base64
import html
import mimetypes
import pathlib
import re
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from experiments.claims import EXACT
from experiments.lab.finding import Finding, tally, write_findings
from experiments.lab.report_style import PAGE, STYLE
from rnnshare.training.files import write_atomically

MARKS = {"supported": "\N{CHECK MARK}", "refuted": "\N{BALLOT X}", "inconclusive": "?"}
_MINUS = "\N{MINUS SIGN}"
_POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Pictures = Sequence[tuple[str, str]]  # (path, caption)
Groups = Mapping[str, Sequence[str]]  # question -> ids of claims


def format_number(value: float) -> str:
    """Returns a number for people: whole ones in full, others to 3 digits."""
    if value == int(value) and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif 1e-4 <= abs(value) < 999.5:
        text = f"{value:#.3g}".rstrip(".")
    elif 999.5 <= abs(value) < 1e7:
        text = f"{float(f'{value:.3g}'):,.0f}"
    else:
        digits, exponent = f"{value:.2e}".split("e")
        power = str(int(exponent)).translate(_POWERS)
        text = f"{digits} \N{MULTIPLICATION SIGN} 10{power}"
    return text.replace("-", _MINUS)


def format_seconds(seconds: float) -> str:
    """Returns a duration as '0.4 s', '12 s' or '3 min 5 s'."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def format_effect(finding: Finding) -> str:
    """Returns the effect with its interval, or 'exact'; a count has none."""
    if finding.exact:
        return f"{format_number(finding.effect)} exact"
    if {*finding.interval} == {finding.effect}:
        return format_number(finding.effect)
    ends = ", ".join(format_number(end) for end in finding.interval)
    return f"{format_number(finding.effect)} [{ends}]"


def format_repeats(finding: Finding) -> str:
    """Returns '8 seeds', or what else was repeated; and by what no sample decides."""
    count, kind = finding.num_seeds, finding.repeats
    told = f"{count} {kind.removesuffix('s') if count == 1 else kind}" if kind else ""
    return ", ".join(filter(None, (EXACT.get(finding.id, ""), told)))


def write(
    findings: Sequence[Finding],
    directory: str | pathlib.Path,
    *,
    question: str,
    lead: Sequence[str],
    environment: Mapping[str, str],
    commands: Sequence[str] = (),
    figures: Pictures = (),
    groups: Groups | None = None,
    untested: Sequence[tuple[str, str]] = (),
) -> pathlib.Path:
    """Writes `report.html` (self-contained), `report.md`, and the findings as JSON.

    Args:
      findings: one a claim, in the order to show them in.
      directory: where to; the figures are already there.
      question: the heading.
      lead: the answer, a paragraph each.
      environment: versions, hardware, preset.
      commands: shown under the lead.
      figures: (path relative to the directory, caption); the first stands under the
        lead, the others behind the verdicts.
      groups: {question: ids}, the order of the page; all in one by default.
      untested: (id, claim) of the claims without a finding.

    Returns:
      The path of `report.html`.

    Raises:
      ValueError: if two findings share an id, or a figure is missing.
    """
    folder = pathlib.Path(directory)
    repeated = [key for key, n in Counter(f.id for f in findings).items() if n > 1]
    if repeated:
        raise ValueError(
            f"The findings {repeated} appear twice. Give one finding a claim."
        )
    shown = [found for f in findings for found in (f, *f.related)]
    for path in [*(f.figure for f in shown if f.figure), *(p for p, _ in figures)]:
        if not (folder / path).is_file():
            raise ValueError(
                f"The report shows {path!r}, but there is no such file in {folder}. "
                "Save the figure there first, or pass ''."
            )
    groups = groups or {"": [finding.id for finding in findings]}
    blocks = [
        *_first_page(findings, question, lead, commands, figures, groups, untested),
        *_behind(findings, figures, groups, untested),
        "## Where this was run",
        "\n".join(f"- {escape(k)}: {escape(v)}" for k, v in environment.items()),
    ]
    markdown = "\n\n".join(blocks) + "\n"
    write_atomically(folder / "report.md", markdown)
    write_atomically(folder / "report.html", html_page(markdown, question, folder))
    write_findings(findings, folder)
    return folder / "report.html"


def html_page(markdown: str, title: str, folder: pathlib.Path) -> str:
    """Returns a Markdown page as one HTML file; `folder` is where its figures are."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)

    def embed(match: re.Match[str]) -> str:
        path = folder / urllib.parse.unquote(html.unescape(match[1]))
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        kind = mimetypes.guess_type(path.name)[0]
        return f'<img src="data:{kind};base64,{data}"'

    body = re.sub(r'<img src="([^":]+)"', embed, body)
    body = body.replace("<table>", '<div class="wide" tabindex="0"><table>')
    body = body.replace("</table>", "</table></div>")
    for verdict, mark in MARKS.items():
        badge = f'<span class="badge {verdict}">{mark} {verdict}</span>'
        body = body.replace(f"<strong>{mark} {verdict}</strong>", badge)
    return PAGE.substitute(title=html.escape(title), style=STYLE, body=body)


def table_of(findings: Iterable[Finding], link: str = "#{}") -> str:
    """Returns the table of verdicts in Markdown, a row a claim.

    Args:
      findings: in the order to show them in.
      link: where an id leads to; `{}` is the id in lower case.
    """
    rows = [("", "Claim", "Verdict", "Effect, 95 % interval", "Repeats", "Evidence")]
    lines = [_row(rows[0]), "|" + " --- |" * len(rows[0])]
    for f in findings:
        cells = (
            f"[{f.id}]({link.format(f.id.lower())})",
            escape(f.claim),
            f"**{MARKS[f.verdict]} {f.verdict}**",
            f"{escape(f.effect_label)}: {escape(format_effect(f))}",
            format_repeats(f),
            f.preset,
        )
        lines.append(_row(cells))
    return "\n".join(lines)


def escape(text: object) -> str:
    """Returns text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_<>|\[\]~$&#])", r"\\\1", " ".join(str(text).split()))


def _first_page(
    findings: Sequence[Finding],
    question: str,
    lead: Sequence[str],
    commands: Sequence[str],
    figures: Pictures,
    groups: Groups,
    untested: Sequence[tuple[str, str]],
) -> list[str]:
    """Returns the short page: the answer, its figure, the verdicts."""
    count = tally(findings, len(untested))
    blocks = [f"# {escape(question)}", *map(escape, lead)]
    blocks += ["\n".join(f"    {command}" for command in commands)] if commands else []
    for path, caption in figures[:1]:
        blocks += [_image(path, caption), f"*{escape(caption)}*"]
    blocks += [escape(count), '<h2 id="verdicts">The verdicts</h2>']
    named = [name for name, _ in _members(findings, groups) if name]
    if named:
        blocks.append(
            "\n".join(f"- [{escape(name)}](#{_slug(name)})" for name in named)
        )
    for name, members in _members(findings, groups):
        blocks += [f'<h3 id="{_slug(name)}">{html.escape(name)}</h3>'] if name else []
        blocks.append(table_of(members))
    return blocks


def _behind(
    findings: Sequence[Finding],
    figures: Pictures,
    groups: Groups,
    untested: Sequence[tuple[str, str]],
) -> list[str]:
    """Returns the long page: what each verdict rests on."""
    blocks = ["## Behind the verdicts"]
    for path, caption in figures[1:]:
        blocks += [_image(path, caption), f"*{escape(caption)}*"]
    for name, members in _members(findings, groups):
        blocks += [f"### {escape(name)}"] if name else []
        for finding in members:
            blocks += _section(finding)
    if untested:
        told = "\n".join(f"- **{escape(k)}** {escape(c)}" for k, c in untested)
        blocks += ["## Not yet tested", told]
    return blocks


def _members(
    findings: Sequence[Finding], groups: Groups
) -> Iterable[tuple[str, list[Finding]]]:
    for name, ids in groups.items():
        members = [finding for finding in findings if finding.id in ids]
        if members:
            yield name, members


def _section(finding: Finding) -> list[str]:
    """Returns the blocks of one claim: what follows, the figure, then the rule."""
    heading = f"{finding.id}: {html.escape(finding.claim)}"
    blocks = [f'<h4 id="{finding.id.lower()}">{heading}</h4>', _result(finding)]
    blocks += _evidence(finding)
    for other in finding.related:
        blocks += [f"Also: {_result(other)}", *_evidence(other)]
    took = f"Took {format_seconds(finding.seconds)}. "
    return [*blocks, f"{took}[Back to the verdicts](#verdicts)"]


def _result(finding: Finding) -> str:
    where = f" ({finding.preset})" if finding.preset else ""
    repeats = format_repeats(finding)
    return (
        f"**{MARKS[finding.verdict]} {finding.verdict}** "
        f"{escape(finding.effect_label)}: **{escape(format_effect(finding))}**"
        + (f", {repeats}" if repeats else "")
        + f"{where}."
    )


def _evidence(finding: Finding) -> list[str]:
    """Returns words, figure, and, folded, rule, details and numbers of a finding."""
    blocks = [escape(finding.summary)]
    if finding.decides:
        blocks.append(f"Inconclusive at this budget; to decide it: `{finding.decides}`")
    if finding.figure:
        blocks.append(_image(finding.figure, _alt(finding)))
    blocks += _folded("The rule; one that was amended says so", [escape(finding.rule)])
    parts = [p for p in re.split(r"\n\s*\n", finding.details) if p.strip()]
    if parts:
        blocks += _folded("Details", list(map(escape, parts)))
    if finding.table:
        head, *rest = finding.table
        rows = [_row(map(escape, head)), "|" + " --- |" * len(head)]
        rows += [_row(map(escape, row)) for row in rest]
        blocks += _folded(f"All numbers, {len(rest)} rows", ["\n".join(rows)])
    # Indented, since no command can end such a block.
    return [*blocks, "    " + finding.command.replace("\n", "\n    ")]


def _folded(title: str, blocks: Sequence[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", *blocks, "</details>"]


def _alt(finding: Finding) -> str:
    """Returns what a figure shows, for those who do not see it."""
    return (
        f"Figure of claim {finding.id}, {finding.verdict}: {finding.effect_label}, "
        f"{format_effect(finding)}"
    )


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def _image(path: str, alt: str) -> str:
    return f"![{escape(alt)}]({urllib.parse.quote(path)})"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
