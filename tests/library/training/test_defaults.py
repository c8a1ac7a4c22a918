"""The defaults of all that a setting is described by are frozen."""

import dataclasses
import inspect

from flax import nnx

from rnnshare import cells, tasks
from rnnshare.training import Replicate, Setting
from rnnshare.training.identity import describe_fields
from tests.library.training.identity_cases import BASES

# What stands at its default is not in the key, so each default is a part of what the
# kept rows mean. Whoever changes one raises SCHEMA, or gives what changed a new name.

FROZEN = """\
Adding: num_held_out=1000
AffineCell: kernel_init=None recurrent_init=None bias_init=None dtype=None
    param_dtype=float32
ArrayRegression: readout='last' num_tokens=None
ArrayTask: num_tokens=None
Basis: kind='fourier' period=32.0
Composition: num_examples=2147483647 seed=0 num_held_out=500
CopyMemory: num_recalled=10 num_symbols=8 num_held_out=1000
CycleNavigation: min_length=1 num_held_out=1000 curriculum=0.0
Cyclic: same_init=False
Drift: unit=1.0
DriftStream: num_held_out=1000 step_weights=None constant=None amount=None oracle=None
    noise=None
DriftTask: noise=None
DuplicateString: min_length=1 num_held_out=1000 curriculum=0.0
ElmanCell: activation=tanh
EvenPairs: min_length=1 num_held_out=1000 curriculum=0.0
GRUCell: kernel_init=None recurrent_init=None bias_init=None dtype=None
    param_dtype=float32
HyperLSTMCell: hyper_features=16 embedding_size=4 dtype=None param_dtype=float32
Hypernetwork: embedding_size=4 kind='fourier' period=32.0 num_steps=None
    beyond='error'
LRUCell: min_radius=0.0 max_radius=1.0 max_phase=6.283185307179586 dtype=None
    param_dtype=float32
LSTMCell: forget_bias=1.0
LagRecall: shortest=1 num_symbols=4 bounds=() num_held_out=200
LinearCell: kernel_init=None bias_init=None dtype=None param_dtype=float32
LocalRule: num_examples=2147483647 seed=0 num_held_out=500 test_steps=None
LowRank: rank=1 base=Tied() beyond='error'
MinGRUCell: kernel_init=None bias_init=None dtype=None param_dtype=float32
MinLSTMCell: kernel_init=None bias_init=None dtype=None param_dtype=float32
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
    optimizer=adam stop_loss=None keep='best' truncation=None on_nonfinite='stop'
Replicate: split=0
ReverseString: min_length=1 num_held_out=1000 curriculum=0.0
Rotation: num_held_out=1000 dependence=0.0 shuffled=False num_steps=16 offset=0.2
Scaled: base=Tied() beyond='error'
Schedule: same_init=False beyond='error'
Segments: same_init=False beyond='error'
Setting: hidden_features=64 learning_rate=0.001 recipe=Recipe() num_layers=1
    readout_sharing=Tied() dropout=0.0 remat=False
SignalPatch: num_held_out=1000 num_steps=8 num_features=8 strength=5.0 label_noise=0.0
StackManipulation: min_length=1 num_held_out=1000 curriculum=0.0
StateMixtureCell: cell=LSTMCell num_templates=4 dtype=None param_dtype=float32
StepClassification: num_tokens=None
TimeInput: num_functions=8 kind='fourier' period=32.0
Translation: trained_below=10000
Truncation: carry='hand_on'
Untied: same_init=False beyond='error'
WordOrder: num_held_out=1000 num_facts=1 one_hot=False
digits: split=0 shuffled=False shuffled_each=False validation_fraction=0.2
drift: split=0 amount=0.05 path='random_walk' num_steps=30 num_features=3 num_lags=10
    num_examples=1000 period=5 test_steps=None num_rows=1000 noise=0.0
drift_stream: split=0 amount=0.05 num_steps=20 num_features=3 num_lags=5
    num_examples=2147483647 num_held_out=1000 noise=0.0
folk_tune_streams: split=0 num_steps=256
folk_tunes: split=0 num_steps=64
from_arrays: lengths=None groups=None readout='last' split_by='random'
    validation_fraction=0.2 test_fraction=0.2 name='arrays'
italy_power_demand: split=0 validation_fraction=0.2
japanese_vowels: split=0 validation_fraction=0.2
mnist1d: split=0 shuffled=False shuffled_each=False max_translation=None
    validation_fraction=0.2
mnist_rows: split=0 shifted=False validation_fraction=0.2
outlines: split=0 name='ArrowHead' validation_fraction=0.2
pedestrians: split=0 num_examples=4000
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
