"""One training step as a compiled program: what it needs, and how to run it.

The step is the training loop's own, `Loop.step`: gradient, clipping, Adam. Its batch is
an argument, so that no time goes into drawing it, and its state is donated, as that of
a training is.
"""

import dataclasses
import functools
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.racing import Contender
from rnnshare import (
    Cyclic,
    ElmanCell,
    GRUCell,
    LowRank,
    LSTMCell,
    Segments,
    Sharing,
    Tied,
    Untied,
)
from rnnshare.loop import Loop, Recipe, Replica, TrainState
from rnnshare.models import Readout
from rnnshare.study import ModelFor
from rnnshare.tasks.base import Batch, Classification, as_pytree

IN_FEATURES, OUT_FEATURES = 16, 2
CELLS = {"Elman": ElmanCell, "GRU": GRUCell, "LSTM": LSTMCell}
FORMS = ("scanned", "unrolled")
_BETWEEN = 4  # templates, or rank, of what lies between tied and untied
_RATE = 1e-4


@as_pytree("inputs", "targets")
@dataclasses.dataclass(frozen=True, eq=False)
class FixedBatch(Classification):
    """A task that is one batch, the same at every step.

    Attributes:
      inputs: float32[B, T, D].
      targets: int32[B].
    """

    inputs: Any
    targets: Any
    name = "fixed_batch"
    in_features = IN_FEATURES
    out_features = OUT_FEATURES

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T."""
        return self.inputs.shape[1]

    def sample(self, key: jax.Array, batch_size: int) -> Batch:  # noqa: D102
        del key, batch_size
        return Batch(self.inputs, self.targets)

    def held_out(self, split: str) -> Batch:  # noqa: D102
        del split
        return Batch(self.inputs, self.targets)


class Unrolled(nnx.Module):
    """The model without a scan: T steps traced one by one by a Python loop.

    Untied it holds a list of T cells, tied a list of one.
    """

    def __init__(self, make_cell: Any, num_cells: int, *, rngs: nnx.Rngs):
        """Draws the weights; `make_cell(rngs=...)` makes a cell."""
        self.cells = nnx.List(make_cell(rngs=rngs) for _ in range(num_cells))
        width = self.cells[0].hidden_features
        self.readout = Readout(width, OUT_FEATURES, rngs=rngs)

    def __call__(
        self, inputs: jax.Array, *, seq_lengths: Any = None, rngs: Any = None
    ) -> jax.Array:
        """Returns the answers [B, O] at the last step of inputs [B, T, D]."""
        del seq_lengths, rngs
        batch, num_steps, features = inputs.shape
        carry = self.cells[0].initialize_carry((batch, features), nnx.Rngs(0))
        for t in range(num_steps):
            cell = self.cells[t % len(self.cells)]
            carry, y = cell(carry, inputs[:, t])
        return self.readout(y[None])[0]


@dataclasses.dataclass(frozen=True)
class UnrolledFor:
    """Makes an `Unrolled`: a factory that hashes and compares, as `ModelFor` is."""

    cell: Any
    hidden_features: int
    num_cells: int

    def __call__(self, *, rngs: nnx.Rngs) -> Unrolled:
        """Draws the model."""
        make = functools.partial(self.cell, IN_FEATURES, self.hidden_features)
        return Unrolled(make, self.num_cells, rngs=rngs)


@dataclasses.dataclass(frozen=True)
class Case:
    """A training step to measure.

    Attributes:
      cell: one of `CELLS`.
      arm: how weights are shared: a name that `sharing_of` knows.
      hidden_features: H.
      batch_size: B.
      num_steps: T.
      form: 'scanned', or 'unrolled': traced step by step in Python.
    """

    cell: str
    arm: str
    hidden_features: int
    batch_size: int
    num_steps: int
    form: str = "scanned"

    def loop(self) -> Loop:
        """Returns the training whose step this is."""
        cell, width = CELLS[self.cell], self.hidden_features
        make: Any
        if self.form == "unrolled":
            count = {"Tied": 1, "Untied": self.num_steps}[self.arm]
            make = UnrolledFor(cell, width, count)
        else:
            make = ModelFor(
                cell=cell,
                hidden_features=width,
                sharing=sharing_of(self.arm, self.num_steps),
                num_layers=1,
                readout_sharing=Tied(),
                dropout=0.0,
                in_features=IN_FEATURES,
                out_features=OUT_FEATURES,
                readout="last",
                num_tokens=None,
            )
        return Loop(make, Recipe(batch_size=self.batch_size))

    def replica(self) -> Replica:
        """Returns the shapes of what the step reads beside its state."""
        shape = self.batch_size, self.num_steps, IN_FEATURES
        struct = jax.ShapeDtypeStruct
        return Replica(
            FixedBatch(
                struct(shape, jnp.float32), struct((self.batch_size,), jnp.int32)
            ),
            struct((), jnp.uint32),
            struct((), jnp.float32),
        )

    def state(self, loop: Loop) -> TrainState:
        """Returns the shapes of the state of the step of its loop.

        The copy of the best parameters, which the loop keeps for early stopping, is no
        part of a step, and left out.
        """
        return jax.eval_shape(
            lambda replica: without_best(loop.init(replica)), self.replica()
        )


def sharing_of(arm: str, num_steps: int) -> Sharing:
    """Returns the sharing of a name, for T steps."""
    return {
        "Tied": lambda: Tied(),
        "Untied": lambda: Untied(num_steps),
        "Segments": lambda: Segments(num_steps, _BETWEEN),
        "Cyclic": lambda: Cyclic(_BETWEEN),
        "LowRank": lambda: LowRank(num_steps, _BETWEEN),
    }[arm]()


def without_best(state: TrainState) -> TrainState:
    """Returns a state that keeps no copy of the best parameters."""
    return state._replace(best_params=())


class Memory(NamedTuple):
    """Bytes of a training step.

    Attributes:
      parameters: of the model.
      optimizer: of Adam's two averages, and its count.
      temporary: what the compiled program needs beside arguments and results at its
        peak, by XLA's analysis: activations and gradients, which share their places.
      total: arguments (parameters, optimiser, batch), results that have no place of an
        argument's, and temporary.
    """

    parameters: int
    optimizer: int
    temporary: int
    total: int

    @property
    def stored(self) -> int:
        """What stays between two steps: parameters and optimiser."""
        return self.parameters + self.optimizer


def bytes_of(tree: Any) -> int:
    """Returns the bytes of a pytree of arrays or their shapes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def stored_bytes(case: Case) -> tuple[int, int]:
    """Returns the bytes of parameters and of the optimiser; compiles nothing."""
    state = case.state(case.loop())
    return bytes_of(state.params), bytes_of(state.optimizer_state)


