"""The flags by which several devices, and several processes, train one model together.

A script imports this, says `processes.declare()` so that --help shows them, and
`processes.connect()` before anything asks JAX for its devices.
"""

import re
from typing import Any

from absl import flags

from experiments.lab import flags as common

flags.disclaim_key_flags()

DEVICES = common.define_integer(
    "devices_per_replica", 1, "Devices that train a seed together, each on its share "
    "of every batch.", most=100_000,
)  # fmt: skip
SPREAD = common.define_bool(
    "spread_steps", False, "Lay the weights of the steps over these devices too, where "
    "each step has its own.",
)  # fmt: skip
COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "Train together with other processes, each started by the "
    "same command: the first one's host:port; 'auto' asks SLURM, or what else started "
    "them, which also says how many there are.",
)  # fmt: skip
NUM_PROCESSES = common.define_integer(
    "num_processes", None, "How many there are.", most=1_000_000,
    only={"coordinator": True},
)  # fmt: skip
PROCESS_ID = common.define_integer(
    "process_id", None, "Which of them this is, from 0 on; 0 alone writes.", least=0,
    most=1_000_000, only={"coordinator": True},
)  # fmt: skip


def declare() -> None:
    """Makes these flags the script's own."""
    for flag in (DEVICES, SPREAD, COORDINATOR, NUM_PROCESSES, PROCESS_ID):
        flags.declare_key_flag(flag.name)


def connect() -> None:
    """Connects this process with the others, if there are to be any.

    Raises:
      ValueError: if the flags do not say which process of how many this is.
    """
    where, count, which = COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value
    if where is None:
        return
    if where == "auto":
        if (count, which) != (None, None):
            raise ValueError(
                "--coordinator=auto finds out how many processes there are. Leave "
                "--num_processes and --process_id out."
            )
        where = None
    elif not re.fullmatch(r"\S+:\d+", where):
        raise ValueError(f"--coordinator={where} is no host:port, and not auto.")
    elif count is None or which is None:
        raise ValueError(
            f"--coordinator={where} needs --num_processes, and the --process_id of "
            "this one."
        )
    elif which >= count:
        raise ValueError(
            f"--process_id={which} is none of --num_processes={count}: they are "
            f"counted from 0 to {count - 1}."
        )
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # Two programs at once on a CPU may meet in another order in each process.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    jax.distributed.initialize(where, count, which)


def wait() -> None:
    """Waits until all processes have come as far as this."""
    from rnnshare.training.processes import agreed

    agreed(0)


def layout() -> dict[str, Any]:
    """Returns how `fit` is to lay replicas over devices."""
    return {
        "per_device": common.PER_DEVICE.value,
        "devices_per_replica": DEVICES.value,
        "spread_steps": SPREAD.value,
    }


def check_layout(task: Any, batch_size: int) -> None:
    """Raises what `fit` would, before anything is made."""
    import jax

    from rnnshare.training.layout import lay_out

    mesh = jax.make_mesh((jax.device_count(),), ("replica",))
    lay_out(mesh, task, batch_size, **layout())
