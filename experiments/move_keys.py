"""Gives kept rows the keys of a recipe that has moved; run once, from the history.

Adam with a rate annealed by a cosine was a function of four studies. It is one now,
`experiments.annealed_adam`, and rows that knew it by the name of their study would be
trained again. A row's old key is worked out by the old name, its new one by the new.
"""

import dataclasses
import json
import pathlib

from experiments.drift_map import plan
from experiments.lab import recipes, script
from rnnshare.training import study
from rnnshare.training.lines import CHECK, json_line

RESULTS = pathlib.Path(__file__).parent / "results"
OLD = {
    "quick/drift_map": "experiments.drift_map.measure.annealed",
    "quick/spectrum": "experiments.spectrum.soft.annealed",
    "quick/real_data": "experiments.annealed_adam",  # its text alone changes
}


def main() -> None:
    with_all = dataclasses.replace(plan.PLANS["quick"], steps=(10, 20))
    plan.PLANS["quick"] = with_all  # rows that the preset no longer reads move as well
    keys_of, new = study.keys_of, recipes.annealed_adam.__public_name__
    for folder, old in OLD.items():
        moved: dict[str, str] = {}

        def remember(settings, replicates, old=old, moved=moved):
            after = keys_of(settings, replicates)
            recipes.annealed_adam.__public_name__ = old
            before = keys_of(settings, replicates)
            recipes.annealed_adam.__public_name__ = new
            for one, other in zip(before, after, strict=True):
                moved.update(zip(one, other, strict=True))
            return before  # by which the rows are still known

        study.keys_of = remember
        preset, name = folder.split("/")
        script.load(name).judge_again(preset, RESULTS / folder)
        path = RESULTS / folder / "trained.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            row["key"] = moved.get(row["key"], row["key"])
            row["optimizer"] = row["optimizer"].replace("annealed(", "annealed_adam(")
            row.pop(CHECK, None)
        path.write_text("".join(map(json_line, rows)))
        changed = sum(old != new for old, new in moved.items())
        print(f"{folder}: {len(rows)} rows, {len(moved)} read, {changed} keys moved")


if __name__ == "__main__":
    main()
