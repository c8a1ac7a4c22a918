"""A row says what was trained: what differs has other keys, what is equal has one."""

import copy
import dataclasses
import functools
import inspect
import pickle
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rnnshare
from rnnshare import Cyclic, GRUCell, Tied, Untied, cells, sharing, tasks
from rnnshare.tasks import Adding, Batch, CopyMemory, NextCharacter, drift, drift_stream
from rnnshare.tasks.base import Origin
from rnnshare.tasks.translation import Translation
from rnnshare.training import (
    SCHEMA,
    Call,
    JsonLines,
    Recipe,
    Replicate,
    Setting,
    Truncation,
    describe,
    key_of,
    public_name,
    run,
)
from rnnshare.training.identity import describe_fields

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


# Each field counts. A new field without a variation here fails the test below.

SETS = Batch(np.zeros((2, 3, 1), np.float32), np.zeros(2, np.int32))
OTHER = SETS._replace(targets=np.ones(2, np.int32))
ARRAYS = {"train": OTHER, "validation": OTHER, "test": OTHER, "name": "b"}
ARRAYS |= {"out_features": 3, "sha256": "2", "chance": (0.3, 0.6), "num_tokens": 5}
ARRAY_BASE = (SETS, SETS, SETS, "a", 2, "1", (0.5, 0.7))
STRINGS = {"max_length": 5, "min_length": 2, "num_held_out": 3, "curriculum": 0.5}
DRAWN = {"num_examples": np.int32(6), "seed": np.uint32(1), "num_held_out": 3}
BEYOND = {"num_steps": 5, "beyond": "hold"}
WEIGHTS = np.ones((3, 1, 1), np.float32)
BASES = {
    tasks.Adding: (ADDING, {"num_steps": 7, "num_held_out": 3}),
    tasks.ArrayTask: (tasks.ArrayTask(*ARRAY_BASE), ARRAYS),
    tasks.NextCharacter: (NextCharacter(*ARRAY_BASE), ARRAYS),
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
        | dict.fromkeys(("constant", "amount", "oracle"), np.float32(3)),
    ),
    tasks.DriftTask: (
        tasks.DriftTask(SETS, SETS, SETS, WEIGHTS, *np.float32([2, 1, 2]), "linear"),
        {"train": OTHER, "validation": OTHER, "test": OTHER, "path": "periodic"}
        | {"step_weights": 2 * WEIGHTS}
        | dict.fromkeys(("num_examples", "amount", "oracle"), np.float32(3)),
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
        DRAWN | {"held_out_order": np.zeros(8, np.int32), "num_facts": 2},
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
        | {"keep": "last", "truncation": Truncation(2)},
    ),
}


@pytest.mark.parametrize("cls", BASES, ids=lambda cls: cls.__name__)
def test_every_field_is_in_the_key(cls):
    base, others = BASES[cls]
    assert set(others) == {field.name for field in dataclasses.fields(cls)}
    found = {key_of(base)}
    for name, other in others.items():
        changed = other
        if not isinstance(other, cls):
            changed = dataclasses.replace(base, **{name: other})
        found.add(key_of(changed))
        assert key_of(changed) == key_of(copy.deepcopy(changed))
    assert len(found) == 1 + len(others)


def test_every_task_and_sharing_has_its_variations():
    public = [getattr(module, name) for module in (tasks, sharing)
              for name in module.__all__]  # fmt: skip
    classes = {cls for cls in public if dataclasses.is_dataclass(cls)}
    new = [cls for cls in classes - set(BASES) if not inspect.isabstract(cls)]
    missing = [cls.__name__ for cls in new]
    assert not missing, (
        f"{missing}: add a base and a variation of each field to BASES, and the "
        "defaults to FROZEN, above."
    )


def test_every_field_of_a_setting_is_in_its_key():
    others = {
        "make_task": lambda split: Adding(7, num_held_out=16),
        "cell": rnnshare.LSTMCell,
        "sharing": Untied(6),
        "hidden_features": 5,
        "learning_rate": 2e-2,
        "recipe": dataclasses.replace(RECIPE, num_steps=4),
        "num_layers": 2,
        "readout_sharing": Untied(6),
        "dropout": 0.5,
    }
    assert set(others) == {field.name for field in dataclasses.fields(Setting)}
    changed = [dataclasses.replace(BASE, **{k: v}) for k, v in others.items()]
    found = keys([BASE, *changed])
    found |= keys([BASE], Replicate(1)) | keys([BASE], Replicate(0, 1))
    assert len(found) == len(others) + 3
    assert all(len(key) == 20 and int(key, 16) >= 0 for key in found)


