"""Strings of every length: what is read at steps that were never trained (Q2, A3)?

Question: does sharing let the length vary (Q2, Q2b), do un-shared weights fail at
          unseen lengths (A3), and is sharing enough to reach them (A3b)?
Command:  python -m experiments.length_generalisation, or a part of it:
          python -m experiments.length_generalisation --task=parity \
              --eval_max_length=500
Time:     two and a half minutes on 2 cores (quick); about an hour (full).
Expect:   tied flat at any length on even pairs and parity, and falling on cycle
          navigation (quick); literal untied gone one step past its training.

Protocol after Deletang et al., 2023, "Neural networks and the Chomsky hierarchy":
trained on lengths U(1, N) with N = 40, measured at every length beyond.
"""

import time
from typing import Any

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

TASKS = ("even_pairs", "parity", "cycle_navigation", "modular_arithmetic",
         "reverse_string", "duplicate_string", "odds_first",
         "stack_manipulation")  # fmt: skip
_TASKS = flags.DEFINE_multi_enum("task", None, TASKS, "Only these; measures, no claim.")
_CELLS = flags.DEFINE_multi_enum(
    "cell", None, ("Elman", "GRU", "LSTM"), "Cells; by default the preset's."
)
_SIZES = {
    "train_max_length": "The longest string of the training.",
    "eval_max_length": "The longest string that is measured.",
    "hidden_features": "H.",
    "num_steps": "Optimiser steps.",
    "num_seeds": "Paired seeds.",
    "examples": "Strings of each length in a test.",
}
_FLAGS = {
    name: flags.DEFINE_integer(name, None, f"{text} By default the preset's.",
                               lower_bound=1)
    for name, text in _SIZES.items()
}  # fmt: skip

_LITERAL = (
    "the literal arm (untied; steps past the training keep their initial weights)"
)
RULES = {
    "Q2": (
        "For every cell, language (even pairs, parity, cycle navigation) and start of "
        "the untied weights: supported if the tied model's median accuracy at lengths "
        "2N - 4 to 2N is at least 0.95 and that of " + _LITERAL + " at most chance + "
        "0.1; undecided if untied is below 0.95 at lengths up to N; else refuted. "
        "Supported if two thirds of all are supported; refuted if more than a third is "
        "refuted; else inconclusive. Unseen-step policies are reported apart."
    ),
    "Q2b": (
        "Trained on lengths up to N, against trained at N alone, both tested at N; "
        "counted where untied reaches 0.95 when trained at N alone. Supported if "
        "untied loses at least 0.1 (median) and tied less than 0.05 in most of these; "
        "refuted "
        "if untied loses less than 0.05 in most; else, or if there are none, "
        "inconclusive."
    ),
    "A3": (
        "Where untied reaches 0.95 at lengths up to N: supported if the mean accuracy "
        "at N + 1 to N + 3 of " + _LITERAL + " has lost at least half of its lead over "
        "chance while tied keeps 0.95 to 2N, in two thirds of the cases; refuted if in "
        "fewer than a third; else, or if there are none, inconclusive."
    ),
    "A3b": (
        "On the controls (reverse, duplicate, odds first, stack manipulation) at "
        "lengths N + 1 to 2N: supported if tied's median accuracy is at least 0.95 "
        "on most; "
        "refuted if below 0.75 on most; else inconclusive."
    ),
}


def plan_of(preset):
    """Returns the preset's plan, as the flags change it."""
    import dataclasses

    from experiments.length_generalisation.measure import ALL_CELLS, PLANS

    plan = PLANS[preset]
    if not flags.FLAGS.is_parsed():
        return plan
    changes: dict[str, Any] = {
        k: f.value for k, f in _FLAGS.items() if f.value is not None
    }
    if _CELLS.value:
        changes["cells"] = {name: ALL_CELLS[name] for name in _CELLS.value}
    if _TASKS.value:
        chosen = {"languages": tuple(_TASKS.value), "controls": (), "fixed": ()}
        changes |= chosen
    return dataclasses.replace(plan, **changes)


def findings(preset, folder):
    """Returns the findings of Q2, Q2b, A3 and A3b; draws their figures."""
    from experiments.length_generalisation.claims import judge
    from experiments.length_generalisation.measure import PLANS, run_all

    plan, began = PLANS[preset], time.perf_counter()
    curves = run_all(plan, folder)
    return judge(plan, curves, time.perf_counter() - began, preset, folder, RULES)


def main() -> None:
    """Trains, measures, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude
    from experiments.length_generalisation.claims import draw, table
    from experiments.length_generalisation.measure import PLANS, run_all

    with common.user_errors():
        plan = plan_of(common.PRESET.value)
        if plan.eval_max_length <= plan.train_max_length:
            raise ValueError(
                f"--eval_max_length={plan.eval_max_length} is not above "
                f"--train_max_length={plan.train_max_length}. Raise it."
            )
    if plan == PLANS[common.PRESET.value]:
        conclude(__name__, common.PRESET.value)
        return
    folder = common.workdir("length_generalisation")
    curves = run_all(plan, folder)
    for row in table(plan, curves):
        print("\t".join(row))
    for path in draw(plan, curves, folder).values():
        print(f"The figure is {folder / path}")


if __name__ == "__main__":
    common.run(main)
