"""Runs the claims and writes the report: the answer to the project's question.

Question: why are the weights shared across time, and would un-shared ones do better?
Command:  make answer, or python -m experiments.answer --preset=quick
Time:     about 40 minutes on 2 cores (quick); hours (full).
Expect:   WORKDIR/report.html with a verdict for every claim, each from the best
          evidence kept: that of a full preset, where there is one, over this run's.
"""

import pathlib
import re
import sys
import time

from absl import flags

from experiments.claims import CLAIMS, QUESTIONS
from experiments.lab import cluster
from experiments.lab import flags as common

for _key in ("preset", "workdir", "replicas_per_device", *cluster.KEYS):
    flags.declare_key_flag(_key)
_KEPT = pathlib.Path(__file__).parent / "results"
_EVIDENCE = common.define_path(
    "evidence",
    None,
    "A folder of kept results that counts beside this run's; by default "
    "experiments/results, with --preset=smoke none; '' for none.",
    none=True,
)
_COLLECT = common.define_bool(
    "collect",
    False,
    "Only join what the folders hold, and write the table of verdicts as README.md "
    "beside the report; nothing is run.",
)
_JOBS = common.define_integer(
    "jobs",
    None,
    "Experiments at once, each a process; those that take times run alone. By default "
    "2, and 1 where there is a GPU or a TPU, whose memory a process takes for itself.",
    most=64,
)
for _key in ("jobs", "replicas_per_device", *cluster.KEYS):
    common.only(_key, {"collect": False})
_OWN = {"evidence", "collect", "jobs"}  # what experiments do not know

QUESTION = (
    "Why are the weights of an RNN shared across time, and would un-shared ones do "
    "better?"
)
TIMED = "resources", "truncated_bptt"  # their times are taken first, alone
READERS = "real_law", "core_claim", "cell_comparison"  # of what the others trained
# In the order in which they run: the longest first.
EXPERIMENTS = (
    *TIMED,
    *("depth", "length_generalisation", "drift_map", "over_fitting", "cell_state"),
    *("real_data", "gap_decomposition", "spectrum", "position_generalisation"),
    *("recurrent_law", "universality", "temporal_structure", "translation"),
    *("law", "identities"),
    *READERS,
)
# Of a claim that several experiments judge: who joins what the others found.
OWNER = {"Q5": "core_claim"}
# The lead: of each claim, what its verdict says; '' is any other verdict.
WHY = {
    "L1": {
        "supported": "Sharing is a bias against a variance, and for linear rules a "
        "law says when it pays: the examples from which un-shared weights do better "
        "follow it, in simulation, with a log-log slope of {effect}.",
        "": "That a law of bias and variance predicts where sharing pays is {verdict}.",
    },
    "L2": {
        "supported": "Recurrent networks follow it.",
        "": "That recurrent networks follow it is {verdict}.",
    },
    "A4": {
        "supported": "Un-shared weights learn that rule again at every step: the more "
        "steps, the more examples they need.",
        "": "That un-shared weights learn that rule again at every step is {verdict}.",
    },
    "A3": {
        "supported": "Steps never trained keep their initial weights: within three "
        "steps past the trained lengths un-shared models lose {effect} of accuracy.",
        "": "That they fail at lengths never trained is {verdict}.",
    },
}
WHETHER = {
    "Q5": {
        "supported": "In some of the cases tried, where the rule moves far, yes: "
        "{effect} times the test loss of shared ones where they do best.",
        "refuted": "No, on none of the data tried.",
        "inconclusive": "Not decided at this budget.",
    },
    "A2": {
        "supported": "Over real data shared weights have the lower loss.",
        "refuted": "Over real data un-shared weights have the lower loss.",
        "inconclusive": "Over real data it is not decided.",
    },
    "Q6": {
        "supported": "A training step takes at least {effect} times as long.",
        "": "That every training step takes longer is {verdict}: where the two differ "
        "least it takes {effect} times as long.",
    },
}
COMMANDS = (
    "make answer  # this report",
    "python -m experiments.NAME --judge_again=FOLDER",
)


def prepare():
    """Says what takes less time than all experiments."""
    if _COLLECT.value:
        common.takes("seconds.")
    return ()


def main() -> None:
    """Runs every experiment of the preset, and writes report and figures."""
    from experiments.lab import report
    from rnnshare.training import environment, write_atomically

    preset, folder = common.PRESET.value, common.workdir()
    began = time.perf_counter()
    if not _COLLECT.value:
        measure(folder / preset)
    minutes = (time.perf_counter() - began) / 60
    findings = collect(folder, evidence_folders(folder, preset))
    page = report.write(
        findings,
        folder,
        question=QUESTION,
        lead=lead(findings),
        commands=COMMANDS,
        figures=pictures(folder, findings),
        groups=QUESTIONS,
        untested=[
            (key, claim)
            for key, claim in CLAIMS.items()
            if key not in {finding.id for finding in findings}
        ],
        environment={
            "command": f"python -m experiments.answer --preset={preset}",
            "minutes": f"{minutes:.1f}",
            **environment(),
        },
    )
    print(f"The report is {page}")
    if _COLLECT.value:
        write_atomically(folder / "README.md", table_page(findings))