def test_the_options_of_cells_and_optimizers_are_in_the_key():
    cells = [
        *(GRUCell, nnx.GRUCell, rnnshare.LSTMCell, nnx.LSTMCell),
        *(rnnshare.ElmanCell, rnnshare.ElmanCell.irnn),
        functools.partial(rnnshare.ElmanCell, activation=nnx.relu),
        functools.partial(rnnshare.ElmanCell, activation=nnx.tanh),
        functools.partial(rnnshare.HyperLSTMCell, hyper_features=2),
        functools.partial(rnnshare.HyperLSTMCell, hyper_features=3),
    ]
    optimizers = [optax.sgd, optax.adamw, Call(optax.adamw, weight_decay=0.1)]
    optimizers += [
        functools.partial(optax.sgd, *args, **options)
        for args in [(1.0,), (2.0,)]
        for options in [{}, {"momentum": 0.5}]
    ]
    settings = [*map(with_cell, cells), *map(with_optimizer, optimizers)]
    assert len(keys(settings)) == len(cells) + len(optimizers)


# What stands at its default is not in the key, so each default is a part of what the
# kept rows mean. Whoever changes one raises SCHEMA, or gives what changed a new name.

FROZEN = """\
Adding: num_held_out=1000
AffineCell: kernel_init=None recurrent_init=None bias_init=None dtype=None
    param_dtype=float32
ArrayTask: num_tokens=None
Basis: kind='fourier' period=32.0
Composition: num_examples=2147483647 seed=0 num_held_out=500
CopyMemory: num_recalled=10 num_symbols=8 num_held_out=1000
CycleNavigation: min_length=1 num_held_out=1000 curriculum=0.0
Cyclic: same_init=False
Drift: unit=1.0
DriftStream: num_held_out=1000 step_weights=None constant=None amount=None oracle=None
DuplicateString: min_length=1 num_held_out=1000 curriculum=0.0
ElmanCell: activation=tanh
EvenPairs: min_length=1 num_held_out=1000 curriculum=0.0
GRUCell: kernel_init=None recurrent_init=None bias_init=None dtype=None
    param_dtype=float32
HyperLSTMCell: hyper_features=16 embedding_size=4 dtype=None param_dtype=float32
Hypernetwork: embedding_size=4 kind='fourier' period=32.0 num_steps=None
    beyond='error'
LSTMCell: forget_bias=1.0
LagRecall: shortest=1 num_symbols=4 bounds=() num_held_out=200
LocalRule: num_examples=2147483647 seed=0 num_held_out=500 test_steps=None
LowRank: rank=1 base=Tied() beyond='error'
Mixture: num_templates=4 kind='softmax' same_init=True beyond='error'
ModularArithmetic: min_length=1 num_held_out=1000 curriculum=0.0
NextCharacter: num_tokens=None
NoCellPathLSTMCell: forget_bias=1.0
NoHiddenPathLSTMCell: forget_bias=1.0
NoPathLSTMCell: forget_bias=1.0
OddsFirst: min_length=1 num_held_out=1000 curriculum=0.0
PaddedAdding: num_held_out=1000 length=None
PaddedCopyMemory: num_recalled=10 num_symbols=8 num_held_out=1000 wait=None
Parity: min_length=1 num_held_out=1000 curriculum=0.0
Partition: rest=Tied() gates=() label_of=None
RandomLabels: num_held_out=1000 num_steps=8 num_features=4
Recipe: num_steps=2000 batch_size=32 validate_every=100 patience=10 clip_norm=1.0
    optimizer=adam stop_loss=None keep='best' truncation=None
Replicate: split=0
ReverseString: min_length=1 num_held_out=1000 curriculum=0.0
Rotation: num_held_out=1000 dependence=0.0 shuffled=False num_steps=16 offset=0.2
Scaled: base=Tied() beyond='error'
Segments: same_init=False beyond='error'
Setting: hidden_features=64 learning_rate=0.001 recipe=Recipe() num_layers=1
    readout_sharing=Tied() dropout=0.0
SignalPatch: num_held_out=1000 num_steps=8 num_features=8 strength=5.0 label_noise=0.0
StackManipulation: min_length=1 num_held_out=1000 curriculum=0.0
StateMixtureCell: cell=LSTMCell num_templates=4 dtype=None param_dtype=float32
TimeInput: num_functions=8 kind='fourier' period=32.0
Translation: trained_below=10000
Truncation: carry='hand_on'
Untied: same_init=False beyond='error'
WordOrder: num_held_out=1000 held_out_order=None num_facts=1
drift: split=0 amount=0.05 path='random_walk' num_steps=30 num_features=3 num_lags=10
    num_examples=1000 period=5 test_steps=None num_rows=1000
drift_stream: split=0 amount=0.05 num_steps=20 num_features=3 num_lags=5
    num_examples=2147483647 num_held_out=1000
folk_tune_streams: split=0 num_steps=256
folk_tunes: split=0 num_steps=64
italy_power_demand: split=0 validation_fraction=0.2
japanese_vowels: split=0 validation_fraction=0.2
mnist1d: split=0 shuffled=False shuffled_each=False max_translation=None
    validation_fraction=0.2
mnist_rows: split=0 shifted=False validation_fraction=0.2
surnames: split=0 validation_fraction=0.2
"""


