"""Moves rows that were kept before rows had keys to the present schema, once.

Question: none; the first edition's rows were known by display names.
Command:  python -m experiments.move_rows --source=OLD --preset=full --name=drift_map
Time:     seconds.
Expect:   WORKDIR/PRESET/NAME with its rows, and the number of those it could not find.

A study is asked for its rows as ever, and each is looked up in the old files by its old
name; `rnnshare.training.run` never does that. A row that lacks its divergence gets it
from its nulls.
"""

import functools
import json
import pathlib

from absl import flags

from experiments.lab import flags as common
from experiments.lab.trials import Lab
from rnnshare.training import study
from rnnshare.training.rows import JsonLines, json_line

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
    "truncation",
)


class MovingLab(Lab):
    """A lab that finds its rows in files of the first edition, and keeps them anew.

    Attributes:
      missing: what it did not find.
    """

    def __init__(self, folder, source):
        """Reads the rows of `source`, and keeps what is asked for in `folder`."""
        super().__init__(folder, judge_only=True)
        self.source = pathlib.Path(source)

    def of(self, name):  # noqa: D102
        return MovingLab(self.folder.parent / name, self.source)

    @functools.cached_property
    def old(self):
        """The old rows."""
        files = sorted(self.source.glob("*.jsonl"))
        return [_flat(row) for path in files for row in JsonLines(path).rows]

    @functools.cached_property
    def _old_trainings(self):
        return {_name_of(row): row for row in self.old if "learning_rate" in row}

    def train(self, settings, repeats):  # noqa: D102
        there = {row["key"] for row in self.trained.rows}
        for setting in settings:
            for repeat in repeats:
                key = setting.key(repeat)
                columns = {**setting.columns(), **repeat._asdict()}
                row = self._old_trainings.get(_name_of(_old_columns(columns)))
                if row is None or key in there:
                    continue
                there.add(key)
                self.trained.append(
                    {
                        "schema": study.SCHEMA,
                        "key": key,
                        **row,
                        **columns,
                        "diverged": _diverged(row),
                    }
                )
        return super().train(settings, repeats)

    def kept_each(self, keys, make):  # noqa: D102
        from experiments.lab.trials import digest

        for key in keys:
            name = digest(key)
            row = (
                None if name in self._known else self._find(json.loads(json_line(key)))
            )
            if row is not None:
                row = {"schema": study.SCHEMA, "key": name, **row, **key}
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


_ABSENT = object()


def _old_columns(columns):
    """Returns a row's columns as the first edition had them."""
    if "decoder_sharing" not in columns:
        return columns
    parts = (
        f"encoder {columns['sharing']}",
        f"decoder {columns['decoder_sharing']}",
        f"source from its {'end' if columns['reverse_source'] else 'beginning'}",
        f"embedding {columns['embedding_features']}",
    )
    return {**columns, "sharing": ", ".join(parts)}


def _flat(row):
    """Returns a row of `cell_state`, whose key was a column, with the key's columns."""
    key = row.get("key")
    if not isinstance(key, dict):
        return row
    return {**key, **{name: v for name, v in row.items() if name != "key"}}


def _name_of(row):
    """Returns what a training was known by."""
    return json_line({name: row.get(name) for name in OLD_COLUMNS})


def _diverged(row):
    metrics = [k for k in row if k.startswith(("train_", "validation_", "test_"))]
    lost = any(row[k] is None for k in metrics)
    return row.get("steps_trained") if lost else None


def main() -> None:
    """Moves the rows of one experiment."""
    from experiments.lab import script

    experiment, preset = script.load(_NAME.value), common.PRESET.value
    folder = common.workdir(f"{preset}/{experiment.name}")
    lab = MovingLab(folder, _SOURCE.value)
    with common.user_errors():
        experiment.measure(experiment.plans[preset], lab)
    count = len(lab.trained.rows) + len(lab.others.rows)
    print(f"{folder} has its {count} rows")


if __name__ == "__main__":
    common.run(main)
