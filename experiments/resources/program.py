"""A training step as a compiled program: its memory, and how to run it.

Its state is donated, as that of a training is.
"""

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lab.racing import Contender
from experiments.resources.cases import OUT_FEATURES, Case, FixedBatch
from rnnshare.training.loop import Replica, TrainState
from rnnshare.unrolling.compiling import LEVEL

_RATE = 1e-4


class Memory(NamedTuple):
    """Bytes of a training step.

    Attributes:
      parameters: of the model.
      optimizer: of Adam's two averages, and its count; nothing of SGD.
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
    fast = {LEVEL: "0"}
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
    task = FixedBatch(draw(case.replica().task.inputs), jnp.array(targets, jnp.int32))
    replica = Replica(task, jnp.uint32(0), jnp.float32(_RATE))

    def run() -> None:
        held[0], loss = compiled.program(replica, held[0])
        jax.block_until_ready((held[0], loss))

    memory = compiled.memory
    return Contender(run, compiled.seconds, memory.temporary), memory
