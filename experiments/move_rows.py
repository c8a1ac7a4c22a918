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

OLD_COLUMNS = (
    *("task", "cell", "sharing", "hidden_features", "num_layers", "readout_sharing"),
    *("dropout", "learning_rate", "optimizer", "seed", "split", "num_steps"),
    *("batch_size", "validate_every", "patience", "clip_norm", "stop_loss", "keep"),
    *("truncation", "beyond"),
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
        return [_of_file(path, row) for path in files for row in JsonLines(path).rows]

    @functools.cached_property
    def _old_trainings(self):
        return {_name_of(row): row for row in self.old if "learning_rate" in row}

    def train(self, settings, repeats):  # noqa: D102
        there = {row["key"] for row in self.trained.rows}
        for setting in settings:
            for repeat in repeats:
                key = study.key_of(setting, repeat)
                row = self._old_trainings.get(
                    _name_of(
                        {
                            **setting.columns(),
                            **repeat._asdict(),
                            "beyond": _is_beyond(setting) or None,
                        }
                    )
                )
                if row is None or key in there:
                    continue
                there.add(key)
                row.setdefault("diverged", _diverged(row))
                self.trained.append({"schema": study.SCHEMA, "key": key, **row})
        return super().train(settings, repeats)

    def kept_each(self, keys, make):  # noqa: D102
        from experiments.lab.trials import digest

        for key in keys:
            name, wanted = digest(key), json.loads(json_line(key))
            if name in self._known:
                continue
            for row in self.old:
                if all(row.get(k, _ABSENT) == v for k, v in wanted.items()):
                    self.others.append({"schema": study.SCHEMA, "key": name, **row})
                    self._known[name] = self.others.rows[-1]
                    break
        return super().kept_each(keys, make)


_ABSENT = object()


def _name_of(row):
    """Returns what a training was known by."""
    return json_line({name: row.get(name) for name in OLD_COLUMNS})


def _of_file(path, row):
    """Returns a row of `spectrum` as it would be named today; any other as it is.

    Rows beyond T were told from others by their file, since a drift task's name does
    not say how long its test set is. An optimiser was a partial, and is a `Call`.
    """
    named = {"beyond": True} if path.stem == "beyond" else {}
    optimizer = row.get("optimizer", "")
    if optimizer.startswith("soft_adam("):
        named["optimizer"] = optimizer.replace("(", "(strength=")
    return row | named


def _is_beyond(setting):
    """Returns whether a drift task is scored on the steps after those trained on."""
    task = setting.make_task(0)
    if not task.name.startswith("drift_") or not hasattr(task, "path"):
        return False
    return task.test.inputs.shape[-2] > task.num_steps


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
