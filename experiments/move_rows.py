"""Moves rows that were kept before rows had keys to the present schema, once.

Question: none; the first edition's rows were known by display names.
Command:  python -m experiments.move_rows --source=OLD --preset=full --name=drift_map
Time:     seconds.
Expect:   WORKDIR/PRESET/NAME with its rows, or the first of those it could not find.

A study is asked for its rows as ever, and each is looked up in the old files by its old
name; `rnnshare.training.run` never does that. A row that lacks its divergence gets it
from its nulls.
"""

import functools
import json
import pathlib

from absl import flags

from experiments.lab import flags as common
from experiments.lab.trials import Lab, digest
from rnnshare.training import SCHEMA, JsonLines
from rnnshare.training.rows import json_line

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
_SOURCE = flags.DEFINE_string("source", None, "The folder of the old rows.")
_NAME = flags.DEFINE_string("name", None, "The experiment.")
_MAKE = flags.DEFINE_bool(
    "make", False, "Measure what was not kept as rows; no training is made, ever."
)

OLD_COLUMNS = (
    *("task", "cell", "sharing", "hidden_features", "num_layers", "readout_sharing"),
    *("dropout", "learning_rate", "optimizer", "seed", "split", "num_steps"),
    *("batch_size", "validate_every", "patience", "clip_norm", "stop_loss", "keep"),
    *("truncation", "beyond"),
)
_ABSENT = object()


class MovingLab(Lab):
    """A lab that finds its rows in files of the first edition, and keeps them anew."""

    def __init__(self, folder, *, source, judge_only=True):
        """Reads the rows of `source`, and keeps what is asked for in `folder`."""
        super().__init__(folder, judge_only=judge_only)
        self.source = pathlib.Path(source)

    def of(self, name):  # noqa: D102
        if name not in self.asked:
            folder = self.folder.parent / name
            self.asked[name] = MovingLab(folder, source=self.source)
        return self.asked[name]

    @functools.cached_property
    def old(self):
        """The old rows, named as they would be today."""
        files = sorted(self.source.glob("*.jsonl"))
        return [_renamed(path, row) for path in files for row in JsonLines(path).rows]

    @functools.cached_property
    def _old_trainings(self):
        return {_name_of(row): row for row in self.old if "learning_rate" in row}

    def train(self, settings, repeats):  # noqa: D102
        there = {row["key"] for row in self.trained.rows}
        for setting in settings:
            for repeat in repeats:
                key = setting.key(repeat)
                columns = {**setting.columns(), **repeat._asdict()}
                named = {**_old_columns(columns), "beyond": _is_beyond(setting)}
                row = self._old_trainings.get(_name_of(named))
                if row is None or key in there:
                    continue
                there.add(key)
                known = {"schema": SCHEMA, "key": key}
                moved = {**row, **columns, "diverged": _diverged(row)}
                moved.pop("beyond", None)
                self.trained.append({**known, **moved})
        return super().train(settings, repeats)

    def kept_each(self, keys, make):  # noqa: D102
        for key in keys:
            name = digest(key)
            if name in self._known:
                continue
            row = self._find(json.loads(json_line(key)))
            if row is not None:
                row = {"schema": SCHEMA, **row, **key, "key": name}
                self.others.append(row)
                self._known[name] = self.others.rows[-1]
        if _MAKE.value:
            self.judge_only = False
        found = super().kept_each(keys, make)
        self.judge_only = True
        return found

    def _find(self, key):
        """Returns the old row of a key; None where there is none."""
        if "of" not in key:
            for row in self.old:
                if all(row.get(k, _ABSENT) == v for k, v in key.items()):
                    return row
            return None
        # A translator was known by the columns of its training, now by its key.
        (trained,) = (row for row in self.trained.rows if row["key"] == key["of"])
        wanted = _old_columns(trained)
        for row in self.old:
            of = json.loads(row.get("of", "{}"))
            same = all(wanted.get(k) == v for k, v in of.items() if k != "arms")
            if of and same and of["arms"] == key["arms"]:
                return {"exhibit": row["exhibit"]}
        return None


def _renamed(path, row):
    """Returns an old row as it would be named today.

    Rows beyond T were told from others by their file, since a drift task's name does
    not say how long its test set is. An optimiser was a partial, and is a `Call`. A row
    of the cell state held its key as one column.
    """
    if isinstance(row.get("key"), dict):
        return {**row.pop("key"), **row}
    named = {"beyond": True} if path.stem == "beyond" else {}
    optimizer = row.get("optimizer", "")
    if optimizer.startswith("soft_adam("):
        named["optimizer"] = optimizer.replace("(", "(strength=")
    return row | named


def _old_columns(columns):
    """Returns a row's columns as the first edition had them: a translator's in one."""
    if "decoder_sharing" not in columns:
        return columns
    parts = (
        f"encoder {columns['sharing']}",
        f"decoder {columns['decoder_sharing']}",
        f"source from its {'end' if columns['reverse_source'] else 'beginning'}",
        f"embedding {columns['embedding_features']}",
    )
    return {**columns, "sharing": ", ".join(parts)}


def _name_of(row):
    """Returns what a training was known by."""
    return json_line({name: row.get(name) for name in OLD_COLUMNS})


def _is_beyond(setting):
    """Returns True of a drift task scored on the steps after those trained on."""
    task = setting.make_task(0)
    if not task.name.startswith("drift_") or not hasattr(task, "path"):
        return None
    return task.test.inputs.shape[-2] > task.num_steps or None


def _diverged(row):
    losses = [row.get(f"{split}_loss") for split in ("train", "validation", "test")]
    lost = None in losses  # other metrics may be undefined, as of numbers not there
    return row.get("steps_trained") if lost else None


def main() -> None:
    """Moves the rows of one experiment."""
    from experiments.lab import script

    for flag in (_NAME, _SOURCE):
        if not flag.value:
            common.fail(f"--{flag.name} is needed: see --help.")
    experiment, preset = script.load(str(_NAME.value)), common.PRESET.value
    folder = common.workdir(f"{preset}/{experiment.name}")
    lab = MovingLab(folder, source=pathlib.Path(str(_SOURCE.value)).expanduser())
    with common.user_errors():
        experiment.measure(experiment.plans[preset], lab)
    count = len(lab.trained.rows) + len(lab.others.rows)
    print(f"{folder} has its {count} rows")


if __name__ == "__main__":
    common.run(main)