def measure(folder):
    """Runs every experiment into its folder below this one, some at once.

    One that fails is told; then those that read of it are not begun.
    """
    from experiments.lab import machine, script, side_by_side

    with common.user_errors():
        for name in EXPERIMENTS:
            script.load(name).check()
            script.check_folder(folder / name)
        cluster.check()
    given = [flags.FLAGS[name] for name in flags.FLAGS if name not in _OWN]
    words = [word for f in given if f.present for word in f.serialize().splitlines()]
    python = [sys.executable, "-m"]
    jobs = _JOBS.value or (1 if machine.has_accelerator() else 2)
    together = [name for name in EXPERIMENTS if name not in READERS]
    for names, at_once in ((TIMED, 1), (together, jobs), (READERS, 1)):
        own = [*words, *(["--times_only"] if names is TIMED else [])]
        commands = {name: [*python, f"experiments.{name}", *own] for name in names}
        codes = side_by_side.run(commands, at_once, tell)
        if failed := [name for name, code in codes.items() if code]:
            common.fail(
                f"{', '.join(failed)} ended with an error, told above. The others' "
                "rows and findings are kept; the same command goes on from them."
            )


def tell(name, line):
    """Prints a line that an experiment wrote; of a verdict, no more than that."""
    found = re.match(r"(\w+: (supported|refuted|inconclusive))\.", line)
    if found:
        line = found[1]
    elif "\t" in line or line.startswith(("The report is ", "interrupted: ")):
        return  # they stand in the report
    print(f"{name}: {line}", flush=True)


TABLE_PAGE = """\
# Kept results

The verdicts, generated by `python -m experiments.answer --collect --preset=quick
--workdir=experiments/results`; [report.md](report.md) tells each at length. A claim has
the best evidence kept: the full preset where it was run, else the quick one.

{table}

Each folder holds what a command wrote: its rows (`trained.jsonl`, `kept.jsonl`),
`claims.json` and `findings.json`, `report.md`, and the figures. Its verdicts are judged
again from the rows alone by `python -m experiments.NAME --judge_again=FOLDER`. What was
run where, and what is the first edition's, stands in [NOTES.md](NOTES.md).

{folders}
"""


def table_page(findings):
    """Returns the table of verdicts and of the folders that they come from."""
    from experiments.lab.report import format_seconds, table_of

    order = [key for ids in QUESTIONS.values() for key in ids]
    shown = sorted(findings, key=lambda finding: order.index(finding.id))
    commands = {f.folder: (f.command, f.seconds) for f in shown}
    folders = ["| folder | command | measured in |", "| --- | --- | --- |"]
    folders += [
        f"| [{name}]({name}) | `{command}` | {format_seconds(seconds)} |"
        for name, (command, seconds) in sorted(commands.items())
    ]
    table = table_of(shown, link="report.md#{}")
    return TABLE_PAGE.format(table=table, folders="\n".join(folders))


def evidence_folders(folder, preset):
    """Returns the folders whose findings count: this run's and what is kept."""
    value = _EVIDENCE.value
    if value is None and preset != "smoke":
        value = _KEPT
    return [folder, *([value] if value else [])]


def collect(folder, roots):
    """Returns a finding a claim of all experiments; see `evidence.collect`."""
    from experiments.lab import evidence

    return evidence.collect(folder, roots, EXPERIMENTS, OWNER)


def lead(findings):
    """Returns the answer, why and whether, in three sentences each."""
    by_id = {finding.id: finding for finding in findings}
    parts = []
    for title, sentences in (("Why?", WHY), ("Would un-shared do better?", WHETHER)):
        told = [
            sentence(by_id[key], texts)
            for key, texts in sentences.items()
            if key in by_id
        ]
        parts.append(f"{title} {' '.join(told)}")
    if {finding.preset for finding in findings} == {"quick"}:
        parts.append("All of this is of the quick preset alone.")
    return parts


def sentence(finding, texts):
    """Returns the sentence of a claim's verdict."""
    from experiments.lab.report import format_number

    text = texts.get(finding.verdict, texts.get("", ""))
    effect = format_number(finding.effect)
    return text.format(effect=effect, verdict=finding.verdict)


def pictures(folder, findings):
    """Returns the figure under the lead and those behind it, with their captions."""
    from experiments.lab.finding import EVIDENCE
    from rnnshare.plotting import draw_tying_matrices, save
    from rnnshare.sharing import Cyclic, Segments, Tied, Untied

    named = {
        "drift_map/figures/lead.png": "Test loss of un-shared (left) and of partly "
        "shared weights (right) over that of shared ones, on a rule that moves by d a "
        "step: below 1 they do better (GRU, the best of each kind, 95 % intervals "
        "over paired seeds).",
        "spectrum/figures/spectrum.png": "Every sharing by its parameters and its test "
        "loss, as the rule drifts (drift task) and on ItalyPowerDemand; GRU, rate "
        "tuned, 95 % intervals.",
    }
    folders = [pathlib.Path(f.figure).parents[2] for f in findings if f.figure]
    folders = sorted(
        dict.fromkeys(folders), key=lambda f: (*EVIDENCE, f.name).index(f.name)
    )
    shown = []
    for path, caption in named.items():
        there = [f / path for f in folders if (folder / f / path).is_file()]
        shown += [(there[0].as_posix(), caption)] if there else []
    tying, num_steps = "figures/tying.png", 12
    sharings = [Tied(), Segments(12, 3), Cyclic(4), Untied(12)]
    save(draw_tying_matrices(sharings, num_steps), folder / tying)
    caption = (
        f"Which of {num_steps} steps read the same weights (dark) under each sharing. "
        "Tied and untied are the ends of one axis."
    )
    return [*shown, (tying, caption)]


if __name__ == "__main__":
    common.run(main, prepare=prepare, resumes=True)
