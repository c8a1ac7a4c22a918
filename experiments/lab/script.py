"""The command of every experiment: parse, measure, judge, print, report.

`python -m experiments.NAME` measures what is not kept and writes its report into
`WORKDIR/PRESET/NAME`; with `--judge_again=FOLDER` it judges the kept rows of a folder
and trains nothing.
"""

import importlib
import json
import math
import os
import pathlib
import sys
import time

from absl import flags

from experiments.lab import cluster
from experiments.lab import flags as common
from experiments.lab.flag_types import define_shard

JUDGE_AGAIN = common.define_path(
    "judge_again",
    None,
    "Judge the kept rows of this folder (or, of WORKDIR/PRESET, those of its folder of "
    "this name), and compare with its claims.json; nothing is trained or written.",
)
SHARD = define_shard(
    "shard",
    "Of n processes, as those of a job array, be the i-th, counted from 0: train its "
    "part of the first stage that is not whole, and end. Then python -m "
    "experiments.merge joins the parts.",
    only={"cluster": ("none",)},
)
TIMES_ONLY = common.define_bool(
    "times_only",
    False,
    "Measure only what takes times, which wants the machine for itself, and end. The "
    "same command without this goes on from there.",
    only={"shard": False},
)
KEYS = (
    "preset",
    "workdir",
    "replicas_per_device",
    *cluster.KEYS,
    "shard",
    "times_only",
)
for _key in KEYS[1:]:
    common.only(_key, {"judge_again": False})


def launch(name: str, plan_of=None, after=None, instead=None) -> None:
    """Runs an experiment's command.

    Args:
      name: of its folder.
      plan_of: `plan_of(preset)` returns a plan that flags changed, or None for the
        preset's own; such a run measures and draws, but judges no claim.
      after: `after(experiment, plan, root)` does what such a run does.
      instead: (flag, function): what is called in place of all this, where it is set.
    """
    module = importlib.import_module(f"experiments.{name}")
    sys.modules["__main__"].__doc__ = module.__doc__
    for key in (*KEYS, JUDGE_AGAIN.name):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[key])
    preset, folder = common.PRESET, JUDGE_AGAIN

    def other() -> bool:
        return instead is not None and instead[0].value

    def prepare() -> tuple:
        if folder.value or other():
            common.takes("seconds.")
        if other():
            return None, None
        plan = plan_of(preset.value) if plan_of else None
        if folder.value and plan is not None:
            raise ValueError(
                "--judge_again judges by the preset's plan. Leave out the flags that "
                "change it."
            )
        experiment = load(name)
        if not folder.value:
            experiment.check()
            cluster.check()
        for flag in (SHARD, TIMES_ONLY):
            if flag.value and plan is not None:
                raise ValueError(
                    f"--{flag.name} takes the preset's plan. Leave out the flags that "
                    "change it."
                )
        if TIMES_ONLY.value and experiment.take_times is None:
            raise ValueError(f"{name} takes no times. Leave --times_only out.")
        return experiment, plan

    def main(experiment, plan) -> None:
        if other():
            instead[1]()
        elif folder.value:
            judge_again(experiment, folder.value, preset.value)
        elif SHARD.value:
            from experiments.lab import shards

            check_folder(common.workdir() / preset.value / name)
            shards.run_shard(experiment, preset.value, common.workdir(), SHARD.value)
        elif TIMES_ONLY.value:
            check_folder(common.workdir() / preset.value / name)
            experiment.only_times(preset.value, common.workdir())
        elif plan is not None:
            assert after is not None
            after(experiment, plan, common.workdir(f"{preset.value}/{name}"))
        else:
            run_and_report(experiment, preset.value, common.workdir())

    common.run(main, prepare=prepare, resumes=True)


def load(name: str):
    """Returns the experiment of a folder."""
    return importlib.import_module(f"experiments.{name}.claims").EXPERIMENT


