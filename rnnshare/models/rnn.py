"""`RNN`: a Flax layer, built from a cell's factory and a sharing."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare.cells.affine import AffineStep
from rnnshare.cells.blueprint import Blueprint
from rnnshare.cells.described import OneLine, describe
from rnnshare.cells.holding import load, params_of, stored_of
from rnnshare.cells.initialising import cell_init, init_stored
from rnnshare.sharing.base import Sharing, Stored
from rnnshare.sharing.templates import Tied
from rnnshare.unrolling.padding import check_lengths, flip_real
from rnnshare.unrolling.scan import unroll

Carry = Any
MakeCell = Callable[..., nnx.RNNCellBase]


class RNN(OneLine):
    """Runs a cell over time under a sharing; called as `flax.nnx.RNN` is.

    `self.weights` holds the stored pytree as `nnx.Param` leaves, or as what the cell's
    parameters are where it has subclasses or metadata, so `nnx.split`, filters and
    optax work as on any module; `self.stored` is the same as plain arrays, which
    `unroll` and `expand` take, and which may be assigned. Under `Tied` its structure is
    that of `nnx.to_pure_dict(nnx.state(cell, nnx.Param))`.

    Dtypes: a cell with `dtype=None` computes in the dtype of floating inputs, carries
    and outputs included (bfloat16 in, bfloat16 out); its stored weights, and so their
    gradients, keep their own. A cell with a dtype computes in that.

        rnn = RNN(functools.partial(LSTMCell, 12, 64), Untied(28), rngs=nnx.Rngs(0))
    """

    def __init__(
        self,
        make_cell: MakeCell,
        sharing: Sharing = Tied(),
        *,
        rngs: nnx.Rngs,
        remat: bool = False,
        unroll: int = 1,
        implementation: str = "auto",
    ):
        """Draws the weights.

        Args:
          make_cell: `make_cell(rngs=...)` returns any `nnx.RNNCellBase` that holds
            parameters only. For a class, or a `functools.partial` of one, equal layers
            share the program that draws them.
          sharing: how the weights of the steps come from the stored ones.
          rngs: the draws take `rngs.params()`.
          remat: recompute each step in the backward pass; see `unroll`.
          unroll: steps in one iteration of the loop; see `unroll`.
          implementation: 'auto', 'scan', 'fused' or 'cudnn'; see `unroll`.

        Raises:
          TypeError: if the sharing is none, or make_cell makes no cell.
          ValueError: if the cell holds state other than parameters.
        """
        if not isinstance(sharing, Sharing):
            raise TypeError(
                f"sharing is {sharing!r}. Use a Sharing, such as Tied() or "
                "Untied(num_steps=28)."
            )
        blueprint = Blueprint.of(make_cell)
        if not isinstance(blueprint.bind(), nnx.RNNCellBase):
            raise TypeError(
                "make_cell must return an nnx.RNNCellBase, but it returned a "
                f"{type(blueprint.bind()).__name__}. Pass a factory, as in "
                "functools.partial(LSTMCell, in_features, hidden_features)."
            )
        self.cell = nnx.static(blueprint)
        self.sharing = nnx.static(sharing)
        self.remat = remat
        self.unroll = unroll
        self.implementation = implementation
        stored = init_stored(sharing, cell_init(make_cell), rngs.params())
        self.weights = params_of(stored, blueprint.variables())

    @property
    def stored(self) -> Stored:
        """The stored pytree as plain arrays."""
        return stored_of(self.weights)

    @stored.setter
    def stored(self, stored: Stored) -> None:
        self.load(stored)

    def __setattr__(self, name: str, value: Any) -> None:
        """Assigns; `stored` by its property, where Flax would make an attribute."""
        if name == "stored":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def load(self, stored: Stored) -> None:
        """Puts plain arrays into the layer's parameters; nothing, if one does not fit.

            untied.load(convert(tied.stored, tied.sharing, untied.sharing))

        Args:
          stored: as `self.stored` is: its structure, shapes and dtypes. Arrays of
            NumPy are copied.

        Raises:
          ValueError: if a leaf is missing, or one too many, or has another shape.
          TypeError: if a leaf is no array, or has another dtype.
        """
        load(self.weights, stored)

    def shown_parts(self) -> list[str]:
        """Returns cell, sharing, and the options that are not at their default."""
        options = {"remat": False, "unroll": 1, "implementation": "auto"}
        return [
            describe(self.cell.bind()),
            repr(self.sharing),
            *(
                f"{name}={getattr(self, name)!r}"
                for name, default in options.items()
                if getattr(self, name) != default
            ),
        ]

    def __call__(
        self,
        inputs: jax.Array,
        *,
        initial_carry: Carry | None = None,
        seq_lengths: Any = None,
        return_carry: bool = False,
        time_major: bool = False,
        reverse: bool = False,
        keep_order: bool = False,
        start: int | jax.Array = 0,
        num_steps: int | None = None,
        rngs: Any = None,
    ) -> Any:
        """Runs the cell over the inputs.

        Args:
          inputs: [*B, T, D], or [T, *B, D] if time_major.
          initial_carry: what the cell's `initialize_carry` returns, of [*B, H] leaves;
            that by default.
          seq_lengths: int[*B] (or one integer), the real steps of each sequence; after
            them the carry is frozen and outputs are zero.
          return_carry: return the final carry as well.
          time_major: time is axis 0 of inputs and outputs.
          reverse: run each sequence from its last real step to its first. Weights
            belong to positions: step t reads W_t in both directions.
          keep_order: with reverse, outputs in the order of the inputs; else in the
            order in which they were computed, as `nnx.RNN` does.
          start: the absolute step of the first input, to run a sequence in chunks.
          num_steps: the steps of the whole sequence of which the inputs are a chunk,
            where `start` is traced; see `unroll`.
          rngs: for an initial carry that is drawn.

        Returns:
          The outputs [*B, T, H] ([T, *B, H] if time_major), zero in the padding; with
          return_carry, the pair of carry and outputs.

        Raises:
          ValueError: if a step has no weights, or inputs, lengths or carry do not fit.
          TypeError: if lengths are no integers.
        """
        cell = self.cell.bind()
        num_batch_axes = inputs.ndim - cell.num_feature_axes - 1
        time_axis = 0 if time_major else num_batch_axes
        _check_inputs(cell, inputs, num_batch_axes)
        inputs = jnp.moveaxis(inputs, time_axis, 0)
        if seq_lengths is not None:
            seq_lengths = _check_seq_lengths(seq_lengths, inputs, num_batch_axes)
        stored, inputs, carry = self._in_one_dtype(inputs, initial_carry, rngs)
        carry, outputs = unroll(
            step_of(self.cell),
            self.sharing,
            stored,
            inputs,
            carry,
            lengths=seq_lengths,
            start=start,
            num_steps=num_steps,
            reverse=reverse,
            remat=self.remat,
            unroll=self.unroll,
            implementation=self.implementation,
        )
        if reverse and not keep_order:
            outputs = flip_real(outputs, seq_lengths)
        outputs = jax.tree.map(lambda y: jnp.moveaxis(y, 0, time_axis), outputs)
        return (carry, outputs) if return_carry else outputs

    def initialize_carry(self, inputs: jax.Array, rngs: Any = None) -> Carry:
        """Returns the carry that a run of inputs [T, *B, D] begins with."""
        return self._in_one_dtype(inputs, None, rngs)[2]

    def _in_one_dtype(
        self, inputs: jax.Array, carry: Carry | None, rngs: Any
    ) -> tuple[Stored, jax.Array, Carry]:
        """Returns stored weights, inputs and carry in the dtype to compute in."""
        cell, stored = self.cell.bind(), self.stored
        fresh = _initialize(cell, inputs.shape[1:], rngs)
        if carry is None:
            carry = fresh
        _check_carry(cell, carry, fresh)
        dtype = getattr(cell, "dtype", None)
        if dtype is None and _is_floating(inputs):
            dtype = inputs.dtype
        elif AffineStep.suits(cell):  # whose products take no integers
            inputs = inputs.astype(dtype or cell.param_dtype)
        shapes = self.cell.shapes
        if dtype is not None:
            stored, carry, shapes, inputs = jax.tree.map(
                lambda x: _astype(x, dtype) if _is_floating(x) else x,
                (stored, carry, shapes, inputs),
            )
        # A cell may hand its carry back in another dtype than it was given.
        returned, _ = jax.eval_shape(
            step_of(self.cell),
            shapes,
            carry,
            _struct(inputs.shape[1:], inputs.dtype),
        )
        carry = jax.tree.map(lambda x, r: _astype(x, r.dtype), carry, returned)
        return stored, inputs, carry


def step_of(cell: Blueprint) -> Any:
    """Returns the cell's step, `(weights, carry, x) -> (carry, y)`."""
    if AffineStep.suits(cell.bind()):
        return AffineStep(cell)
    return lambda weights, carry, x: cell.bind(weights)(carry, x)


