"""The two faces of a report, HTML and Markdown, from the same findings.

Every text that comes from outside is escaped here, once, where it is put on a page.
"""

import base64
import html
import pathlib
import re
import urllib.parse
from collections import Counter
from collections.abc import Mapping, Sequence

from experiments.lab.finding import Finding, write_findings
from experiments.lab.finding import write as write_text
from experiments.lab.report_style import PAGE, STYLE

_MARKS = {"supported": "\N{CHECK MARK}", "refuted": "\N{BALLOT X}", "inconclusive": "?"}
_MINUS = "\N{MINUS SIGN}"
_POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Claims = Sequence[tuple[str, str]]  # (id, claim)
Pictures = Sequence[tuple[str, str]]  # (path, caption)


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


def html_page(
    findings: Sequence[Finding],
    untested: Claims,
    question: str,
    lead: str,
    environment: Mapping[str, str],
    figures: Pictures,
    folder: pathlib.Path,
) -> str:
    """Returns the whole page; `folder` is where the figures to embed are."""
    body = [
        f"<h1>{_text(question)}</h1>",
        f'<p class="lead">{_text(lead)}</p>',
        f'<p class="count">{_text(_count(findings, untested))}</p>',
        _verdict_table(findings),
        *(_picture(folder / path, caption, caption) for path, caption in figures),
        *(_section(finding, folder) for finding in findings),
    ]
    if untested:
        items = (
            f"<li><b>{_text(key)}</b><span>{_text(claim)}</span></li>"
            for key, claim in untested
        )
        body.append(
            '<section id="untested">\n<h2>Not yet tested</h2>\n<ul class="untested">\n'
            + "\n".join(items)
            + "\n</ul>\n</section>"
        )
    terms = "\n".join(
        f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>"
        for name, value in environment.items()
    )
    body.append(
        '<section id="environment">\n<h2>Where this was run</h2>\n'
        f'<dl class="small">\n{terms}\n</dl>\n</section>'
    )
    return PAGE.substitute(title=_text(question), style=STYLE, body="\n".join(body))


def markdown_page(
    findings: Sequence[Finding],
    untested: Claims,
    question: str,
    lead: str,
    environment: Mapping[str, str],
    figures: Pictures,
) -> str:
    """Returns the same report as Markdown, its figures by relative path."""
    blocks = [
        f"# {_mark(question)}",
        _mark(lead),
        _mark(_count(findings, untested)),
        _rows(
            [("", "Claim", "Verdict", "Effect", "Runs")]
            + [
                (
                    f.id,
                    f.claim,
                    f.verdict,
                    f"{f.effect_label}: {_effect(f)} {_interval(f)}",
                    _seeds(f),
                )
                for f in findings
            ]
        ),
    ]
    for path, caption in figures:
        blocks += [_image(path, caption), _mark(caption)]
    for finding in findings:
        blocks += _markdown_section(finding)
    if untested:
        blocks += ["## Not yet tested"]
        blocks += ["\n".join(f"- **{_mark(k)}** {_mark(c)}" for k, c in untested)]
    blocks += ["## Where this was run"]
    blocks += ["\n".join(f"- {_mark(k)}: {_mark(v)}" for k, v in environment.items())]
    return "\n\n".join(blocks) + "\n"


def _verdict_table(findings: Sequence[Finding]) -> str:
    """Returns the table on top; the style sheet turns its rows to cards on a phone."""
    rows = [
        f'<tr><td><a href="#{finding.id}">{finding.id}</a></td>'
        f'<td class="claim">{_text(finding.claim)}</td>'
        f'<td class="verdict">{_badge(finding)}</td>'
        f'<td class="effect"><span class="number"><b>{_effect(finding)}</b> '
        f'<span class="range">{_interval(finding)}</span></span> '
        f'<span class="what">{_text(finding.effect_label)}</span></td>'
        f'<td class="seeds number">{_seeds(finding)}</td></tr>'
        for finding in findings
    ]
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("", "Claim", "Verdict", "Effect, 95&nbsp;% interval", "Runs")
    )
    return (
        f'<table class="verdicts" id="verdicts">\n<thead><tr>{head}</tr></thead>\n'
        "<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table>"
    )


def _section(finding: Finding, folder: pathlib.Path) -> str:
    """Returns the section of one claim."""
    lines = [
        f'<section id="{finding.id}">',
        f'<p class="kicker">{finding.id} {_badge(finding)}</p>',
        f"<h2>{_text(finding.claim)}</h2>",
        f'<p class="result number">{_effect(finding)} '
        f'<span class="range">{_interval(finding)}</span></p>',
        f'<p class="small under">{_text(finding.effect_label)}; {_seeds(finding)}</p>',
        f'<p class="rule"><b>Rule, fixed before the run.</b> {_text(finding.rule)}</p>',
    ]
    lines += _evidence(finding, folder)
    for other in finding.related:
        lines.append(f"<h3>{_text(_also(other))}</h3>")
        lines += _evidence(other, folder)
    lines += [
        f'<p class="small">Took {format_seconds(finding.seconds)}. '
        '<a class="back" href="#verdicts">Back to the verdicts</a></p>',
        "</section>",
    ]
    return "\n".join(lines)


