"""A finding: what one claim came to, with all that a report shows of it.

`claims.json` is for other programs; `findings.json` beside it holds every field, so a
report is a function of saved findings and `answer` merges those of many folders.
"""

import dataclasses
import json
import math
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from experiments.claims import EXACT
from rnnshare.training.files import write_atomically

VERDICTS = ("supported", "refuted", "inconclusive")
EVIDENCE = ("full", "quick", "smoke")  # presets, the best evidence first


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one claim came to.

    Attributes:
      id: as in `experiments.claims.CLAIMS`, such as `'Q5'`.
      claim: the claim, one sentence.
      verdict: one of `VERDICTS`.
      effect: the number that the verdict rests on.
      effect_label: what that number is, with its unit.
      interval: the ends of its 95 % interval.
      num_seeds: how many repeats are behind it.
      rule: what was to count as support; one that was amended says so.
      command: reproduces the finding.
      figure: relative to the report, such as `'figures/Q5.png'`; '' for none.
      seconds: how long measuring it took.
      summary: what follows, two sentences.
      details: more paragraphs, parted by blank lines.
      table: more numbers; the first row names the columns.
      repeats: what `num_seeds` counts: 'seeds', 'rounds', 'cells'; '' for a number
        that is exact, whose interval is shown as 'exact'.
      related: findings of the same claim by other means, which are shown after it.
      preset: of the evidence.
      folder: of the evidence, relative to the workdir.
      decides: the command that can decide an inconclusive verdict; '' for none.

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
    summary: str
    details: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    repeats: str = "seeds"
    related: tuple["Finding", ...] = ()
    preset: str = ""
    folder: str = ""
    decides: str = ""

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

    @property
    def exact(self) -> bool:
        """Whether nothing is repeated: the number is worked out, not estimated."""
        return not self.repeats


def tally(findings: Sequence[Finding], num_untested: int = 0) -> str:
    """Returns how many claims have each verdict, those of `EXACT` told apart."""
    parts: list[str] = []
    proven = "definitions, identities, constructions and proofs"
    for kind, exact in ("measured", False), (proven, True):
        own = [f.verdict for f in findings if (f.id in EXACT) == exact]
        told = [f"{own.count(v)} {v}" for v in VERDICTS if v in own]
        parts += [f"{len(own)} {kind}: {', '.join(told)}"] if own else []
    parts += [f"{num_untested} not yet tested"] if num_untested else []
    return f"{len(findings) + num_untested} claims. {'; '.join(parts)}."


def to_json(findings: Sequence[Finding]) -> str:
    """Returns the findings as strict JSON for other programs, an object a claim."""
    records = [
        {
            "id": finding.id,
            "claim": finding.claim,
            "verdict": finding.verdict,
            "effect": float(finding.effect),
            "interval": [float(end) for end in finding.interval],
            "num_seeds": int(finding.num_seeds),
            "repeats": finding.repeats,
            "rule": finding.rule,
            "command": finding.command,
            "figure": finding.figure,
            "seconds": float(finding.seconds),
            "evidence": {"preset": finding.preset, "folder": finding.folder},
            "decides": finding.decides,
        }
        for finding in findings
    ]
    return _text(records)


def write_findings(findings: Sequence[Finding], folder: pathlib.Path) -> None:
    """Writes `claims.json` and `findings.json`."""
    write_atomically(folder / "claims.json", to_json(findings))
    records = [dataclasses.asdict(finding) for finding in findings]
    write_atomically(folder / "findings.json", _text(records))


def read_findings(folder: pathlib.Path) -> list[Finding]:
    """Returns the findings that a folder holds; none where it holds none."""
    path = pathlib.Path(folder) / "findings.json"
    if not path.is_file():
        return []
    return [_of_record(record) for record in json.loads(path.read_text("utf-8"))]


def _of_record(record: dict[str, Any]) -> Finding:
    return Finding(
        **{
            **record,
            "interval": tuple(record["interval"]),
            "table": tuple(map(tuple, record["table"])),
            "related": tuple(map(_of_record, record["related"])),
        }
    )


def _text(records: Any) -> str:
    return json.dumps(records, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
