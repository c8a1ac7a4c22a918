"""`python -m experiments.compare`; see the package."""

import shlex
import sys

from absl import flags

import experiments.compare
from experiments.lab import flags as common
from experiments.lab import own_data

own_data.declare()
_MINUTES = common.define_float(
    "budget_minutes", 5.0, "How long it may take.", least=0.1, most=10_000.0
)
_HIDDEN = common.define_integer("hidden_features", 32, "H.", most=1_000_000)
_BATCH = common.define_integer("batch_size", 32, "Sequences a step.", most=10**7)
_PERIOD = common.define_integer(
    "period", 0, "Of a rule that comes back, in steps; 0: look for one.", least=0,
    most=1_000_000,
)  # fmt: skip
flags.declare_key_flag("workdir")


def prepare():
    """Returns when it began, the file's content, and its tasks."""
    import time

    from experiments.compare import contest, reading_law
    from experiments.lab import machine

    began = time.perf_counter()
    if own_data.DATA.value is None:
        raise ValueError("give --data, a file; python -m experiments.compare --help.")
    given, make_task = own_data.read()
    num_steps = make_task(0).num_steps
    if _PERIOD.value and not 2 <= _PERIOD.value <= num_steps // 2:
        raise ValueError(
            f"--period is {_PERIOD.value}. Use 2 to {num_steps // 2}: half of the "
            f"{num_steps} steps, or 0."
        )
    task = make_task(0)
    period = _PERIOD.value or reading_law.find_period(task)
    arms = contest.arms_of(num_steps, task.in_features, _HIDDEN.value, period)
    for arm in arms:
        setting = contest.setting_of(make_task, arm, 1e-2, 200, _BATCH.value)
        machine.require(machine.of_training(setting, 2))
    unit = "minute" if _MINUTES.value == 1 else "minutes"
    common.takes(f"about {_MINUTES.value:g} {unit}.")
    return began, given, make_task, period, arms


def main(began, given, make_task, period, arms) -> None:
    """Compares the arms, and writes the page."""
    import time

    from experiments.compare import asking, contest, page, reading_law, verdict
    from experiments.lab import frames
    from experiments.lab.trials import Lab
    from rnnshare.training import key_of

    task, folder = make_task(0), common.workdir("compare")
    common.keeps("trained rows are kept")
    say(f"{task.name}: {len(given.inputs):,} sequences of {task.num_steps} steps")
    law = reading_law.read_law(task)
    say(f"the law: {law['side']} (confidence {law['confidence']:.2f})")
    lab = Lab(folder)
    seconds = 60 * _MINUTES.value
    batch_size = _BATCH.value
    key = {"what": "score test", "task": key_of(task), "arm": repr(arms[0]),
           "seconds": seconds, "batch_size": batch_size}  # fmt: skip

    def ask():
        found = asking.ask(make_task, arms[0], seconds=seconds, batch_size=batch_size)
        return {"told": found}

    with lab.clock():
        told = lab.kept(key, ask)["told"]
        say(asking.in_words(told))
        outcome = contest.compare(
            lab,
            make_task,
            arms,
            seconds=seconds - contest.LAST - (time.perf_counter() - began),
            budget=seconds,
            batch_size=batch_size,
            say=say,
        )
        resampled = own_data.SPLIT_BY.value == "random"
        overlap = frames.overlap_of(make_task) if resampled else 0.0
        chance = task.baselines["chance"]["loss"]
        recommended = verdict.recommend(outcome, chance, overlap)
        found = page.Compared(
            source=own_data.DATA.value,
            given=given,
            arrays=make_task,
            task=task,
            law=law,
            asked=told,
            period=period,
            outcome=outcome,
            overlap=overlap,
            recommended=recommended,
            command=shlex.join(["python", "-m", "experiments.compare", *sys.argv[1:]]),
        )
        params = None
        if recommended.arm is not None:
            params = contest.train_once(make_task, outcome.settings[recommended.arm])
        path = page.write(found, folder, params)
    print(page.headline(found))
    print(" ".join(page.reasons(found)))
    print(f"The report is {path} ({time.perf_counter() - began:.0f} s)")


def say(stage):
    """Tells on stderr what is being done."""
    print(f"compare: {stage}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.modules["__main__"].__doc__ = experiments.compare.__doc__
    common.run(main, prepare=prepare)
