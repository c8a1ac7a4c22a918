"""The answer as a report: one HTML page, the same in Markdown, and JSON for machines.

`write` takes findings, which hold everything that is shown, so a report is a function
of its findings: equal input gives equal bytes.
"""

import dataclasses
import json
import math
import pathlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from experiments.lab import report as report_pages

VERDICTS = ("supported", "refuted", "inconclusive")


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one claim came to.

    Attributes:
      id: as in `CLAIMS.md`, such as `'Q5'`.
      claim: the claim, one sentence.
      verdict: one of `VERDICTS`.
      effect: the number that the verdict rests on.
      effect_label: what that number is, with its unit.
      interval: the ends of its 95 % interval.
      num_seeds: paired seeds behind it.
      rule: what was to count as support, fixed before the run.
      command: reproduces the finding.
      figure: relative to the report, such as `'figures/Q5.png'`; '' for none.
      seconds: how long it took.
      meaning: what follows, two sentences.
      details: more paragraphs, parted by blank lines.
      table: more numbers; the first row names the columns.
      exact: whether the claim is an identity, whose interval is shown as 'exact'.
      also: findings of the same claim by other means, which are shown after it.

    Raises:
      ValueError: if the verdict is unknown or a number is not finite.
    """

    id: str
    claim: str
    verdict: str
    effect: float
    effect_label: str
    interval: tuple[float, float]
    num_seeds: int
    rule: str
    command: str
    figure: str
    seconds: float
    meaning: str
    details: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    exact: bool = False
    also: tuple["Finding", ...] = ()

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(
                f"Finding {self.id!r} has the verdict {self.verdict!r}. Use one of "
                f"{', '.join(VERDICTS)}."
            )
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.id):
            raise ValueError(
                f"Finding id {self.id!r} cannot be an anchor. Use letters and digits."
            )
        low, high = self.interval
        numbers = {"effect": self.effect, "low": low, "high": high}
        for name, value in {**numbers, "seconds": self.seconds}.items():
            if not math.isfinite(value):
                raise ValueError(
                    f"Finding {self.id!r}: {name} is {value}, which no verdict can "
                    "rest on. Leave the failed runs out, and say so in its details."
                )
        if low > high:
            raise ValueError(
                f"Finding {self.id!r} has the interval {self.interval}. Give its lower "
                "end first."
            )


def to_json(findings: Sequence[Finding]) -> str:
    """Returns the findings as strict JSON: a list of objects of ten keys each."""
    records = [
        {
            "id": finding.id,
            "claim": finding.claim,
            "verdict": finding.verdict,
            "effect": float(finding.effect),
            "interval": [float(end) for end in finding.interval],
            "num_seeds": int(finding.num_seeds),
            "rule": finding.rule,
            "command": finding.command,
            "figure": finding.figure,
            "seconds": float(finding.seconds),
        }
        for finding in findings
    ]
    return json.dumps(records, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write(
    findings: Sequence[Finding],
    untested: Sequence[tuple[str, str]],
    directory: str | pathlib.Path,
    *,
    question: str,
    lead: str,
    environment: Mapping[str, str],
    figures: Sequence[tuple[str, str]] = (),
) -> pathlib.Path:
    """Writes `report.html` (self-contained), `report.md` and `claims.json`.

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
    folder.mkdir(parents=True, exist_ok=True)
    repeated = [key for key, n in Counter(f.id for f in findings).items() if n > 1]
    if repeated:
        raise ValueError(
            f"The findings {repeated} appear twice. Give one finding a claim."
        )
    shown = [found for f in findings for found in (f, *f.also)]
    for path in [*(f.figure for f in shown if f.figure), *(p for p, _ in figures)]:
        if not (folder / path).is_file():
            raise ValueError(
                f"The report shows {path!r}, but there is no such file in {folder}. "
                "Save the figure there first, or pass ''."
            )
    content = (findings, untested, question, lead, environment, figures)
    files = {
        "report.html": report_pages.html_page(*content, folder=folder),
        "report.md": report_pages.markdown_page(*content),
        "claims.json": to_json(findings),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return folder / "report.html"