def defaults_of(thing):
    """Returns `name=default` of all that has one, of a class or a function."""
    found = {}
    if thing is Replicate:
        found = thing._field_defaults
    elif dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            assert field.default_factory is dataclasses.MISSING
            if field.default is not dataclasses.MISSING:
                found[field.name] = field.default
    else:
        function = thing.__init__ if inspect.isclass(thing) else thing
        for parameter in inspect.signature(function).parameters.values():
            if parameter.default is not parameter.empty:
                found[parameter.name] = parameter.default
    return " ".join(f"{name}={shown(value)}" for name, value in found.items())


def shown(default):
    if dataclasses.is_dataclass(default):
        return f"{type(default).__name__}({describe_fields(default) or ''})"
    return getattr(default, "__name__", repr(default))


def described_classes_and_functions():
    """Returns {name: class or function} of all that a setting is described by."""
    found = {cls.__name__: cls for cls in (*BASES, Setting, Replicate)}
    for name in cells.__all__:
        cls = getattr(cells, name)
        if inspect.isclass(cls) and issubclass(cls, nnx.RNNCellBase):
            found[name] = cls
    for name in tasks.__all__:
        thing = getattr(tasks, name)
        if callable(thing) and not inspect.isclass(thing):
            found[name] = thing
    return found


def test_the_defaults_are_frozen():
    """Nothing that has a default is missing from the table, and no value differs."""
    frozen = dict(
        line.split(": ", 1) for line in FROZEN.replace("\n    ", " ").splitlines()
    )
    found = {
        name: told
        for name, thing in described_classes_and_functions().items()
        if (told := defaults_of(thing))
    }
    assert found == frozen, (
        "A default has changed or is new. A new field with a default is added to the "
        "table. Where a default has changed, kept rows no longer mean what they say: "
        "raise rnnshare.training.SCHEMA as well, or give the thing a new name."
    )


def test_a_new_field_with_a_default_changes_no_key(monkeypatch):
    more = dataclasses.make_dataclass(
        "Recipe", [("warm_up", int, 0)], bases=(Recipe,), frozen=True
    )
    more.__module__ = Recipe.__module__
    same = dataclasses.asdict(RECIPE)
    before = BASE.key(SEEDS[0]), key_of(RECIPE)
    monkeypatch.setattr(rnnshare.training, "Recipe", more)
    monkeypatch.setattr(sys.modules[Recipe.__module__], "Recipe", more)
    assert key_of(more(**same)) == before[1] != key_of(more(**same, warm_up=5))
    monkeypatch.undo()

    wider = dataclasses.make_dataclass(
        "Setting", [("note", str, "")], bases=(Setting,), frozen=True
    )
    wider.__module__ = Setting.__module__
    monkeypatch.setattr(rnnshare.training, "Setting", wider)
    given = {f.name: getattr(BASE, f.name) for f in dataclasses.fields(BASE)}
    assert wider(**given).key(SEEDS[0]) == before[0]
    assert wider(**given, note="a").key(SEEDS[0]) != before[0]


class OtherModel(Setting):
    """As a study makes that trains no RNN."""


