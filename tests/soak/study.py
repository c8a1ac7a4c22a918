"""A study of three settings, of two programs, on two replicates: a script."""

import dataclasses
import pathlib

from experiments import train
from experiments.lab import flags as common


def main():
    from rnnshare import Untied
    from rnnshare import training as t

    folder, base = pathlib.Path(common.WORKDIR.value), train.make_setting()
    settings = [  # the first is what `train` compiles
        base,
        dataclasses.replace(base, learning_rate=0.03),
        dataclasses.replace(base, sharing=Untied(6)),
    ]
    replicates = [t.Replicate(0), t.Replicate(1)]
    with t.FolderLock(folder):
        rows = t.JsonLines(folder / "trained.jsonl")
        t.run(settings, replicates, rows, checkpoint_every=0.0)


if __name__ == "__main__":
    common.run(main, resumes=True)
