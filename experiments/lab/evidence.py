"""Findings of many folders: of each claim the best that was kept."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

from experiments.claims import CLAIMS
from experiments.lab.finding import EVIDENCE, Finding, read_findings


def collect(
    folder: pathlib.Path,
    roots: Sequence[pathlib.Path],
    experiments: Sequence[str],
    owners: Mapping[str, str],
) -> list[Finding]:
    """Returns a finding a claim: the best evidence kept, this folder's beside it.

    Args:
      folder: of the report, which figures are relative to.
      roots: folders that hold findings, in `PRESET/NAME` or `NAME`; the first is this
        run's.
      experiments: the names of folders that count.
      owners: {id: who joins what others found of a claim that several judge}.
    """
    found: dict[str, list] = {key: [] for key in CLAIMS}
    for place, root in enumerate(roots):
        for path in sorted(
            {*root.glob("*/*/findings.json"), *root.glob("*/findings.json")}
        ):
            name = path.parent.name
            if name not in experiments:
                continue
            for finding in read_findings(path.parent):
                half = name != owners.get(finding.id, name)
                if half and finding.verdict != "supported":
                    continue  # by the joint rule one half supports, both refute
                rank = EVIDENCE.index(finding.preset), half, place
                moved = _relative(finding, path.parent, folder)
                found[finding.id].append((rank, moved))
    best = []
    for ranked in found.values():
        if not ranked:
            continue
        (_, first), *others = sorted(ranked, key=lambda item: item[0])
        # This run's finding stands beside a better one that was kept.
        own = [f for (_, half, place), f in others if not half and not place]
        # What is kept is better than what it says would decide.
        beside = tuple(dataclasses.replace(f, related=(), decides="") for f in own[:1])
        best.append(dataclasses.replace(first, related=(*first.related, *beside)))
    return best


def _relative(finding: Finding, source: pathlib.Path, folder: pathlib.Path) -> Finding:
    """Returns a finding of a folder, with its figures' paths as seen from another."""

    def seen(path: str) -> str:
        if not path:
            return ""
        return pathlib.Path(os.path.relpath(source / path, folder)).as_posix()

    related = tuple(_relative(other, source, folder) for other in finding.related)
    return dataclasses.replace(finding, figure=seen(finding.figure), related=related)
