"""Should I untie? Asks one trained tied model, then checks its answer by training.

Question: would weights that differ between the steps do better on this data, which of
          them, and how sure is that?
Command:  python -m experiments.should_i_untie --drift=0.2
          or of your own: python -m experiments.should_i_untie --data=FILE.csv
          --target=COLUMN
Time:     about a minute on 2 cores with the default flags.
Expect:   'untie all maps' at a drift of 0.2, 'leave it tied' at 0.
"""

import sys

from absl import flags

from experiments.lab import choices, own_data
from experiments.lab import flags as common

# Of the dispersion, that is, a mean score of a tenth of its deviation between examples:
# a predicted gain that is less says nothing.
_WORTH_IT = 0.005
TASKS = ("drift", "italy_power_demand", "japanese_vowels", "mnist1d")

_TASK = common.define_choice("task", "drift", TASKS, "The data.")
own_data.declare()
common.only("task", {"data": False})
_DRIFT = common.define_float(
    "drift", 0.2, "How far the rule moves a step.", least=0.0, most=10.0,
    only={"task": ("drift",)},
)  # fmt: skip
_PERIODS = flags.DEFINE_list(
    "periods", [], "Periods to test, in steps, as --periods=6,12; none by default."
)
_CELL = common.define_choice("cell", "gru", choices.CELLS, "The recurrent cell.")
_HIDDEN = common.define_integer("hidden_features", 32, "H.", most=1_000_000)
_RATE = common.define_float("learning_rate", 1e-2, "Of Adam.", least=1e-12, most=1e3)
_STEPS = common.define_integer("num_steps", 800, "Optimiser steps.", most=10**9)
_SEEDS = common.define_integer(
    "num_seeds", 5, "Models to ask, each with a split of its own.", least=2, most=1_000
)
_CHECK = common.define_bool("check", True, "Train what is advised, and compare.")


def make_task_of():
    """Returns `make_task(split)` of the flags."""
    import functools

    from rnnshare import tasks

    if own_data.DATA.value is not None:
        return own_data.read()[1]
    if _TASK.value == "drift":
        return functools.partial(tasks.drift, amount=_DRIFT.value)
    return getattr(tasks, _TASK.value)


def prepare():
    """Returns the setting, the tasks and the alternatives, if there is room for all."""
    from experiments.lab import machine
    from rnnshare import Tied
    from rnnshare.analysis import untying
    from rnnshare.training import Recipe, Setting

    make_task = make_task_of()
    task = make_task(0)
    try:
        periods = tuple(int(period) for period in _PERIODS.value)
    except ValueError as error:
        raise ValueError(f"--periods: {error}. Use whole numbers.") from error
    tried = untying.alternatives(task.num_steps, periods)
    chunk = max(1, _STEPS.value // 8)
    recipe = Recipe(8 * chunk, validate_every=chunk, patience=None)
    cell, sizes = choices.cell_of(_CELL.value), (_HIDDEN.value, _RATE.value)
    setting = Setting(make_task, cell, Tied(), *sizes, recipe)
    examples = len(task.held_out("train").inputs)
    functions = max(each.num_templates for each in tried.values())
    gradients = machine.SCALAR * examples * functions * setting.num_parameters()
    needed = machine.of_training(setting, _SEEDS.value)
    needed[f"a gradient of each of {examples:,} examples"] = gradients
    machine.require(needed)
    return setting, [make_task(i) for i in range(_SEEDS.value)], tried


def main(setting, tasks, tried) -> None:
    """Trains tied models, tests them, advises, and checks the advice."""
    from collections import Counter
    from statistics import median

    from rnnshare.analysis import untying
    from rnnshare.training import fit

    seeds = list(enumerate(tasks))

    def train(setting):
        say(f"trains {len(seeds)} models, {setting.sharing!r}")
        triples = [(task, seed, setting.learning_rate) for seed, task in seeds]
        return fit(setting.make_model(), setting.recipe, triples)

    tied = train(setting)
    advice = []
    for seed, task in seeds:
        say(f"tests model {seed}, of {len(seeds)}")
        loss = tied.metrics[seed]["train_loss"]
        dispersion = untying.dispersion_of(task, task.held_out("train"), loss)
        tests = untying.run_tests(
            setting.make_model(),
            tied.params[seed],
            task,
            tried,
            dispersion=dispersion,
            seed=seed,
        )
        advice.append(
            untying.advise(tests, task.num_steps, least_gain=_WORTH_IT * dispersion)
        )
        print(f"model {seed}: {advice[-1].text}", flush=True)
        for name, groups in tests.items():
            for group, test in groups.items():
                print(
                    f"  {name}, {group}: statistic {test.statistic:.1f}, p "
                    f"{test.p_value:.3f}, predicted gain {test.predicted_gain:+.2g}"
                )
    text, count = Counter(a.text for a in advice).most_common(1)[0]
    chosen = [a for a in advice if a.text == text]
    print(
        f"advice: {text} ({count} of {len(advice)} models; median p "
        f"{median(a.p_value for a in chosen):.3f}, predicted gain "
        f"{median(a.predicted_gain for a in chosen):+.2g})"
    )
    if _CHECK.value:
        check(train, setting, tied.metrics, chosen[0].sharing, tasks[0].num_steps)


def say(stage):
    """Tells on stderr what is being done."""
    print(f"should_i_untie {stage}", file=sys.stderr, flush=True)


def check(train, setting, tied, advised, num_steps):
    """Trains the advised sharing (untied, if it says tied); prints the difference."""
    import dataclasses

    from rnnshare import Tied, Untied
    from rnnshare.analysis.statistics import paired_difference

    leave = advised == Tied()
    other = Untied(num_steps, same_init=True) if leave else advised
    found = train(dataclasses.replace(setting, sharing=other)).metrics
    difference = paired_difference(
        [row["test_loss"] for row in found], [row["test_loss"] for row in tied]
    )
    confirmed = difference.low >= 0 if leave else difference.high < 0
    against = difference.high < 0 if leave else difference.low > 0
    word = "confirmed" if confirmed else "contradicted" if against else "undecided"
    print(
        f"check: {other!r} less tied test loss {difference.estimate:+.4f} "
        f"[{difference.low:+.4f}, {difference.high:+.4f}]: the advice is {word}"
    )


if __name__ == "__main__":
    common.run(main, prepare=prepare)
