"""The races of the benchmark; each adds entries to the results, and tells of them."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys

import jax

from experiments.benchmark import floors, memory_race, peers
from experiments.benchmark.plan import CELLS, COMPILE_SHAPE, MOST_UNROLLED
from experiments.lab.racing import race, summary
from rnnshare import LSTMCell, Tied, Untied, count_parameters


def tied(plan, results, cells=CELLS):
    """Races tied train steps; adds one entry a cell and shape."""
    for cell in cells:
        for shape in plan["shapes"]:
            contenders = {
                **peers.ours(cell, shape, Tied(), implementations(cell)),
                **peers.tied_peers(cell, shape),
                "floor": floors.floor(cell, shape),
                "floor in steps": floors.floor_in_steps(cell, shape),
            }
            yield add(results, "tied", contenders, plan, cell=cell, shape=shape,
                      floor_gflop=floors.floor_flops(cell, shape) / 1e9)  # fmt: skip


def memory(plan, results, cells=CELLS):
    """Races tied train steps with freed memory kept and as the C library has it.

    Each way is a process of its own, and the two take turns round by round.
    """
    with memory_race.processes() as (default, kept):
        for cell in cells:
            for shape in plan["shapes"]:
                contenders = {
                    **default.contenders(cell, shape),
                    **kept.contenders(cell, shape),
                }
                yield add(results, "memory", contenders, plan, cell=cell, shape=shape)


def untied(plan, results, most_gib=12.0):
    """Races untied LSTM train steps; adds one entry a shape that fits into memory."""
    for shape in plan["shapes"]:
        _, steps, features, hidden = shape
        sharing = Untied(steps, same_init=True)

        def cell(hidden, rngs, features=features):
            return LSTMCell(features, hidden, rngs=rngs)

        gib = 3 * 4 * count_parameters(cell, sharing, hidden) / 2**30
        if gib > most_gib:
            print(f"untied {shape}: left out, as it needs {gib:.0f} GiB")
            continue
        contenders = {
            **peers.ours("lstm", shape, sharing, ("auto", "fused", "scan")),
            **peers.untied_peers(shape, MOST_UNROLLED),
        }
        yield add(results, "untied", contenders, plan, cell="lstm", shape=shape)


def compiling(plan, results):
    """Compiles train steps of growing T; adds one entry a T."""
    batch, features, hidden = COMPILE_SHAPE
    for steps in plan["steps"]:
        shape = (batch, steps, features, hidden)
        found = {}
        for name, sharing in [("tied", Tied()), ("untied", Untied(steps))]:
            for key, one in peers.ours("lstm", shape, sharing, ("auto",)).items():
                found[f"{key}, {name}"] = one
        found |= peers.untied_peers(shape, MOST_UNROLLED)
        found["linen"] = peers.linen("lstm", shape)
        seconds = {
            name: one.compile_seconds
            for name, one in found.items()
            if one.compile_seconds is not None
        }
        results["compile"].append({"steps": steps, "seconds": seconds})
        yield f"compile, T = {steps}: " + ", ".join(
            f"{name} {value:.2f} s" for name, value in seconds.items()
        )


def study(plan, results):
    """Runs the study's race in a process of its own, with a device a core."""
    seeds, steps = plan["study"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.benchmark.study_race"),
            f"--num_seeds={seeds}",
            f"--num_steps={steps}",
            f"--rounds={plan['rounds']}",
            "--compilation_cache=",  # its first run tells what compiling takes
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    results["study"] = {
        "num_seeds": seeds,
        "num_steps": steps,
        "contenders": json.loads(done.stdout.splitlines()[-1]),
    }
    yield "study: " + ", ".join(
        f"{name} {found['median_s']:.2f} s"
        for name, found in results["study"]["contenders"].items()
    )


def implementations(cell):
    """Returns ours to race: cuDNN's too where there is a GPU."""
    on_gpu = jax.default_backend() == "gpu" and cell == "lstm"
    return ("auto", "fused", "scan", *(["cudnn"] if on_gpu else []))


def add(results, race_name, contenders, plan, **entry):
    """Races contenders, adds the entry and returns a line that tells of it."""
    times = race(contenders, plan["rounds"])
    found = summary(contenders, times)
    results[race_name].append({**entry, "contenders": found})
    told = ", ".join(f"{n} {1e3 * f['median_s']:.2f} ms" for n, f in found.items())
    return f"{race_name} {entry['cell']} {entry['shape']}: {told}"


def machine():
    """Returns what the figures depend on."""
    names = ("jax", "jaxlib", "flax", "dm-haiku", "equinox", "torch", "numpy")
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    device = jax.devices()[0]
    return {
        "device": device.device_kind,
        "platform": device.platform,
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "versions": versions,
    }
