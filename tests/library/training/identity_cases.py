"""The settings of the tests of keys, and of each field another value."""

import dataclasses

import numpy as np
import optax

from rnnshare import Cyclic, GRUCell, Tied, Untied, sharing, tasks
from rnnshare.tasks import Adding, Batch, CopyMemory, NextCharacter
from rnnshare.tasks.translation import Translation
from rnnshare.training import Recipe, Replicate, Setting, Truncation

ADDING = Adding(6, num_held_out=16)
RECIPE = Recipe(num_steps=2, batch_size=4, validate_every=2)
SEEDS = [Replicate(0)]


def adding(split):
    del split
    return ADDING


def label_of(path):
    return path[0]


BASE = Setting(adding, GRUCell, Tied(), 4, 1e-2, RECIPE)


def keys(settings, replicate=SEEDS[0]):
    return {setting.key(replicate) for setting in settings}


def with_cell(cell):
    return dataclasses.replace(BASE, cell=cell)


def with_optimizer(optimizer):
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer)
    return dataclasses.replace(BASE, recipe=recipe)


def on(task):
    return dataclasses.replace(BASE, make_task=lambda split: task)


# Each field counts. A new field without a variation here fails a test of keys.

SETS = Batch(np.zeros((2, 3, 1), np.float32), np.zeros(2, np.int32))
OTHER = SETS._replace(targets=np.ones(2, np.int32))
ARRAYS = {"train": OTHER, "validation": OTHER, "test": OTHER, "name": "b"}
ARRAYS |= {"out_features": 3, "sha256": "2", "chance": (0.3, 0.6), "num_tokens": 5}
ARRAY_BASE = (SETS, SETS, SETS, "a", 2, "1", (0.5, 0.7))
SPLITS = ("train", "validation", "test")
STRINGS = {"max_length": 5, "min_length": 2, "num_held_out": 3, "curriculum": 0.5}
DRAWN = {"num_examples": np.int32(6), "seed": np.uint32(1), "num_held_out": 3}
BEYOND = {"num_steps": 5, "beyond": "hold"}
WEIGHTS = np.ones((3, 1, 1), np.float32)
BASES = {
    tasks.Adding: (ADDING, {"num_steps": 7, "num_held_out": 3}),
    tasks.ArrayTask: (tasks.ArrayTask(*ARRAY_BASE), ARRAYS),
    tasks.NextCharacter: (NextCharacter(*ARRAY_BASE), ARRAYS),
    tasks.Arrays: (
        tasks.Arrays(
            *(SETS.inputs, SETS.targets, np.ones(2, np.int32), None, None),
            *("a", "last", "random", (0.2, 0.2), "1"),
        ),
        {"inputs": OTHER.targets, "targets": OTHER.targets, "lengths": OTHER.inputs}
        | {"groups": OTHER.targets, "classes": ("x", "y"), "name": "b"}
        | {"readout": "every", "split_by": "time", "fractions": (0.1, 0.2)}
        | {"sha256": "2"},
    ),
    tasks.StepClassification: (tasks.StepClassification(*ARRAY_BASE), ARRAYS),
    tasks.ArrayRegression: (
        tasks.ArrayRegression(SETS, SETS, SETS, np.ones(1), "a", 1, "1"),
        {name: ARRAYS[name] for name in (*SPLITS, "name", "sha256", "num_tokens")}
        | {"scale": np.zeros(1), "out_features": 2, "readout": "every"},
    ),
    tasks.Forecast: (
        tasks.Forecast(SETS, SETS, SETS, "a", "1"),
        {name: ARRAYS[name] for name in (*SPLITS, "name", "sha256")},
    ),
    tasks.Composition: (
        tasks.Composition.of(3, 2, 2),
        DRAWN | {"moves": np.zeros((3, 2, 2), np.int32)},
    ),
    tasks.CopyMemory: (
        CopyMemory(3),
        {"num_blanks": 4, "num_recalled": 2, "num_symbols": 2, "num_held_out": 3},
    ),
    tasks.PaddedCopyMemory: (
        tasks.PaddedCopyMemory(3),
        {"num_blanks": 4, "num_recalled": 2, "num_symbols": 2, "num_held_out": 3}
        | {"wait": 2},
    ),
    tasks.PaddedAdding: (
        tasks.PaddedAdding(6),
        {"num_steps": 7, "num_held_out": 3, "length": 4},
    ),
    tasks.DriftStream: (
        tasks.DriftStream(5, 0, 2, WEIGHTS, *np.float32([0, 1, 2])),
        DRAWN
        | {"step_weights": 2 * WEIGHTS}
        | dict.fromkeys(("constant", "amount", "oracle", "noise"), np.float32(3)),
    ),
    tasks.DriftTask: (
        tasks.DriftTask(SETS, SETS, SETS, WEIGHTS, *np.float32([2, 1, 2]), "linear"),
        {"train": OTHER, "validation": OTHER, "test": OTHER, "path": "periodic"}
        | {"step_weights": 2 * WEIGHTS}
        | dict.fromkeys(("num_examples", "amount", "oracle", "noise"), np.float32(3)),
    ),
    tasks.LagRecall: (
        tasks.LagRecall(12, 3),
        {"num_steps": 14, "longest": 4, "shortest": 2, "num_symbols": 3}
        | {"bounds": (1, 2), "num_held_out": 3},
    ),
    tasks.LocalRule: (
        tasks.LocalRule.of(4),
        DRAWN | {"shown": np.ones(4, bool), "test_steps": 6},
    ),
    tasks.RandomLabels: (
        tasks.RandomLabels(5, 0),
        DRAWN | {"num_steps": 3, "num_features": 2},
    ),
    tasks.RandomString: (
        tasks.RandomString(np.zeros(3, np.int32), np.int32(2)),
        {"bits": np.ones(3, np.int32), "length": np.int32(3)},
    ),
    tasks.Rotation: (
        tasks.Rotation(5, 0),
        DRAWN | {"dependence": 0.5, "shuffled": True, "num_steps": 3, "offset": 0.1},
    ),
    tasks.SignalPatch: (
        tasks.SignalPatch(5, 0),
        DRAWN
        | {"num_steps": 3, "num_features": 2, "strength": 1.0, "label_noise": 0.1},
    ),
    tasks.WordOrder: (
        tasks.WordOrder.of(5),
        DRAWN
        | {"held_out_order": np.zeros(8, np.int32), "num_facts": 2, "one_hot": True},
    ),
    Translation: (
        Translation(SETS, SETS, SETS, np.int32(0)),
        {"train": OTHER, "validation": OTHER, "test": OTHER, "language": np.int32(1)}
        | {"trained_below": 1_000},
    ),
    **{cls: (cls(4), STRINGS) for cls in (*tasks.REGULAR, *tasks.NON_REGULAR)},
    sharing.Tied: (Tied(), {}),
    sharing.Untied: (Untied(4), BEYOND | {"same_init": True}),
    sharing.Segments: (
        sharing.Segments(4, 2),
        BEYOND | {"num_segments": 3, "same_init": True},
    ),
    sharing.Cyclic: (Cyclic(2), {"period": 3, "same_init": True}),
    sharing.Schedule: (
        sharing.Schedule((0, 1)),
        {"indices": (1, 0), "same_init": True, "beyond": "hold"},
    ),
    sharing.Mixture: (
        sharing.Mixture(4),
        BEYOND | {"num_templates": 3, "kind": "free", "same_init": False},
    ),
    sharing.Basis: (
        sharing.Basis(5),
        {"num_functions": 7, "kind": "chebyshev", "period": 8.0},
    ),
    sharing.Drift: (sharing.Drift(), {"unit": 2.0}),
    sharing.Hypernetwork: (
        sharing.Hypernetwork(4, "learned", num_steps=4),
        BEYOND
        | {"embedding_size": 2, "period": 8.0}
        | {"kind": sharing.Hypernetwork()},
    ),
    sharing.LowRank: (sharing.LowRank(4), BEYOND | {"rank": 2, "base": Cyclic(2)}),
    sharing.Scaled: (sharing.Scaled(4), BEYOND | {"base": Cyclic(2)}),
    sharing.TimeInput: (
        sharing.TimeInput(),
        {"num_functions": 4, "kind": "chebyshev", "period": 8.0},
    ),
    sharing.Partition: (
        sharing.Partition({"bias": Untied(4)}),
        {"parts": {"bias": Untied(5)}, "rest": Cyclic(2), "gates": ("f", "i")}
        | {"label_of": label_of},
    ),
    Truncation: (Truncation(2), {"window": 3, "carry": "reset"}),
    Recipe: (
        RECIPE,
        {"num_steps": 4, "batch_size": 5, "validate_every": 1, "patience": None}
        | {"clip_norm": None, "optimizer": optax.sgd, "stop_loss": 0.1}
        | {"keep": "last", "truncation": Truncation(2), "on_nonfinite": "skip"},
    ),
}