def test_a_kind_of_setting_has_keys_of_its_own():
    given = {f.name: getattr(BASE, f.name) for f in dataclasses.fields(BASE)}
    assert OtherModel(**given).key(SEEDS[0]) != BASE.key(SEEDS[0])


# Rows that were taken for others when a row was recognised by its columns.


def test_tasks_of_one_name_have_rows_of_their_own(tmp_path):
    settings = [on(CopyMemory(3, 2, m, 16)) for m in (2, 8)]
    assert len({s.make_task(0).name for s in settings}) == 1
    rows = run(settings, SEEDS, JsonLines(tmp_path / "rows.jsonl"))
    alone = run(settings[:1], SEEDS, JsonLines(tmp_path / "alone.jsonl"))
    assert rows[0] == alone[0]
    assert rows[0]["test_loss"] != rows[1]["test_loss"]
    assert rows[0]["task"] == rows[1]["task"]


def test_other_arrays_under_the_same_name_are_trained_anew(tmp_path):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(2, 8, 3, 1)).astype(np.float32)
    labels = np.arange(8, dtype=np.int32) % 2
    tasks_ = [tasks.ArrayTask(*[Batch(x, labels)] * 3, *ARRAY_BASE[3:]) for x in inputs]
    assert tasks_[0].name == tasks_[1].name
    file = JsonLines(tmp_path / "rows.jsonl")
    losses = [run([on(task)], SEEDS, file)[0]["test_loss"] for task in tasks_]
    assert losses[0] != losses[1]
    assert len(file.rows) == 2
    again = run([on(copy.deepcopy(tasks_[0]))], SEEDS, JsonLines(file.path))
    assert again == file.rows[:1]


def test_sizes_of_a_drift_that_its_name_leaves_out_are_in_the_key():
    options = [
        {},
        *({"num_steps": 25}, {"num_lags": 8}, {"num_features": 2}, {"period": 4}),
        *({"test_steps": 40}, {"num_rows": 1_200}, {"num_examples": 900}),
    ]
    streams = [
        *({}, {"num_steps": 25}, {"num_lags": 4}, {"num_features": 2}),
        *({"num_held_out": 500}, {"num_examples": 9}, {"amount": 0.1}),
    ]
    made = [drift(3, **given) for given in options]
    made += [drift_stream(3, **given) for given in streams]
    assert len({key_of(task) for task in made}) == len(options) + len(streams)


def test_equal_numbers_of_two_kinds_are_one_setting(tmp_path):
    pair = [dataclasses.replace(BASE, sharing=Untied(n)) for n in (6, np.int64(6))]
    assert pair[0] == pair[1]
    assert len(keys(pair)) == 1
    file = JsonLines(tmp_path / "rows.jsonl")
    rows = run(pair, [Replicate(0), Replicate(np.int64(0))], file)
    assert rows == 4 * [file.rows[0]]
    assert len(file.rows) == 1


def test_settings_of_one_key_that_are_not_equal_are_refused(tmp_path):
    file = JsonLines(tmp_path / "rows.jsonl")
    twins = [
        with_optimizer(kind(optax.sgd, momentum=0.5))
        for kind in (Call, Call, functools.partial, functools.partial)
    ]
    text = r"settings 0 and 2 train the same, but are not equal.* Give each once"
    with pytest.raises(ValueError, match=text):
        run([twins[0], BASE, twins[2]], SEEDS, file)
    with pytest.raises(ValueError, match="settings 0 and 1 train the same"):
        run(twins[2:], SEEDS, file)
    assert not file.rows
    rows = run(twins[:2], SEEDS, file)
    assert rows[0] == rows[1]
    assert len(file.rows) == 1


