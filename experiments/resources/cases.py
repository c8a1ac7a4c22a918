"""The training steps that the resource ledger measures: a case, and its loop.

The step is the training loop's own, `Loop.step`: gradient, clipping, Adam. Its batch is
an argument, so that no time goes into drawing it.

Shape letters: B batch, T time, D input features, H hidden features, O outputs.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from experiments.lab.choices import SHARINGS, cells, sharing_of
from rnnshare import Sharing, Tied
from rnnshare.models.sequence_model import Readout
from rnnshare.tasks.base import Batch, Classification, as_pytree
from rnnshare.training import Loop, ModelFor, Recipe, Replica, TrainState

IN_FEATURES, OUT_FEATURES = 16, 2
_BETWEEN = 4  # templates, or rank, of what lies between tied and untied
_FLAGS = {name.replace("_", ""): name for name in SHARINGS}


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
      cell: a name of the registry.
      arm: how weights are shared: the name of a sharing's class.
      hidden_features: H.
      batch_size: B.
      num_steps: T.
      optimizer: 'adam' or 'sgd'.
      form: 'scanned', or 'unrolled': traced step by step in Python.
    """

    cell: str
    arm: str
    hidden_features: int
    batch_size: int
    num_steps: int
    optimizer: str = "adam"
    form: str = "scanned"

    def sharing(self) -> Sharing:
        """Returns the sharing of the arm, for T steps."""
        flag = _FLAGS[self.arm.lower()]
        return sharing_of(flag, self.num_steps, rank=_BETWEEN)

    def loop(self) -> Loop:
        """Returns the training whose step this is."""
        cell, width = cells()[self.cell], self.hidden_features
        make: Any
        if self.form == "unrolled":
            count = {"Tied": 1, "Untied": self.num_steps}[self.arm]
            make = UnrolledFor(cell, width, count)
        else:
            make = ModelFor(
                cell=cell,
                hidden_features=width,
                sharing=self.sharing(),
                num_layers=1,
                readout_sharing=Tied(),
                dropout=0.0,
                in_features=IN_FEATURES,
                out_features=OUT_FEATURES,
                readout="last",
                num_tokens=None,
            )
        optimizer = {"adam": optax.adam, "sgd": optax.sgd}[self.optimizer]
        return Loop(make, Recipe(batch_size=self.batch_size, optimizer=optimizer))

    def replica(self) -> Replica:
        """Returns the shapes of what the step reads beside its state."""
        shape = self.batch_size, self.num_steps, IN_FEATURES
        struct: Any = jax.ShapeDtypeStruct
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


def without_best(state: TrainState) -> TrainState:
    """Returns a state that keeps no copy of the best parameters."""
    return state._replace(best_params=())
