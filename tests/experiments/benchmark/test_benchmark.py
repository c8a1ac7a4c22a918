"""The benchmark: how it times, what the floor holds, and that all of it runs."""

import json

import jax
import pytest

from experiments.benchmark import floors, peers
from experiments.benchmark.report import ratios
from experiments.lab.racing import Contender, geometric_mean, race, summary
from rnnshare import Tied
from tests.experiments.scripts import run as script


def test_a_race_is_interleaved_and_repeats_what_is_short():
    now, order = [0.0], []

    def contender(name, seconds):
        def run():
            order.append(name)
            now[0] += seconds

        return Contender(run)

    field = {"slow": contender("slow", 2.0), "fast": contender("fast", 0.25)}
    times = race(field, rounds=3, least_seconds=1.0, clock=lambda: now[0])
    assert times == {"slow": [2.0] * 3, "fast": [0.25] * 3}
    warm, rounds = order[:4], order[4:]
    assert warm == ["slow", "slow", "fast", "fast"]
    four = ["fast"] * 4
    assert rounds == ["slow", *four, *four, "slow", "slow", *four]
    found = summary(field, {"slow": [3.0, 1.0, 2.0], "fast": [0.25] * 3})
    assert found["slow"]["median_s"] == 2 and found["slow"]["quartiles_s"] == [1.5, 2.5]


def test_ratios_are_of_medians_and_to_the_best_peer():
    def entry(shape, **seconds):
        times = {name.replace("_", " "): {"median_s": s} for name, s in seconds.items()}
        return {"cell": "lstm", "shape": shape, "contenders": times}

    tied = [
        entry((1, 2), rnnshare_auto=1.0, rnnshare_scan=0.5, nnx=4.0, linen=2.0,
              torch=0.1, floor=0.5, floor_in_steps=0.8),
        entry((3, 4), rnnshare_auto=1.0, rnnshare_scan=2.0, nnx=8.0, floor=0.25),
    ]  # fmt: skip
    kept = entry(
        (1, 2), rnnshare_auto=2.0, nnx=4.0, linen=3.0, torch=0.1,
        **{"rnnshare_auto, memory_kept": 1.0, "nnx, memory_kept": 2.0,
           "linen, memory_kept": 2.5, "torch, memory_kept": 0.1},
    )  # fmt: skip
    told = ratios({"tied": tied, "memory": [kept], "untied": []})
    assert told["memory kept, lstm"]["1,2"] == {
        "best JAX peer to auto, as they are": 1.5,
        "the same, memory kept": 2,
        "best JAX peer as it is to auto, memory kept": 3,
        "auto as it is to auto, memory kept": 2,
        "nnx as it is to nnx, memory kept": 2,
    }
    found = told["tied lstm"]
    assert found["shapes"]["1,2"] == {
        "best JAX peer to auto": 2, "auto to the best of ours": 2, "to the floor": 2,
        "to the floor in steps": 1.25,
    }  # fmt: skip
    assert found["geometric mean"] == pytest.approx(4) and found["least"] == 2
    assert geometric_mean([1, 4]) == pytest.approx(2)


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
def test_the_floor_holds_five_products(cell):
    shape = (2, 3, 5, 7)
    batch, steps, features, hidden = shape
    gates = floors.NUM_GATES[cell] * hidden
    rows = batch * steps
    of_hidden, of_inputs = rows * hidden * gates, rows * features * gates
    assert floors.floor_flops(cell, shape) == 2 * (3 * of_hidden + 2 * of_inputs)


@pytest.mark.slow
def test_every_contender_trains_all_it_has():
    """A step of each moves every parameter, and ours have one value of the loss."""
    shape = (2, 3, 4, 5)
    ours = peers.ours("lstm", shape, Tied(), ("auto", "scan"))
    losses = [float(one.run()[0]) for one in ours.values()]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    field = {**ours, **peers.tied_peers("lstm", shape), **peers.untied_peers(shape, 3)}
    assert {"nnx", "linen", "linen stacked", "nnx stacked", "JAX unrolled"} <= set(
        field
    )
    for one in field.values():
        if one.compile_seconds is not None:  # torch returns nothing
            first, params = one.run()
            assert float(first) > 0 and len(jax.tree.leaves(params)) > 1


@pytest.mark.slow
def test_benchmark(tmp_path):
    done = script("benchmark", "--preset=smoke", f"--workdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "benchmark/benchmark.json").read_text())
    assert {entry["cell"] for entry in found["tied"]} == {"lstm", "gru", "elman"}
    for entry in (*found["tied"], *found["untied"]):
        assert all(one["median_s"] > 0 for one in entry["contenders"].values())
    assert {entry["steps"] for entry in found["compile"]} == {2, 4}
    assert "nnx.jit loop" in found["study"]["contenders"]
    assert set(found["ratios"]) >= {
        *("tied lstm", "untied lstm", "memory kept, lstm", "study"),
    }
    page = (tmp_path / "benchmark/benchmark.md").read_text()
    assert "## Train step, untied lstm" in page and "2,6,3,4" in page
    assert (tmp_path / "benchmark/benchmark.png").stat().st_size > 10_000