def _initialize(cell: nnx.RNNCellBase, input_shape: tuple[int, ...], rngs: Any) -> Any:
    # Flax's cells ask for random numbers even where their carry starts at zero.
    return cell.initialize_carry(input_shape, nnx.Rngs(0) if rngs is None else rngs)


_struct = jax.ShapeDtypeStruct


def _astype(x: Any, dtype: Any) -> Any:
    return _struct(x.shape, dtype) if isinstance(x, _struct) else x.astype(dtype)


def _is_floating(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


def _check_inputs(
    cell: nnx.RNNCellBase, inputs: jax.Array, num_batch_axes: int
) -> None:
    if num_batch_axes < 0:
        raise ValueError(
            f"inputs have shape {inputs.shape}, but need at least the axes of time and "
            "features, [T, D]."
        )
    features = getattr(cell, "in_features", None)
    if features is not None and inputs.shape[-1] != features:
        raise ValueError(
            f"{type(cell).__name__} takes in_features={features}, but the inputs have "
            f"shape {inputs.shape}: the last axis must be {features}."
        )


def _check_seq_lengths(seq_lengths: Any, inputs: jax.Array, num_batch_axes: int) -> Any:
    batch = inputs.shape[1 : 1 + num_batch_axes]
    if jnp.shape(seq_lengths) not in ((), batch):
        raise ValueError(
            f"seq_lengths has shape {jnp.shape(seq_lengths)}, but the batch is "
            f"{batch}. Give one length a sequence, or a scalar for all."
        )
    return check_lengths(seq_lengths, inputs.shape[0], name="seq_lengths")


def _check_carry(cell: nnx.RNNCellBase, carry: Carry, fresh: Carry) -> None:
    shapes, wanted = (jax.tree.map(jnp.shape, tree) for tree in (carry, fresh))
    if shapes != wanted:
        raise ValueError(
            f"initial_carry has the shapes {shapes}, but {type(cell).__name__} carries "
            f"{wanted} here. Use its initialize_carry, or what return_carry returned."
        )
