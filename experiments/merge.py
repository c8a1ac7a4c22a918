"""Merges what shards and workers have trained into the rows of their studies.

Question: none of its own; it is what the next stage of a study waits for whose parts
          were trained by --shard=i/n.
Command:  python -m experiments.merge --workdir=results
Time:     seconds.
Expect:   a line a file of rows, with how many are new. A study without --shard does the
          same for itself.
"""

import pathlib

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("workdir")


def prepare():
    """Returns the folder."""
    root = common.WORKDIR.value or pathlib.Path("results")
    if not root.is_dir():
        raise ValueError(f"--workdir={root} is no folder. Name that of the shards.")
    return (root,)


def main(root) -> None:
    """Merges, study by study, each under its locks: of a lab, and of `run`."""
    from rnnshare.training import FolderLock, JsonLines, merge_workers

    found = sorted(path for path in root.rglob("*.workers") if path.is_dir())
    for folder in found:
        path = folder.with_suffix(".jsonl")
        with FolderLock(path.parent), FolderLock(path.parent, path.name):
            rows = JsonLines(path)
            new = merge_workers(rows)
        left = len(list(folder.iterdir())) if folder.is_dir() else 0
        unfinished = f"; {left} parts are not finished" if left else ""
        print(f"{rows.path}: {new} new rows of {len(rows.rows)}{unfinished}")
    if not found:
        print(f"{root} holds nothing that was not merged.")


if __name__ == "__main__":
    common.run(main, prepare=prepare, on_devices=False)
