"""Reading (i) of C2: random untied networks, and the tied ones they compile to."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.lab.machine import jit_once
from rnnshare import ElmanCell, GRUCell, LSTMCell, Untied, num_parameters, unroll
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.machines.clock import compile_with_clock
from rnnshare.models.rnn import step_of

BATCH = 8  # sequences, standard normal, that each network is run on


class Case(NamedTuple):
    """Untied networks of one shape, whose weights are random."""

    cell: Any
    num_steps: int
    hidden_features: int
    in_features: int

    @property
    def name(self):
        """The cell and the shape."""
        return (
            f"{self.cell.__name__}, T = {self.num_steps}, H = {self.hidden_features}, "
            f"D = {self.in_features}"
        )

    @property
    def make_cell(self):
        """Makes its cell."""
        return functools.partial(self.cell, self.in_features, self.hidden_features)


CASES = (
    Case(ElmanCell, 3, 5, 1),
    Case(ElmanCell, 16, 3, 2),
    Case(LSTMCell, 4, 4, 3),
    Case(LSTMCell, 12, 2, 1),
    Case(GRUCell, 5, 3, 2),
    Case(GRUCell, 10, 2, 4),
)


class Compiled(NamedTuple):
    """What came of the networks of a case.

    Attributes:
      errors: [S], the largest difference of an output.
      gradient_errors: [S], of a derivative of the outputs' sines by the inputs.
      units: of an untied network (H) and of the tied one.
      parameters: of an untied network, the tied one's, and those that are not 0.
    """

    errors: list[float]
    gradient_errors: list[float]
    units: tuple[int, int]
    parameters: tuple[int, int, int]


def draw_networks(case, count, seed=0):
    """Draws `count` networks and inputs of a case; returns stored weights and inputs.

    Kernels are normal with the variance 1 / fan-in, as fades or explodes little; biases
    and inputs are standard normal.
    """
    rng = np.random.default_rng(seed)

    def init_cell(key):
        return pure_params(case.make_cell(rngs=nnx.Rngs(key)))

    def draw(path, shape):
        kernel = path[-1].key == "kernel"
        scale = shape.shape[-2] ** -0.5 if kernel else 1.0
        return (scale * rng.normal(size=(count, *shape.shape))).astype(np.float32)

    sharing = Untied(case.num_steps)
    shapes = jax.eval_shape(lambda: sharing.init(jax.random.key(0), init_cell))
    inputs = rng.normal(size=(count, case.num_steps, BATCH, case.in_features))
    return jax.tree.map_with_path(draw, shapes), inputs.astype(np.float32)


def compile_networks(case, count, seed=0):
    """Draws `count` networks of a case and compiles them; returns a `Compiled`."""
    blueprint, sharing = Blueprint.of(case.make_cell), Untied(case.num_steps)
    step = step_of(blueprint)

    def compare(stored, inputs):
        """Returns how far outputs and slopes are apart, and the compiled network."""
        compiled = compile_with_clock(case.make_cell, sharing, stored)
        carry = blueprint.bind().initialize_carry(inputs.shape[1:])

        def run(inputs):
            return unroll(step, sharing, stored, inputs, carry)[1]

        def with_slopes(run):
            outputs, pull = jax.vjp(run, inputs)
            return outputs, pull(jnp.cos(outputs))[0]

        pair = with_slopes(run), with_slopes(compiled.run)
        return jax.tree.map(lambda a, b: jnp.max(jnp.abs(a - b)), *pair), compiled

    stored, inputs = draw_networks(case, count, seed)
    (errors, slopes), compiled = jax.device_get(
        jit_once(jax.vmap(compare))(stored, inputs)
    )
    first = jax.tree.map(lambda x: x[0], compiled)
    return Compiled(
        errors.tolist(),
        slopes.tolist(),
        (case.hidden_features, first.num_units),
        (num_parameters(stored) // count, first.num_parameters, first.num_nonzero()),
    )