def _evidence(finding: Finding, folder: pathlib.Path) -> list[str]:
    """Returns figure, words, table and command of a finding."""
    lines = []
    if finding.figure:
        lines.append(_picture(folder / finding.figure, _alt(finding)))
    lines.append(f"<p>{_text(finding.summary)}</p>")
    lines += [f"<p>{_text(part)}</p>" for part in _paragraphs(finding.details)]
    if finding.table:
        head, *rest = (
            "".join(f"<{tag}>{_text(cell)}</{tag}>" for cell in row)
            for tag, row in zip(_tags(finding.table), finding.table, strict=True)
        )
        rows = "\n".join(f"<tr>{row}</tr>" for row in rest)
        lines.append(
            f'<div class="wide"><table class="number"><thead><tr>{head}</tr></thead>\n'
            f"<tbody>\n{rows}\n</tbody></table></div>"
        )
    return [*lines, f"<pre><code>{_text(finding.command)}</code></pre>"]


def _also(finding: Finding) -> str:
    """Returns the heading of a finding that stands in another's section."""
    return (
        f"Also ({finding.verdict}): {finding.effect_label}, {_effect(finding)} "
        f"{_interval(finding)}, {_seeds(finding)}"
    )


def _markdown_section(finding: Finding) -> list[str]:
    """Returns the blocks of one claim."""
    blocks = [
        f"## {finding.id}: {_mark(finding.claim)}",
        f"**{_MARKS[finding.verdict]} {finding.verdict}:** "
        f"{_mark(finding.effect_label)}, **{_mark(_effect(finding))}** "
        f"{_mark(_interval(finding))}, {_seeds(finding)}.",
        f"*Rule, fixed before the run.* {_mark(finding.rule)}",
    ]
    for found in (finding, *finding.related):
        if found is not finding:
            blocks.append(f"### {_mark(_also(found))}")
        if found.figure:
            blocks.append(_image(found.figure, _alt(found)))
        blocks += [_mark(found.summary), *map(_mark, _paragraphs(found.details))]
        if found.table:
            blocks.append(_rows(found.table))
        # Indented, since no command can end such a block.
        blocks.append("    " + found.command.replace("\n", "\n    "))
    blocks.append(f"Took {format_seconds(finding.seconds)}.")
    return blocks


def _count(findings: Sequence[Finding], untested: Claims) -> str:
    """Returns how many claims came to what, in words."""
    seen = Counter(finding.verdict for finding in findings)
    parts = [f"{seen[verdict]} {verdict}" for verdict in _MARKS if seen[verdict]]
    if untested:
        parts.append(f"{len(untested)} not yet tested")
    return f"{len(findings) + len(untested)} claims: {', '.join(parts)}."


def _effect(finding: Finding) -> str:
    return format_number(finding.effect)


def _interval(finding: Finding) -> str:
    """Returns the interval's ends, or 'exact'."""
    if finding.exact:
        return "exact"
    return f"[{', '.join(format_number(end) for end in finding.interval)}]"


def _seeds(finding: Finding) -> str:
    """Returns '8 seeds'; an identity worked out on paper or on shapes has none."""
    count, kind = finding.num_seeds, finding.repeats
    return f"{count} {kind if count != 1 else kind.removesuffix('s')}" if kind else ""


def _alt(finding: Finding) -> str:
    """Returns what a figure shows, for those who do not see it."""
    return (
        f"Figure of claim {finding.id}, {finding.verdict}: {finding.effect_label}, "
        f"{_effect(finding)} {_interval(finding)}"
    )


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def _tags(table: Sequence[object]) -> list[str]:
    return ["th", *["td"] * (len(table) - 1)]


def _text(text: str) -> str:
    return html.escape(str(text))


def _badge(finding: Finding) -> str:
    mark = _MARKS[finding.verdict]
    return f'<span class="badge {finding.verdict}">{mark} {finding.verdict}</span>'


def _picture(path: pathlib.Path, alt: str, caption: str = "") -> str:
    """Returns a figure with its bytes in the page, so that the page is one file."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    below = f"\n<figcaption>{_text(caption)}</figcaption>" if caption else ""
    return (
        f'<figure><img alt="{_text(alt)}" src="data:image/png;base64,{data}">'
        f"{below}</figure>"
    )


def _mark(text: str) -> str:
    """Returns text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_<>|\[\]~$&#])", r"\\\1", " ".join(str(text).split()))


def _image(path: str, alt: str) -> str:
    return f"![{_mark(alt)}]({urllib.parse.quote(path)})"


def _rows(rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table; the first row names its columns."""
    lines = ["| " + " | ".join(map(_mark, row)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def write(
    findings: Sequence[Finding],
    untested: Claims,
    directory: str | pathlib.Path,
    *,
    question: str,
    lead: str,
    environment: Mapping[str, str],
    figures: Pictures = (),
) -> pathlib.Path:
    """Writes `report.html` (self-contained), `report.md`, and the findings as JSON.

    Args:
      findings: one a claim, in the order to show them in.
      untested: (id, claim) of the claims without a finding.
      directory: where to; the figures are already there.
      question: the heading.
      lead: the answer in one paragraph.
      environment: versions, hardware, preset.
      figures: (path relative to the directory, caption), shown on top.

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
    content = (findings, untested, question, lead, environment, figures)
    write_text(folder / "report.html", html_page(*content, folder=folder))
    write_text(folder / "report.md", markdown_page(*content))
    write_findings(findings, folder)
    return folder / "report.html"
