"""What scripts use of the machine: its devices, its memory, and room for programs."""

import contextlib
import dataclasses
import itertools
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax

from experiments.lab import flags as common
from rnnshare.training import Setting, keep_memory
from rnnshare.unrolling.compiling import LEVEL, short_compilation
from rnnshare.unrolling.memory import host_memory

SCALAR = 4  # bytes of a float32


def use_devices() -> None:
    """Makes the cores of a CPU as many devices, over which replicas are laid.

    Call it before JAX starts its backend. Compiled programs are kept where
    --compilation_cache says, freed memory as --keep_memory.
    """
    use_cache()
    if common.KEEP_MEMORY.value:
        keep_memory()
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)


def has_accelerator() -> bool:
    """Returns whether this machine seems to have a GPU or a TPU; asks no driver."""
    devices = pathlib.Path("/dev")
    return any(any(devices.glob(f"{kind}[0-9]*")) for kind in ("nvidia", "accel"))


def use_cache() -> None:
    """Keeps compiled programs from one run to the next, as --compilation_cache says.

    A folder that cannot be used costs the time to compile, and a warning. It is pruned
    at the start and after every 32 programs that are written. JAX's own bound needs
    another package, and fails from the first entry on whose writer was killed.
    """
    folder = common.CACHE.value
    if folder is None:
        home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = pathlib.Path(home) / "rnnshare"
    if not folder:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Small programs too: a study has many, and each takes a second or more.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    most, written = common.CACHE_SIZE.value * 1e9, itertools.count(1)

    def on_event(event: str, **_: Any) -> None:
        if event.endswith("cache_misses") and next(written) % 32 == 0:
            prune(folder, most)

    prune(folder, most)
    jax.monitoring.register_event_listener(on_event)


def prune(folder: pathlib.Path, most: float) -> None:
    """Removes compiled programs, those first that were not used for longest.

    Args:
      folder: of JAX's cache; nothing else in it is touched.
      most: bytes that may be left.
    """
    found = []
    with contextlib.suppress(OSError):
        for path in folder.glob(f"*-{'[0-9a-f]' * 64}-cache"):
            with contextlib.suppress(OSError):  # another process removed it
                stat = path.stat()
                found.append((max(stat.st_atime, stat.st_mtime), path, stat.st_size))
        total = sum(size for *_, size in found)
        for _, path, size in sorted(found):
            if total <= most:
                break
            path.unlink(missing_ok=True)
            total -= size


def jit_once(function: Callable) -> Callable:
    """Jits what runs in less time than it takes to compile: by XLA's shortest way."""
    shortest = short_compilation() | {LEVEL: "0"}
    on_cpu = jax.default_backend() == "cpu"
    return jax.jit(function, compiler_options=shortest if on_cpu else None)


def layout() -> dict[str, Any]:
    """Returns how replicas are compiled and laid over the devices, for `fit`, `run`.

    Most of a small study on a CPU is compiling.
    """
    parsed = common.flags.FLAGS.is_parsed()  # a notebook or a test has no command line
    options: dict[str, Any] = {"per_device": common.PER_DEVICE.value if parsed else 1}
    if jax.default_backend() == "cpu":
        options["compiler_options"] = short_compilation()
    return options


def require(needed: Mapping[str, float]) -> None:
    """Raises if what is needed at once is more than the machine has.

    Args:
      needed: {what needs it: bytes}, at the least.

    Raises:
      ValueError: with both numbers, and what needs most of it.
    """
    # Of a GPU only where the machine's is too little: asking starts its backend.
    total, there = sum(needed.values()), host_memory()
    if total > there:
        stats = [device.memory_stats() or {} for device in jax.local_devices()]
        there = max(there, sum(each.get("bytes_limit", 0) for each in stats))
    if total > there:
        most = max(needed, key=lambda what: needed[what])
        raise ValueError(
            f"This would take at least {in_words(total)}, most of it {most}; this "
            f"machine has {in_words(there)}. Use smaller numbers."
        )


def in_words(count: float) -> str:
    """Returns bytes as people say them: '3.1 TB'."""
    units = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")
    power = next((i for i in range(6) if count < 1000 ** (i + 1)), 6)
    value = count / 1000**power
    return f"{value:,.{1 if value < 10 else 0}f} {units[power]}"


def of_training(setting: Setting, num_replicas: int) -> dict[str, float]:
    """Returns what a training by Adam needs at the least, for `require`.

    Args:
      setting: what is trained, its numbers as large as they come.
      num_replicas: how often.
    """
    task, batch_size = setting.make_task(0), setting.recipe.batch_size
    one, two = (
        dataclasses.replace(setting, num_layers=count).num_parameters()
        for count in (1, 2)
    )
    size = one + (setting.num_layers - 1) * (two - one)
    held_out = jax.eval_shape(lambda: task.held_out("test")).inputs.shape[0]
    width = task.in_features + setting.hidden_features * setting.num_layers
    kept = max(
        held_out * (task.in_features + setting.hidden_features), batch_size * width
    )
    at_once = min(num_replicas, common.PER_DEVICE.value * jax.device_count())
    return {
        # Of the step before and of the next: themselves, two moments, and the best.
        f"{size:,} parameters": SCALAR * (8 * size * at_once + size * num_replicas),
        "what each step of the sequences leaves": SCALAR
        * at_once
        * task.num_steps
        * kept,
    }
