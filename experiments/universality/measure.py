"""What tied and untied weights need for one task, and all else that is measured here.

Machines are run in `machines.py`, and networks compiled in `compiled.py`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.lab import frames
from experiments.lab.choices import cells
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import Lab, grid
from experiments.universality.compiled import CASES, Compiled, compile_networks
from experiments.universality.compiled import draw_networks as draw_networks
from experiments.universality.machines import (
    PATTERNS,
    TAG_WORD,
    Depth,
    Run,
    measure_depth,
    run_machine,
    tag_steps,
)
from experiments.universality.plan import Plan
from experiments.universality.separation import SEARCHED as SEARCHED
from experiments.universality.separation import Separation, separate
from experiments.universality.separation import one_unit_allows as one_unit_allows
from experiments.universality.separation import (
    strings_of_one_unit as strings_of_one_unit,
)
from experiments.universality.separation import threshold_strings as threshold_strings
from experiments.universality.separation import untied_outputs as untied_outputs
from rnnshare import Tied, Untied
from rnnshare.tasks import STREAMING
from rnnshare.tasks.composition import Composition, RandomString
from rnnshare.training import Call, Recipe, Setting

SOLVED = 0.99  # the accuracy that solves a task
# A wrong answer costs at least ln 2 nats, so a mean loss of at most this has at most
# half of the wrong answers that a solved task may have.
SOLVED_LOSS = 0.5 * np.log(2) * (1 - SOLVED)
ARMS = ("Tied", "Untied")
METRICS = [
    *("seed", "test_accuracy", "validation_loss", "steps_trained", "num_parameters"),
    "diverged",
]


class Measured(NamedTuple):
    """All that is measured.

    Attributes:
      composed: a row a training on compositions: cell, arm, H, same (whether one map
        holds at all steps), num_examples, other sizes, and `METRICS`.
      strings: a row a training on strings: cell, arm, H, length, T, and `METRICS`.
      compiled: {name of a case: what came of its networks}.
      runs: of machines.
      depths: of stacks.
      tag_steps: steps of the tag system that the universal machine makes, if it ran.
      separation: the strings that are put out on a constant input.
    """

    composed: pd.DataFrame
    strings: pd.DataFrame
    compiled: Mapping[str, Compiled] = {}
    runs: Sequence[Run] = ()
    depths: Sequence[Depth] = ()
    tag_steps: int | None = None
    separation: Separation = Separation([], [], [])


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains, compiles and runs what is not yet kept."""
    pairs = [(cell, arm) for cell in plan.cells for arm in ARMS]
    composed = [compose(plan, lab, *pair) for pair in pairs]
    strings = learn_strings(plan, lab)
    cases = {case.name: case for case in CASES[: plan.num_cases]}
    compiled = kept(
        lab,
        Compiled,
        [{"case": name, "num_networks": plan.num_networks} for name in cases],
        lambda case, num_networks: compile_networks(cases[case], num_networks),
    )
    machines = [
        {"machine": name, "most_steps": plan.machine_steps} for name in plan.machines
    ]
    depths = [
        {"base": base, "pattern": pattern, "num_bits": plan.num_bits}
        for base in plan.bases
        for pattern in (PATTERNS[:1] if base == 2 else PATTERNS)
    ]
    tagged = None
    if "minsky" in plan.machines:
        key = {"tag_word": TAG_WORD, "most_steps": plan.machine_steps}
        row = lab.kept(key, lambda: {"count": tag_steps(plan.machine_steps)})
        tagged = row["count"]
    return Measured(
        pd.concat(composed, ignore_index=True),
        strings,
        dict(zip(cases, compiled, strict=True)),
        kept(lab, Run, machines, run_machine),
        kept(lab, Depth, depths, measure_depth),
        tagged,
        kept(lab, Separation, [{"most_steps": plan.separation_steps}], separate)[0],
    )


def kept(lab: Lab, kind, keys, make):
    """Returns `make(**key)` of every key, named tuples of a kind, kept one by one."""
    rows = lab.kept_each(
        keys, lambda missing: ((key, make(**key)._asdict()) for key in missing)
    )
    return [kind(*(row[name] for name in kind._fields)) for row in rows]


def composition(split, num_steps, num_inputs, num_states, **options) -> Composition:
    """Returns the composition that a split draws."""
    return Composition.of(num_steps, num_inputs, num_states, split, **options)


def string(split, num_steps, length) -> RandomString:
    """Returns the random string that a split draws."""
    return RandomString.of(num_steps, length, split)


def compose(plan: Plan, lab: Lab, cell: str, arm: str) -> pd.DataFrame:
    """Trains a cell on compositions, as `Measured.composed`."""

    def trained(width: int, same: bool, *sizes: int) -> pd.DataFrame:
        tasks = [
            {
                "num_steps": plan.steps,
                "num_inputs": plan.inputs,
                "num_states": plan.states,
                "same": same,
                "num_examples": size,
            }
            for size in sizes
        ]
        model = (cell, arm, width)
        return train(plan, lab, recipe_of(plan), model, composition, tasks)

    found = [trained(plan.sample_width, True, *plan.sizes, STREAMING)]
    for width in plan.widths:
        found.append(trained(width, False, STREAMING))
        if (best_of(found[-1])["test_accuracy"] >= SOLVED).all():
            break  # a larger network holds this one
    return pd.concat(found, ignore_index=True)


