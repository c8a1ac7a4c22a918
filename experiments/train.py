"""Trains one model on one task: any sharing, any cell.

Question: what does this sharing do on this task?
Command:  python -m experiments.train --task=japanese_vowels --sharing=untied
          or on your own: python -m experiments.train --data=FILE.csv --target=COLUMN
Time:     about half a minute on 2 cores with the default flags. With --workdir the same
          command goes on where it was ended, and on from its end with more --num_steps.
Expect:   a test accuracy of about 0.9 untied; with --sharing=tied, about 0.97.
"""

import contextlib
import functools

from absl import flags

from experiments.lab import choices, own_data, processes
from experiments.lab import flags as common

TASKS = (
    "copy_memory",
    "adding",
    "drift",
    "japanese_vowels",
    "italy_power_demand",
    "mnist1d",
    "mnist1d_shuffled",
)

_TASK = common.define_choice("task", "japanese_vowels", TASKS, "What to learn.")
own_data.declare()
common.only("task", {"data": False})
_TASK_STEPS = common.define_integer(
    "task_steps", 50, "T, or the blanks to wait.", least=2, most=10_000_000,
    only={"task": ("adding", "copy_memory")},
)  # fmt: skip
_DRIFT_AMOUNT = common.define_float(
    "drift", 0.05, "How far the rule moves a step.", least=0.0, most=10.0,
    only={"task": ("drift",)},
)  # fmt: skip
_SPLIT = common.define_integer(
    "split", 0, "Real data: 0 is the published split, others resample; of --data all "
    "do.", least=0,
    most=2**31 - 1, only={"task": TASKS[2:]},
)  # fmt: skip
_CELL = common.define_choice("cell", "lstm", choices.CELLS, "The recurrent cell.")
_SHARING = common.define_choice(
    "sharing", "tied", choices.SHARINGS, "How the weights are shared across time."
)
_OF_SHARING = {
    name: common.define_integer(
        name, default, text, least=least, most=1_000_000, only={"sharing": sharings}
    )
    for name, default, least, sharings, text in choices.SIZES
}
_SAME_INIT = common.define_bool(
    "same_init", False, "Start all steps from copies of one initialisation.",
    only={"sharing": ("untied", "segments", "cyclic", "schedule")},
)  # fmt: skip
_UNTIE_READOUT = common.define_bool(
    "untie_readout", False, "Give the read-out weights of its own at every step too."
)
_HIDDEN = common.define_integer("hidden_features", 64, "H.", most=1_000_000)
_LAYERS = common.define_integer("num_layers", 1, "RNN layers.", most=choices.DEEPEST)
_DROPOUT = common.define_float(
    "dropout", 0.0, "Fraction dropped between layers.", least=0.0, most=0.99,
    only={"num_layers": range(2, choices.DEEPEST + 1)},
)  # fmt: skip
_REMAT = common.define_choice(
    "remat", "none", tuple(choices.REMATS),
    "What the backward pass makes again instead of keeping it: each step, or blocks of "
    "sqrt(T) steps, for long sequences.",
)  # fmt: skip
_RATE = common.define_float("learning_rate", 3e-3, "Of Adam.", least=1e-12, most=1e3)
_DECAY = common.define_float(
    "weight_decay", 0.0, "Decoupled (AdamW); 0 is plain Adam.", least=0.0, most=1e3
)
_CLIP = common.define_float(
    "clip_norm", 1.0, "Largest norm of a gradient; 0 clips nothing.", least=0.0,
    most=1e30,
)  # fmt: skip
_STEPS = common.define_integer("num_steps", 3_000, "Optimiser steps.", most=10**9)
_BATCH = common.define_integer("batch_size", 32, "Sequences a step.", most=10**7)
_VALIDATE = common.define_integer(
    "validate_every", 100, "Steps between validations.", most=10**9
)
_PATIENCE = common.define_integer(
    "patience", 10, "Validations without a better loss to stop after; 0 never stops.",
    least=0, most=10**9,
)  # fmt: skip
_SEED = common.define_integer("seed", 0, "The first seed.", least=0, most=2**31)
_NUM_SEEDS = common.define_integer(
    "num_seeds", 1, "Seeds to train side by side.", most=100_000
)
_CHECKPOINTS = common.define_float(
    "checkpoint_every", 30.0, "Seconds between checkpoints.", least=0.0, most=1e9,
    only={"workdir": True},
)  # fmt: skip
_RESTART = common.define_bool(
    "restart", False, "Move what is there aside, and begin anew.",
    only={"workdir": True},
)  # fmt: skip
_ON_NONFINITE = common.define_choice(
    "on_nonfinite", "stop", ("stop", "skip", "rollback"),
    "Where a number is not finite: that seed stops, skips the step, or goes back to "
    "the last validation and on with other batches.",
)  # fmt: skip
_TENSORBOARD = common.define_bool(
    "tensorboard", False, "Write event files for TensorBoard too.",
    only={"workdir": True},
)  # fmt: skip
processes.declare()
# Where to leave what experiments/lab/run_folder.py lists; nowhere by default.
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")


def make_task(split):
    """Returns the task that the flags name."""
    from rnnshare import tasks

    if own_data.DATA.value is not None:
        return _own_task()(split)
    return {
        "copy_memory": lambda: tasks.CopyMemory(_TASK_STEPS.value),
        "adding": lambda: tasks.Adding(_TASK_STEPS.value),
        "drift": lambda: tasks.drift(split, amount=_DRIFT_AMOUNT.value),
        "japanese_vowels": lambda: tasks.japanese_vowels(split),
        "italy_power_demand": lambda: tasks.italy_power_demand(split),
        "mnist1d": lambda: tasks.mnist1d(split),
        "mnist1d_shuffled": lambda: tasks.mnist1d(split, shuffled=True),
    }[_TASK.value]()


