"""Gives kept rows the column `make_task`, which says what made their data; once.

python -m experiments.name_rows full/law full/real_law full/spectrum
"""

import importlib
import pathlib
import sys

from experiments.lab import trials
from rnnshare.training.files import write_atomically
from rnnshare.training.rows import JsonLines, json_line

RESULTS = pathlib.Path(__file__).parent / "results"


def main() -> None:
    """Rewrites the files of the folders that are named."""
    for name in sys.argv[1:]:
        preset, study = name.split("/")
        experiment = importlib.import_module(f"experiments.{study}.claims").EXPERIMENT
        made: dict[str, dict[str, str]] = {}  # by folder: {key: make_task}

        judged = trials.Lab._judged

        def record(lab, grid, made=made, judged=judged):
            own = made.setdefault(str(lab.folder), {})
            for group in grid.groups:
                for key, (setting, _) in group.pairs.items():
                    own[key] = setting.columns()["make_task"]
            return judged(lab, grid)

        trials.Lab._judged = record
        lab = trials.Lab(RESULTS / preset / study, judge_only=True)
        experiment.measure(experiment.plans[preset], lab)
        trials.Lab._judged = judged
        rows, own = JsonLines(lab.folder / "trained.jsonl"), made[str(lab.folder)]
        named = []
        for row in rows.rows:
            fields = {k: v for k, v in row.items() if k != "make_task"}
            if row.get("key") in own:
                head = {k: fields.pop(k) for k in ("schema", "key", "task")}
                fields = head | {"make_task": own[row["key"]]} | fields
            named.append(fields)
        write_atomically(rows.path, "".join(map(json_line, named)))
        print(name, len(rows.rows), sum("make_task" in row for row in named))


if __name__ == "__main__":
    main()
