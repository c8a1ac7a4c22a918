"""`python -m experiments.length_generalisation`; see the package."""

import dataclasses
import pathlib
from typing import Any

from absl import flags

from experiments.lab import script
from experiments.lab.flags import define_integer
from experiments.length_generalisation import plan as plans
from experiments.length_generalisation.plan import CELLS, PLANS, Plan

TASKS = (*plans.REGULAR, "modular_arithmetic", *plans.CONTROLS)
_TASKS = flags.DEFINE_multi_enum("task", None, TASKS, "Only these; measures, no claim.")
_CELLS = flags.DEFINE_multi_enum("cell", None, CELLS, "Cells; by default the preset's.")
_SIZES = {
    "train_max_length": ("The longest string of the training.", 10_000),
    "eval_max_length": ("The longest string that is measured.", 100_000),
    "hidden_features": ("H.", 1_000_000),
    "num_steps": ("Optimiser steps.", 10**9),
    "num_seeds": ("Paired seeds.", 100_000),
    "examples": ("Strings of each length in a test.", 10_000_000),
}
_FLAGS = {
    name: define_integer(name, None, f"{text} By default the preset's.", most=most)
    for name, (text, most) in _SIZES.items()
}


def plan_of(preset: str) -> Plan | None:
    """Returns the preset's plan as the flags change it; None if they do not.

    Raises:
      ValueError: if nothing is measured past the trained lengths, or the machine has
        too little memory.
    """
    changes: dict[str, Any] = {
        name: flag.value for name, flag in _FLAGS.items() if flag.value is not None
    }
    if _CELLS.value:
        changes["cells"] = tuple(_CELLS.value)
    if _TASKS.value:
        changes |= {"languages": tuple(_TASKS.value), "controls": (), "fixed": ()}
    from experiments.lab import machine
    from experiments.length_generalisation.reading import setting_of

    plan = dataclasses.replace(PLANS[preset], **changes)
    if plan.eval_max_length <= plan.train_max_length:
        raise ValueError(
            f"--eval_max_length={plan.eval_max_length} is not above "
            f"--train_max_length={plan.train_max_length}. Raise it."
        )
    if plan == PLANS[preset]:
        return None
    largest = {a.cell: a for a in plans.arms(plan) if a.sharing != "untied_same"}
    for setting in (setting_of(plan, arm) for arm in largest.values()):
        read = plan.examples * plan.eval_max_length * plan.hidden_features
        needed = machine.of_training(setting, plan.num_seeds)
        machine.require(needed | {"what is read": machine.SCALAR * read})
    return plan


def measure_only(experiment: Any, plan: Plan, root: pathlib.Path) -> None:
    """Measures what the flags ask for, and prints and draws it."""
    from experiments.lab.trials import Lab
    from experiments.length_generalisation.tables import draw_curves, table
    from rnnshare.plotting import save

    found = experiment.measure(plan, Lab(root))
    for row in table(plan, found):
        print("\t".join(row))
    shown = {"lengths": plan.languages, "controls": plan.controls}
    for name, languages in shown.items():
        if languages:
            # The figures without this name's end belong to the preset's report.
            path = root / "figures" / f"{name}_by_flags.png"
            print(f"The figure is {save(draw_curves(plan, found, languages), path)}")


if __name__ == "__main__":
    script.launch("length_generalisation", plan_of=plan_of, after=measure_only)