@functools.cache
def _own_task():
    return own_data.read()[1]


def make_setting():
    """Returns the study setting that the flags describe."""
    import optax

    import rnnshare
    from rnnshare.training import Call, Recipe, Setting

    num_steps = make_task(0).num_steps
    sharing = choices.sharing_of(
        _SHARING.value,
        num_steps,
        same_init=_SAME_INIT.value,
        **{name: flag.value for name, flag in _OF_SHARING.items()},
    )
    untied_readout = rnnshare.Untied(num_steps, same_init=True)
    decayed = Call(optax.adamw, weight_decay=_DECAY.value)
    return Setting(
        make_task=make_task,
        cell=choices.cell_of(_CELL.value),
        sharing=sharing,
        hidden_features=_HIDDEN.value,
        learning_rate=_RATE.value,
        recipe=Recipe(
            num_steps=_STEPS.value,
            batch_size=_BATCH.value,
            validate_every=min(_VALIDATE.value, _STEPS.value),
            patience=_PATIENCE.value or None,
            clip_norm=_CLIP.value or None,
            optimizer=decayed if _DECAY.value else optax.adam,
            on_nonfinite=_ON_NONFINITE.value,
        ),
        num_layers=_LAYERS.value,
        readout_sharing=untied_readout if _UNTIE_READOUT.value else rnnshare.Tied(),
        dropout=_DROPOUT.value,
        remat=choices.REMATS[_REMAT.value],
    )


def prepare():
    """Returns the setting, the task and the seeds, which the machine has room for."""
    from experiments.lab import machine

    processes.connect()
    setting, task = make_setting(), make_task(_SPLIT.value)
    machine.require(machine.of_training(setting, _NUM_SEEDS.value))
    processes.check_layout(task, setting.recipe.batch_size)
    return setting, task, range(_SEED.value, _SEED.value + _NUM_SEEDS.value)


def main(setting, task, seeds) -> None:
    """Trains, and prints what came of it; the first of several processes does so."""
    from experiments.lab import board, run_folder
    from rnnshare.training import fit, key_of
    from rnnshare.training.processes import is_first

    if not is_first():
        processes.wait()  # until the folder is opened
        path = common.WORKDIR.value
        fit(*_trained(setting, task, seeds), **_how(path and path / "checkpoints"))
        return
    with contextlib.ExitStack() as stack:
        size = setting.num_parameters()
        names = {**setting.columns(), "split": _SPLIT.value, "seed": _SEED.value}
        folder, path = None, common.WORKDIR.value
        if path is not None:
            names |= {"num_seeds": len(seeds), "data": key_of(task)}
            with common.user_errors():
                opened = run_folder.opened(path, names, seeds, restart=_RESTART.value)
                folder = stack.enter_context(opened)
            common.keeps(f"{path} is kept up to its last checkpoint")
        processes.wait()
        writers = {}
        if _TENSORBOARD.value:
            writers = stack.enter_context(board.writers(path, seeds))
        what = f"{names['cell']}, {setting.sharing}, {size:,} parameters"
        print(f"{task.name}: {what}", flush=True)
        fitted = _train(setting, task, seeds, folder, writers)
        if folder is not None:
            before = folder.finished
            folder.finish(*fitted)
            for seed, params in zip(seeds, fitted.params, strict=True):
                if writers and not before:
                    pictures = board.pictures(setting, task.num_steps, params)
                    writers[seed].write_images(names["num_steps"], pictures)
    _report(fitted, seeds, size)


def _train(setting, task, seeds, folder, writers):
    """Returns what `fit` returns; keeps what it measures in a folder, or nowhere."""
    from statistics import median

    from rnnshare.training import fit, progress, write_to

    total, done = setting.recipe.num_steps * len(seeds), {}
    write = write_to([writers[seed] for seed in seeds]) if writers else None
    with progress(total, str(setting.sharing)) as update:

        def on_chunk(step, measured):
            new = {}  # gone on with, a training tells again what was measured before
            for i, row in measured.items():
                done[seeds[i]] = step
                if folder is not None and folder.add(i, step, row):
                    new[i] = row
            if write is not None:
                write(step, new)
            loss = median(row["validation_loss"] for row in measured.values())
            update(sum(done.values()), f"validation loss {loss:.4f}")

        how = _how(None if folder is None else folder.checkpoints)
        return fit(*_trained(setting, task, seeds), **how, on_chunk=on_chunk)


def _trained(setting, task, seeds):
    """Returns what all processes train."""
    replicas = [(task, seed, setting.learning_rate) for seed in seeds]
    return setting.make_model(), setting.recipe, replicas


def _how(checkpoints):
    """Returns how they do so."""
    return {
        **processes.layout(),
        "checkpoints": checkpoints,
        "checkpoint_every": _CHECKPOINTS.value,
        "gradient_norms": _TENSORBOARD.value,
    }


def _report(fitted, seeds, size):
    """Prints the metrics of every seed, and their median."""
    from statistics import median

    for seed, final in zip(seeds, fitted.metrics, strict=True):
        shown = {k: v for k, v in final.items() if k.startswith(("test", "train"))}
        text = ", ".join(f"{k.replace('_', ' ')} {v:.4f}" for k, v in shown.items())
        if final["diverged"]:
            text = f"diverged at step {final['diverged']}"
        print(f"seed {seed}: {text}")
    score = "test_accuracy" if "test_accuracy" in fitted.metrics[0] else "test_loss"
    value = median(final[score] for final in fitted.metrics)
    print(f"{score.replace('_', ' ')}: {value:.4f} (median of {len(seeds)} seeds)")
    print(f"parameters: {size:,}")


if __name__ == "__main__":
    common.run(main, prepare=prepare)