class Compiled(NamedTuple):
    """A compiled step.

    Attributes:
      program: takes and returns what `Loop.step` does; the state is donated.
      seconds: of lowering and compiling.
      memory: what it needs.
      state: the shapes of its state.
    """

    program: Any
    seconds: float
    memory: Memory
    state: TrainState


def compile_step(case: Case, options: dict[str, str] | None = None) -> Compiled:
    """Compiles a step from shapes alone.

    Nothing of the size of a weight is allocated, so T may be as large as one likes.

    Args:
      case: what to compile.
      options: of XLA.
    """
    loop, replica = case.loop(), case.replica()
    state = case.state(loop)
    jitted = jax.jit(loop.step, donate_argnums=1, compiler_options=options)
    began = time.perf_counter()
    program = jitted.lower(replica, state).compile()
    seconds = time.perf_counter() - began
    found: Any = program.memory_analysis()
    total = (
        found.argument_size_in_bytes
        + found.output_size_in_bytes
        - found.alias_size_in_bytes
        + found.temp_size_in_bytes
    )
    memory = Memory(
        bytes_of(state.params),
        bytes_of(state.optimizer_state),
        found.temp_size_in_bytes,
        total,
    )
    return Compiled(program, seconds, memory, state)


def memory_of(case: Case) -> Memory:
    """Returns a step's `Memory`, compiled without what takes time and changes none."""
    fast = {"xla_backend_optimization_level": "0"}
    on_cpu = jax.default_backend() == "cpu"
    return compile_step(case, fast if on_cpu else None).memory


def contender(case: Case) -> tuple[Contender, Memory]:
    """Returns a step to be raced, which trains on at each run, and its `Memory`.

    Parameters and batch are drawn by NumPy: the time does not depend on their values.
    """
    compiled = compile_step(case)
    rng = np.random.default_rng(0)

    def draw(shape: jax.ShapeDtypeStruct) -> jax.Array:
        values = 0.1 * rng.standard_normal(shape.shape, np.float32)
        return jnp.array(values, shape.dtype)

    zeros = jax.tree.map(
        lambda x: jnp.array(np.zeros(x.shape, x.dtype)), compiled.state
    )
    held = [zeros._replace(params=jax.tree.map(draw, compiled.state.params))]
    targets = rng.integers(0, OUT_FEATURES, case.batch_size)
    task = FixedBatch(
        draw(case.replica().task.inputs), jnp.array(targets, jnp.int32)
    )
    replica = Replica(task, jnp.uint32(0), jnp.float32(_RATE))

    def run() -> None:
        held[0], loss = compiled.program(replica, held[0])
        jax.block_until_ready((held[0], loss))

    seconds, memory = compiled.seconds, compiled.memory
    return Contender(run, seconds, memory.temporary / 2**20), memory