def run_and_report(experiment, preset: str, root: pathlib.Path) -> None:
    """Measures, judges, prints what came of it, and writes the experiment's report."""
    from experiments.lab import report
    from rnnshare.training.rows import environment

    began = time.perf_counter()
    check_folder(root / preset / experiment.name)
    found = experiment.findings(preset, root)
    for finding in found:
        for row in finding.table:
            print("\t".join(row))
        print(f"{finding.id}: {finding.verdict}. {finding.summary}")
    doc = importlib.import_module(f"experiments.{experiment.name}").__doc__ or "\n"
    seconds = time.perf_counter() - began
    page = report.write(
        found,
        root / preset / experiment.name,
        question=doc.splitlines()[0],
        lead=["; ".join(f"{f.id}: {f.verdict}" for f in found) + "."],
        environment={
            "command": experiment.command(preset),
            "minutes": f"{seconds / 60:.1f}",
            **environment(),
        },
    )
    print(f"The report is {page}")


def check_folder(folder: pathlib.Path) -> None:
    """Ends the program in one line where rows cannot be read or written."""
    from experiments.lab.trials import Lab

    with common.user_errors():
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise ValueError(f"{folder} cannot be written to. Name another --workdir.")
        for lines in (Lab(folder).trained, Lab(folder).others):
            lines.path.exists()


def judge_again(experiment, folder: pathlib.Path, preset: str) -> None:
    """Prints the verdicts of kept rows; exit code 1 if claims.json says otherwise."""
    own = folder / experiment.name
    folder = own if own.is_dir() else folder
    with common.user_errors():
        if not folder.is_dir():
            raise ValueError(f"--judge_again={folder} is no folder.")
        kept = {}
        if (folder / "claims.json").is_file():
            kept = {
                c["id"]: c for c in json.loads((folder / "claims.json").read_text())
            }
        sources = {
            (e.get("preset", preset), pathlib.Path(e.get("folder", own)).name)
            for e in (claim.get("evidence", {}) for claim in kept.values())
        }
        if sources:
            preset, name = min(sources)
            if len(sources) > 1 or name != experiment.name:
                names = ", ".join(sorted(name for _, name in sources))
                raise ValueError(
                    f"--judge_again={folder} is the folder of {names}, not of "
                    f"{experiment.name}. Name that of one experiment."
                )
        verdicts = experiment.judge_again(preset, folder)
    differs = False
    for key, verdict in verdicts.items():
        low, high = verdict.effect.low, verdict.effect.high
        told = f"{verdict.effect.estimate!r} [{low!r}, {high!r}]"
        same = "not in claims.json" if kept else ""
        if key in kept:
            agrees = agree(verdict, kept[key], ENDS_WITHIN)
            same = "as kept" if agrees else "NOT as kept"
            if agrees and not agree(verdict, kept[key]):
                same = f"as kept, ends within {ENDS_WITHIN:.0%} of the width"
            differs |= not agrees
        print(f"{key}: {verdict.verdict}, {told} {same}".rstrip())
    if differs:
        sys.exit(1)


# Of an interval's width. A bootstrap counts ties of resamples with the estimate, which
# the last bit of a logarithm may break: another processor moved ends by 0.012 of it.
ENDS_WITHIN = 0.05


def agree(verdict, claim, ends_within: float = 0.0) -> bool:
    """Returns whether a verdict is that of a record of claims.json, to the digit.

    Args:
      verdict: judged again.
      claim: the record.
      ends_within: by how much of its width the interval's ends may differ.
    """
    estimate, *ends = verdict.effect
    low, high = claim["interval"]
    apart = ends_within * (high - low) + 1e-12
    same = math.isclose(estimate, claim["effect"], rel_tol=1e-9, abs_tol=1e-12)
    close = all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=apart)
        for a, b in zip(ends, (low, high), strict=True)
    )
    return same and close and verdict.verdict == claim["verdict"]