def test_rows_of_another_schema_are_not_read_and_are_told_of(tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    kept = run([BASE], SEEDS, JsonLines(path))
    assert capsys.readouterr().err == ""
    old = kept[0] | {"test_loss": -1.0}
    file = JsonLines(path)
    path.unlink()
    file.rows.clear()
    file.append(old | {"schema": SCHEMA + 1})
    file.append({name: old[name] for name in old if name not in ("schema", "key")})
    for _ in range(2):
        assert run([BASE], SEEDS, file) == kept
    assert capsys.readouterr().err == (
        f"{path}: 2 of 2 rows are not of schema {SCHEMA}, so they are not read, and "
        "what they measured is trained anew.\n"
    )
    assert len(file.rows) == 3


def test_a_row_says_what_it_was_run_with(tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_a=1 --xla_backend_optimization_level=2")
    options = {"xla_backend_optimization_level": "1"}
    rows = run([BASE], SEEDS, JsonLines(tmp_path / "a.jsonl"))
    other = run(
        [BASE], SEEDS, JsonLines(tmp_path / "b.jsonl"), compiler_options=options
    )
    monkeypatch.setenv("XLA_FLAGS", "")
    third = run([BASE], SEEDS, JsonLines(tmp_path / "c.jsonl"))
    assert [r[0]["xla_level"] for r in (rows, other, third)] == [2, 1, None]
    assert rows[0]["key"] == other[0]["key"] == BASE.key(SEEDS[0])
    assert rows[0]["jax"] == jax.__version__
    assert rows[0]["schema"] == SCHEMA
    assert rows[0]["diverged"] is None
    assert {"task", "cell", "sharing", "rnnshare", "num_parameters"} <= set(rows[0])


def test_a_task_is_described_once_however_many_settings_it_has(tmp_path, monkeypatch):
    digests = []
    inside = rnnshare.training.identity._describe_array

    def counted(value):
        digests.append(np.shape(value))
        return inside(value)

    monkeypatch.setattr(rnnshare.training.identity, "_describe_array", counted)
    task = tasks.ArrayTask(*ARRAY_BASE)
    rates = [dataclasses.replace(on(task), learning_rate=r) for r in (0.1, 0.2, 0.3)]
    rates += [dataclasses.replace(s, make_task=lambda split: task) for s in rates]
    found = rnnshare.training.setting.keys_of(rates, [Replicate(0), Replicate(1)])
    assert len({key for of_setting in found for key in of_setting}) == 6
    assert digests.count((2, 3, 1)) == 3


# What cannot be told apart from another is refused by name.


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (
            with_cell(lambda *sizes, rngs: GRUCell(*sizes, rngs=rngs)),
            r"Setting\.cell: <function <lambda> .* has no public name\. Use a function "
            "or class at module level, functools.partial or rnnshare.training.Call",
        ),
        (
            with_optimizer(lambda rate: optax.sgd(rate)),
            r"Setting\.recipe: Recipe\.optimizer: <function <lambda>",
        ),
        (
            with_optimizer(functools.partial(optax.sgd, momentum=object())),
            r"optax\.sgd\.momentum: <object object at .* cannot be described\. Use",
        ),
    ],
)
def test_what_has_no_name_is_refused_before_anything_is_trained(
    setting, text, tmp_path
):
    file = JsonLines(tmp_path / "rows.jsonl")
    with pytest.raises(TypeError, match=text):
        run([BASE, setting], SEEDS, file)
    assert not file.rows


def test_other_things_without_a_name_are_refused():
    class Local:
        pass

    @dataclasses.dataclass
    class Changes:
        number: int = 0

    wrapped = functools.wraps(optax.sgd)(lambda rate: optax.sgd(2 * rate))
    for thing in (Local, wrapped, optax.inject_hyperparams(optax.sgd), max.__call__):
        with pytest.raises(TypeError, match=r"has no public name\. Use a function or"):
            describe(thing)
    for thing in (Local(), {1, 2}):
        with pytest.raises(TypeError, match="cannot be described"):
            describe(thing)
    with pytest.raises(TypeError, match="a dataclass that may change"):
        describe(Changes())
    with pytest.raises(TypeError, match="holds objects, not numbers"):
        describe(np.array([object()]))


# Names.


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (rnnshare.LSTMCell, "rnnshare.LSTMCell"),
        (nnx.LSTMCell, "flax.nnx.LSTMCell"),
        (rnnshare.ElmanCell.irnn, "rnnshare.ElmanCell.irnn"),
        (optax.adam, "optax.adam"),
        (tasks.Parity, "rnnshare.tasks.Parity"),
        (tasks.drift, "rnnshare.tasks.drift"),  # cached
        (jax.jit(optax.adam), "optax.adam"),
        (jnp.tanh, "jax.numpy.tanh"),  # jitted where it is defined
        (Setting, "rnnshare.training.Setting"),
        (dict, "builtins.dict"),
    ],
)
def test_public_names(thing, name):
    assert public_name(thing) == name


