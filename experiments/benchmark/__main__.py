"""How fast is it? rnnshare against the field's RNN layers, side by side in one run.

Question: how long does a train step take against other libraries and against its matrix
          products alone, tied and untied; a study against a conventional loop; and how
          do compile time and memory grow with T?
Command:  make bench
Time:     20 minutes on 2 quiet cores.
Expect:   fused at least as fast as the best peer at every shape; untied 1.3 times
          faster than a stacked axis in Flax.

Contenders are interleaved round by round; figures are medians, ratios are of medians.
torch is raced where it is installed. On a GPU, cuDNN's LSTM is one of ours.
"""

import json
import platform

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")

CELLS = ("lstm", "gru", "elman")
RACES = ("tied", "untied", "compile", "study")
SHAPES = ((32, 100, 32, 64), (1, 256, 64, 256), (64, 256, 64, 256), (64, 784, 1, 128),
          (16, 500, 64, 512))  # fmt: skip
PLANS = {
    "smoke": {"shapes": ((2, 6, 3, 4),), "rounds": 2, "steps": (2, 4), "study": (2, 4)},
    "quick": {"shapes": SHAPES, "rounds": 7, "steps": (16, 64, 128, 256, 512),
              "study": (8, 300)},
    "full": {"shapes": SHAPES, "rounds": 15, "steps": (16, 64, 128, 256, 512, 1024),
             "study": (8, 300)},
}  # fmt: skip
COMPILE_SHAPE = (8, 16, 32)  # B, D, H
MOST_UNROLLED = 128  # steps of a program unrolled in Python

_RACES = flags.DEFINE_multi_enum("races", RACES, RACES, "Which races to run.")
_CELLS = flags.DEFINE_multi_enum("cells", CELLS, CELLS, "Cells of the tied race.")
_MEMORY = common.define_float(
    "memory_gib",
    12.0,
    "Untied shapes whose weights, gradients and new weights need more are left out.",
    least=0.1,
)


def tied(plan, results):
    """Races tied train steps; adds one entry a cell and shape."""
    from experiments.benchmark import peers
    from rnnshare import Tied

    for cell in _CELLS.value:
        for shape in plan["shapes"]:
            contenders = {
                **peers.ours(cell, shape, Tied(), implementations(cell)),
                **peers.tied_peers(cell, shape),
                "floor": peers.floor(cell, shape),
            }
            yield add(results, "tied", contenders, plan, cell=cell, shape=shape,
                      floor_gflop=peers.floor_flops(cell, shape) / 1e9)  # fmt: skip


def untied(plan, results):
    """Races untied LSTM train steps; adds one entry a shape."""
    from experiments.benchmark import peers
    from rnnshare import LSTMCell, Untied, count_parameters

    for shape in plan["shapes"]:
        _, steps, features, hidden = shape
        sharing = Untied(steps, same_init=True)

        def cell(hidden, rngs, features=features):
            return LSTMCell(features, hidden, rngs=rngs)

        gib = 3 * 4 * count_parameters(cell, sharing, hidden) / 2**30
        if gib > _MEMORY.value:
            print(f"untied {shape}: left out, as it needs {gib:.0f} GiB")
            continue
        contenders = {
            **peers.ours("lstm", shape, sharing, ("auto", "fused", "scan")),
            **peers.untied_peers(shape, MOST_UNROLLED),
        }
        yield add(results, "untied", contenders, plan, cell="lstm", shape=shape)


def compiling(plan, results):
    """Compiles train steps of growing T; adds one entry a T."""
    from experiments.benchmark import peers
    from rnnshare import Tied, Untied

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
    import subprocess
    import sys

    seeds, steps = plan["study"]
    done = subprocess.run(
        [sys.executable, "-m", "experiments.benchmark.study_race", f"--num_seeds={seeds}",
         f"--num_steps={steps}", f"--rounds={plan['rounds']}",
         "--compilation_cache="],  # its first run tells what compiling takes
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
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
    import jax

    on_gpu = jax.default_backend() == "gpu" and cell == "lstm"
    return ("auto", "fused", "scan", *(["cudnn"] if on_gpu else []))


def add(results, race_name, contenders, plan, **entry):
    """Races contenders, adds the entry and returns a line that tells of it."""
    from experiments.lab.racing import race, summary

    times = race(contenders, plan["rounds"])
    found = summary(contenders, times)
    results[race_name].append({**entry, "contenders": found})
    told = ", ".join(f"{n} {1e3 * f['median_s']:.2f} ms" for n, f in found.items())
    return f"{race_name} {entry['cell']} {entry['shape']}: {told}"


def machine():
    """Returns what the figures depend on."""
    import importlib.metadata
    import os

    import jax

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


def main() -> None:
    """Runs the races; writes figures, table and chart after each."""
    plan = PLANS[common.PRESET.value]
    folder = common.workdir("benchmark")
    from experiments.benchmark.report import write

    results = {"machine": machine(), "tied": [], "untied": [], "compile": []}
    races = {"tied": tied, "untied": untied, "compile": compiling, "study": study}
    for name in RACES:
        if name in _RACES.value:
            for line in races[name](plan, results):
                print(line, flush=True)
                write(results, folder)
    print((folder / "benchmark.md").read_text())


if __name__ == "__main__":
    common.run(main)