def learn_strings(plan: Plan, lab: Lab) -> pd.DataFrame:
    """Trains the first cell on strings, as `Measured.strings`."""
    steps, recipe = plan.string_steps, recipe_of_strings(plan)
    tasks = [{"num_steps": steps, "length": length} for length in plan.lengths]
    models = [("Untied", 1), *(("Tied", width) for width in plan.string_widths)]
    found = [
        train(plan, lab, recipe, (plan.cells[0], *model), string, tasks)
        for model in models
    ]
    return pd.concat(found, ignore_index=True)


def train(plan: Plan, lab: Lab, recipe: Recipe, model, task, tasks) -> pd.DataFrame:
    """Trains a model on tasks, at every rate on every seed; returns a row a training.

    Both arms start from the same function. What diverged has the accuracy 0.

    Args:
      plan: of the preset.
      lab: of the experiment.
      recipe: of the trainings.
      model: its cell, arm and H.
      task: makes a task of a split.
      tasks: its keyword arguments, which are columns too. Tasks of one shape are one
        program.
    """
    name, arm, width = model
    settings, labels = {}, ["cell", "arm", "H", *tasks[0]]
    for options in tasks:
        make_task = Call(task, **options)
        untied = Untied(options["num_steps"], same_init=True)
        sharing = Tied() if arm == "Tied" else untied
        base = Setting(make_task, cells()[name], sharing, width, recipe=recipe)
        for setting in grid(base, plan.rates):
            named = (*model, *options.values(), setting.learning_rate)
            settings[named] = setting
    runs = frames.train(lab, settings, [*labels, "learning_rate"], plan.num_seeds)
    runs = runs.reindex(columns=[*labels, *METRICS])
    losses = {name: runs[name].astype(float) for name in METRICS[1:3]}
    return runs.assign(**losses).fillna({"test_accuracy": 0.0})


def recipe_of(plan: Plan) -> Recipe:
    """Returns how compositions are trained: until solved, or the end."""
    return Recipe(
        num_steps=plan.num_updates,
        batch_size=64,
        validate_every=plan.validate_every,
        patience=None,
        stop_loss=SOLVED_LOSS,
    )


def recipe_of_strings(plan: Plan) -> Recipe:
    """Returns how strings are trained: until every bit is right, or the end."""
    # One wrong bit of L costs at least ln 2 / L nats: below it every bit is right.
    goal = 0.5 * np.log(2) / max(plan.lengths)
    return to_the_end(plan.string_updates, 2, batch_size=1, stop_loss=goal)


def best_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Returns of each case and seed the run, over the rates, that validates best."""
    case = [name for name in runs if name not in METRICS]
    ranked = runs.sort_values("validation_loss", kind="stable")
    return ranked.drop_duplicates([*case, "seed"]).sort_index()


def accuracies(composed: pd.DataFrame, *, same: bool) -> pd.DataFrame:
    """Returns test accuracies on compositions, a column a seed.

    Args:
      composed: see `Measured`.
      same: of one map for all steps, a row a (cell, arm, N); or of maps that differ by
        the step, a row a (cell, arm, H), which end where all seeds solve them.
    """
    best = best_of(composed[composed["same"] == same])
    case = ["cell", "arm", "num_examples" if same else "H"]
    return best.pivot(index=case, columns="seed", values="test_accuracy")


def needs(plan: Plan, composed: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns {what is needed: counts, a row a (cell, arm), a column a seed}.

    Units are for maps that differ by the step; updates and sequences for one map.
    Updates are those of the rate that takes the fewest to solve endless data; the
    budget where no rate solves them.
    """
    model = ["cell", "arm"]
    endless = composed[composed["same"] & (composed["num_examples"] == STREAMING)]
    solved = endless["test_accuracy"] >= SOLVED
    taken = endless.assign(
        updates=endless["steps_trained"].where(solved, plan.num_updates)
    )
    units = accuracies(composed, same=False).groupby(level=model)
    sequences = accuracies(composed, same=True).drop(STREAMING, level=2)
    return {
        "units": units.apply(least),
        "updates": taken.groupby([*model, "seed"])["updates"].min().unstack("seed"),
        "sequences": sequences.groupby(level=model).apply(least),
    }


def least(accuracy: pd.DataFrame) -> pd.Series:
    """Returns each seed's least size that solves; twice the largest where none does.

    Args:
      accuracy: a row a size, from small to large, the last of its index's levels; a
        column a seed.
    """
    solved = (accuracy >= SOLVED).set_axis(accuracy.index.get_level_values(-1))
    return solved.idxmax().where(solved.any(), 2 * solved.index[-1])


def longest(strings: pd.DataFrame) -> pd.DataFrame:
    """Returns the longest string that is right in every bit, 0 where none is.

    Args:
      strings: see `Measured`.

    Returns:
      A row an (arm, H), a column a seed.
    """
    best = best_of(strings)
    held = best.assign(held=best["length"].where(best["test_accuracy"] == 1.0, 0))
    return held.groupby(["arm", "H", "seed"])["held"].max().unstack("seed")