def test_moving_a_module_changes_no_key(monkeypatch):
    """What is public goes by the package, wherever in it the class is defined."""
    names = ("rnnshare_moved", "rnnshare_moved.a", "rnnshare_moved.a.b")
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    found = set()
    for home in names[1:]:

        @dataclasses.dataclass(frozen=True)
        class Moved:
            number: int = 0

        Moved.__module__, Moved.__qualname__ = home, "Moved"
        for name in (names[0], home):
            monkeypatch.setattr(sys.modules[name], "Moved", Moved, raising=False)
        found.add((public_name(Moved), key_of(Moved(3))))
    assert len(found) == 1
    assert found.pop()[0] == "rnnshare_moved.Moved"
    monkeypatch.delattr(sys.modules[names[0]], "Moved")
    assert public_name(Moved) == "rnnshare_moved.a.b.Moved"


def test_an_inherited_constructor_goes_by_the_class_it_is_taken_from(monkeypatch):
    class Other(rnnshare.ElmanCell):
        pass

    Other.__qualname__ = "Other"
    monkeypatch.setattr(sys.modules[__name__], "Other", Other, raising=False)
    assert public_name(Other.irnn) == f"{__name__}.Other.irnn"


# Descriptions.


@pytest.mark.parametrize(
    "alike",
    [
        (1, 1.0, np.float32(1), np.int8(1), np.array(1), jnp.float32(1), jnp.int32(1)),
        (0.5, np.float32(0.5), np.float64(0.5), jnp.float32(0.5), np.array(0.5)),
        (0, 0.0, -0.0),
        (True, np.bool_(True), np.array(True)),
        (float("inf"), np.float32("inf")),
        (float("nan"), np.float32("nan")),
        ((1, "a"), [1, "a"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (jnp.float32, np.float32, np.dtype("float32")),
        (np.arange(3), np.arange(6)[::2] // 2, np.arange(3, dtype=">i8")),
        (jnp.arange(3, dtype=jnp.int32), np.arange(3, dtype=np.int32)),
        (Call(optax.sgd, momentum=0.5), functools.partial(optax.sgd, momentum=0.5)),
        (
            functools.partial(Call(optax.sgd, 1.0), momentum=0.5),
            Call(functools.partial(optax.sgd, 1.0), momentum=0.5),
        ),
        (Call(optax.sgd), functools.partial(optax.sgd), optax.sgd, jax.jit(optax.sgd)),
        (tasks.PaddedAdding(6), tasks.PaddedAdding(6, length=6)),
        (drift(0), drift(amount=np.float64(0.05)), drift(split=0, path="random_walk")),
    ],
    ids=lambda alike: repr(alike[0])[:30],
)
def test_what_is_equal_is_described_alike(alike):
    assert len({key_of(value) for value in alike}) == 1


def test_what_differs_is_described_differently():
    different = [
        *(None, True, 1, 1.5, "1", "None", (), {}, "", (1,), ((1,),), {"a": 1}),
        *(float("inf"), float("-inf"), float("nan"), "nan", "optax.sgd", optax.sgd),
        *(jnp.float32, jnp.bfloat16, "float32", float),
        *(np.zeros(2), np.zeros(3), np.zeros((2, 1)), np.zeros(2, np.float32)),
        *(np.ones(2), jnp.ones(2, jnp.bfloat16), jax.random.key(0), jax.random.key(1)),
        *(Call(optax.sgd, 1.0), Call(optax.sgd, momentum=1.0), Untied(2), Cyclic(2)),
        *(tasks.Parity(4), tasks.EvenPairs(4), Replicate(0), Replicate(0, 1)),
        *(ADDING.sample, tasks.Adding(7).sample, ADDING.held_out),
    ]
    assert len({key_of(value) for value in different}) == len(different)


def test_a_description_is_the_same_in_another_process():
    """The digits are part of what kept rows are recognised by."""
    assert describe(drift(2, amount=0.2)) == {
        "made by": "rnnshare.tasks.drift",
        "source": None,
        "kwargs": {"split": 2, "amount": 0.2},
    }
    assert describe(Call(optax.adamw, weight_decay=0.1)) == {
        "call": {"name": "optax.adamw"},
        "args": [],
        "kwargs": {"weight_decay": 0.1},
    }
    assert describe(sharing.LowRank(4, base=Untied(4))) == {
        "class": "rnnshare.LowRank",
        "fields": {
            "num_steps": 4,
            "base": {"class": "rnnshare.Untied", "fields": {"num_steps": 4}},
        },
    }
    zeros = describe(np.zeros(2, np.float32))["array"]
    assert zeros == "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"
    assert BASE.key(SEEDS[0]) == "28c43e0ff48a97d97383"


# Origins of tasks.


def test_a_generated_task_knows_its_call_and_a_changed_one_does_not():
    task = drift(1, amount=0.2, num_rows=20, num_examples=20)
    assert isinstance(task.origin, Origin)
    assert drift(1, amount=0.2, num_rows=20, num_examples=20) is task
    changed = [
        dataclasses.replace(task, path="linear"),
        dataclasses.replace(task),
        jax.tree.map(np.asarray, task),
        jax.tree.map(lambda leaf: leaf + np.ones((), leaf.dtype), task),
    ]
    assert all(other.origin is None for other in changed)
    found = [key_of(task), *map(key_of, changed)]
    assert found[2] == found[3]
    assert len(set(found)) == 4
    structure = jax.tree.structure(task)
    assert structure == jax.tree.structure(changed[1])
    assert hash(structure) == hash(jax.tree.structure(changed[2]))


def test_tasks_of_files_are_told_apart_by_what_was_read():
    task = tasks.italy_power_demand(1)
    assert describe(task)["source"] == task.sha256
    again = tasks.italy_power_demand(split=1, validation_fraction=0.2)
    assert again is task
    made = [tasks.italy_power_demand(), task, tasks.japanese_vowels(1)]
    made += [tasks.italy_power_demand(1, validation_fraction=0.3)]
    assert len(set(map(key_of, made))) == 4
    assert describe(tasks.mnist1d(1, shuffled=True)) == {
        "made by": "rnnshare.tasks.mnist1d",
        "source": None,
        "kwargs": {"split": 1, "shuffled": True},
    }


# Call.


def test_a_call_is_a_partial_that_compares():
    def told(*args, **kwargs):
        return args, kwargs

    call = Call(told, 1, b=2)
    assert call(3, c=4) == ((1, 3), {"b": 2, "c": 4})
    assert call(b=5) == ((1,), {"b": 5})
    assert Call(call, 6, c=7)(8) == ((1, 6, 8), {"b": 2, "c": 7})
    assert call == Call(told, 1, b=2) != Call(told, 1, b=3)
    assert hash(call) == hash(Call(told, 1, b=2))
    assert Call(told, a=1, b=2) == Call(told, b=2, a=1)
    assert call != functools.partial(told, 1, b=2)
    assert Call(told, function=3)() == ((), {"function": 3})


def test_a_call_prints_public_names_and_survives_a_copy():
    call = Call(optax.adamw, weight_decay=0.1)
    assert repr(call) == "Call(optax.adamw, weight_decay=0.1)"
    cell = Call(rnnshare.ElmanCell, activation=nnx.tanh)
    assert repr(cell) == "Call(rnnshare.ElmanCell, activation=jax.numpy.tanh)"
    assert copy.deepcopy(call) == pickle.loads(pickle.dumps(call)) == call
    with pytest.raises(AttributeError, match=r"does not change\. Make another Call"):
        call.func = optax.sgd


def test_what_a_call_cannot_compare_is_refused():
    text = (
        r"Call: sizes is \[1\], which does not hash\. Give a tuple in place of a list"
    )
    with pytest.raises(TypeError, match=text):
        Call(optax.sgd, sizes=[1])
    with pytest.raises(
        TypeError, match=r"Call: argument 0 is \{\}, which does not hash"
    ):
        Call(optax.sgd, {})
    with pytest.raises(TypeError, match="Call: 3 is no function"):
        Call(3)


def test_cells_and_optimizers_may_be_calls(tmp_path):
    cell = Call(rnnshare.ElmanCell, activation=nnx.relu)
    made = dataclasses.replace(with_optimizer(Call(optax.sgd, momentum=0.5)), cell=cell)
    equal = dataclasses.replace(
        made, cell=Call(rnnshare.ElmanCell, activation=nnx.relu)
    )
    assert made.make_model() == equal.make_model()
    rows = run([made, equal], SEEDS, JsonLines(tmp_path / "rows.jsonl"))
    assert rows[0] == rows[1]
    assert rows[0]["optimizer"] == "sgd(momentum=0.5)"
    assert rows[0]["cell"].startswith("ElmanCell(activation=")
