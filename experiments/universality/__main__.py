"""Is one weight set as powerful as many, and what is "powerful" (C1, C2, Cc1)?

Question: does one tied network simulate any machine (C1); does it compute what untied
          weights do, in more units or in as many (C2); do units, training and data
          agree on which of two models is the more powerful (Cc1)?
Command:  python -m experiments.universality
Time:     some two minutes on 2 cores (quick); an hour and a half (full).
Expect:   exact machines; compiled networks that are exact, and more units tied than
          untied for maps that differ by the step.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "C1": (
        "Supported if every compiled machine of the list agrees with its interpreter "
        "at every step (state, and tape or stacks to the last symbol) in exact "
        "arithmetic, to halting, or over at least 10,000 steps if it runs on; and if "
        "the number of symbols that the cell pushes and pops without fault is within "
        "one of the predicted one in float32 and in float64, for every base and "
        "pattern. Refuted if an exact run differs. Else inconclusive."
    ),
    "C2": (
        "Three readings of the words. (i) Any size: at least 100 random untied "
        "networks (Elman, LSTM, GRU; all T, H, D together) are compiled into tied ones "
        "with a clock; the reading holds if every output is within 1e-5 in float32. "
        "(ii) Equal size: log2 of the least H at which tied solves a composition of "
        "maps that differ by the step (test accuracy at least 0.99), over untied's; it "
        "fails if the 95 % interval over the seeds is above 0 in every cell, and holds "
        "if in every cell it reaches 0 and its high end is at most 0.5. Where no H of "
        "the grid solves it, twice the largest counts, and the ratio is a bound; where "
        "in some seed neither does, the cell is undecided, and so is (ii). (iii) "
        "Unbounded length: the longest random string on a constant input, against H; "
        "it decides nothing, but bounds the other two. The words claim both sizes, so: "
        "supported if (i) and (ii) hold, refuted if (i) holds and (ii) fails, else "
        "inconclusive. That training fails never counts as non-existence."
    ),
    "Cc1": (
        "For each pair of models three columns, each the log2 of what one needs over "
        "what the other needs: units (least H for maps that differ by the step), "
        "updates (optimiser steps until one map for all steps is solved, on endless "
        "data at equal H, at the rate that takes the fewest; the budget where none "
        "does), sequences (the least training "
        "set for that map, test accuracy at least 0.99; twice the largest where none "
        "is enough). A model wins a column if the 95 % interval is on its side of 0. "
        "Supported if in some pair each model wins a column; refuted if in every pair "
        "one model wins a column and the other none; else inconclusive."
    ),
}


def findings(preset, folder):
    """Returns the findings; draws their figures. Restarted, it goes on."""
    from experiments.universality import machines as turing_study
    from experiments.universality.claims import power_findings

    machines = turing_study.finding(preset, folder, RULES["C1"])
    return [machines, *power_findings(preset, folder, RULES)]


def main() -> None:
    """Builds and trains, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude

    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
