"""Trains one model on one task: any sharing, any cell.

Question: what does this sharing do on this task?
Command:  python -m experiments.train --task=japanese_vowels --sharing=untied
Time:     about half a minute on 2 cores. With --workdir the same command goes on where
          it was ended, and on from its end with more --num_steps.
Expect:   a test accuracy of about 0.9 untied; with --sharing=tied, about 0.97.
"""

from absl import flags

from experiments.lab import choices
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
_TASK_STEPS = flags.DEFINE_integer(
    "task_steps", 50, "adding: T; copy_memory: blanks to wait.", lower_bound=2
)
_DRIFT_AMOUNT = common.define_float(
    "drift", 0.05, "--task=drift: how far the rule moves a step.", least=0.0, most=10.0
)
_SPLIT = flags.DEFINE_integer(
    "split", 0, "Real data: 0 is the published split, others resample.", lower_bound=0
)
_CELL = common.define_choice("cell", "lstm", choices.CELLS, "The recurrent cell.")
_SHARING = common.define_choice(
    "sharing", "tied", choices.SHARINGS, "How the weights are shared across time."
)
_NUM_SEGMENTS = flags.DEFINE_integer(
    "num_segments", 4, "--sharing=segments: how many.", lower_bound=1
)
_PERIOD = flags.DEFINE_integer(
    "period", 4, "--sharing=cyclic, and of time's functions: in steps.", lower_bound=1
)
_NUM_TEMPLATES = flags.DEFINE_integer(
    "num_templates", 4, "--sharing=mixture, basis, hypernetwork, time_input: how many "
    "templates or functions of time.", lower_bound=1,
)  # fmt: skip
_RANK = flags.DEFINE_integer("rank", 2, "--sharing=low_rank.", lower_bound=0)
_SAME_INIT = flags.DEFINE_bool(
    "same_init", False, "Start all steps from copies of one initialisation."
)
_UNTIE_READOUT = flags.DEFINE_bool(
    "untie_readout", False, "Give the read-out weights of its own at every step too."
)
_HIDDEN = flags.DEFINE_integer("hidden_features", 64, "H.", lower_bound=1)
_LAYERS = flags.DEFINE_integer("num_layers", 1, "RNN layers.", lower_bound=1)
_DROPOUT = common.define_float(
    "dropout", 0.0, "Fraction dropped between layers.", least=0.0, most=0.99
)
_RATE = common.define_float("learning_rate", 3e-3, "Of Adam.", least=1e-12, most=1e3)
_DECAY = common.define_float(
    "weight_decay", 0.0, "Decoupled (AdamW); 0 is plain Adam.", least=0.0, most=1e3
)
_CLIP = common.define_float(
    "clip_norm", 1.0, "Largest norm of a gradient; 0 clips nothing.", least=0.0
)
_STEPS = flags.DEFINE_integer("num_steps", 3_000, "Optimiser steps.", lower_bound=1)
_BATCH = flags.DEFINE_integer("batch_size", 32, "Sequences a step.", lower_bound=1)
_VALIDATE = flags.DEFINE_integer(
    "validate_every", 100, "Steps between validations.", lower_bound=1
)
_PATIENCE = flags.DEFINE_integer(
    "patience", 10, "Validations without a better loss to stop after; 0 never stops.",
    lower_bound=0,
)  # fmt: skip
_SEED = flags.DEFINE_integer(
    "seed", 0, "The first seed.", lower_bound=0, upper_bound=2**31
)
_NUM_SEEDS = flags.DEFINE_integer(
    "num_seeds", 1, "Seeds to train side by side.", lower_bound=1
)
_CHECKPOINTS = common.define_float(
    "checkpoint_every", 30.0, "Seconds between checkpoints in --workdir.", least=0.0
)
_RESTART = flags.DEFINE_bool(
    "restart", False, "Move what --workdir holds aside, and begin anew."
)
_ON_NONFINITE = common.define_choice(
    "on_nonfinite", "stop", ("stop", "skip", "rollback"),
    "Where a number is not finite: that seed stops, skips the step, or goes back to "
    "the last validation and on with other batches.",
)  # fmt: skip
# Where to leave what experiments/lab/run_folder.py lists; nowhere by default.
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")


def make_task(split):
    """Returns the task that the flags name."""
    from rnnshare import tasks

    return {
        "copy_memory": lambda: tasks.CopyMemory(_TASK_STEPS.value),
        "adding": lambda: tasks.Adding(_TASK_STEPS.value),
        "drift": lambda: tasks.drift(split, amount=_DRIFT_AMOUNT.value),
        "japanese_vowels": lambda: tasks.japanese_vowels(split),
        "italy_power_demand": lambda: tasks.italy_power_demand(split),
        "mnist1d": lambda: tasks.mnist1d(split),
        "mnist1d_shuffled": lambda: tasks.mnist1d(split, shuffled=True),
    }[_TASK.value]()


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
        num_segments=_NUM_SEGMENTS.value,
        period=_PERIOD.value,
        num_templates=_NUM_TEMPLATES.value,
        rank=_RANK.value,
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
    )


def main() -> None:
    """Trains, and prints what came of it."""
    common.use_devices()
    import contextlib
    import pathlib

    from experiments.lab import run_folder

    with contextlib.ExitStack() as stack:
        with common.user_errors():
            setting, task = make_setting(), make_task(_SPLIT.value)
            size = setting.num_parameters()
            seeds = range(_SEED.value, _SEED.value + _NUM_SEEDS.value)
            names = {**setting.columns(), "split": _SPLIT.value, "seed": _SEED.value}
            folder = None
            if common.WORKDIR.value:
                names["num_seeds"] = len(seeds)
                path = pathlib.Path(common.WORKDIR.value).expanduser()
                opened = run_folder.opened(path, names, seeds, restart=_RESTART.value)
                folder = stack.enter_context(opened)
                common.keeps(f"{path} is kept up to its last checkpoint")
        what = f"{names['cell']}, {setting.sharing}, {size:,} parameters"
        print(f"{task.name}: {what}", flush=True)
        fitted = _train(setting, task, seeds, folder)
        if folder is not None:
            folder.finish(*fitted)
    _report(fitted, seeds, size)


def _train(setting, task, seeds, folder):
    """Returns what `fit` returns; keeps what it measures in a folder, or nowhere."""
    from statistics import median

    from rnnshare.training import fit, progress

    total, done = setting.recipe.num_steps * len(seeds), {}
    with progress(total, str(setting.sharing)) as update:

        def on_chunk(step, measured):
            for i, row in measured.items():
                done[seeds[i]] = step
                if folder is not None:
                    folder.add(i, step, row)
            loss = median(row["validation_loss"] for row in measured.values())
            update(sum(done.values()), f"validation loss {loss:.4f}")

        return fit(
            setting.make_model(),
            setting.recipe,
            [(task, seed, setting.learning_rate) for seed in seeds],
            per_device=common.PER_DEVICE.value,
            on_chunk=on_chunk,
            checkpoints=None if folder is None else folder.checkpoints,
            checkpoint_every=_CHECKPOINTS.value,
        )


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
    common.run(main)
