"""`RNN`: a Flax layer, built from a cell's factory and a sharing."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare.cells.affine import AffineStep
from rnnshare.cells.blueprint import Blueprint
from rnnshare.cells.described import describe
from rnnshare.cells.linear import LinearStep
from rnnshare.models.shared_module import SharedModule, check_sharing
from rnnshare.sharing.base import Sharing, Stored
from rnnshare.sharing.templates import Tied
from rnnshare.unrolling.newton import Newton
from rnnshare.unrolling.padding import check_lengths, flip_real
from rnnshare.unrolling.scan import unroll

Carry = Any
MakeCell = Callable[..., nnx.RNNCellBase]


class RNN(SharedModule):
    """Runs a cell over time under a sharing; called as `flax.nnx.RNN` is.

    Its weights, `stored` and `load` are those of a `SharedModule`.

    Dtypes: a cell with `dtype=None` computes in the dtype of floating inputs, carries
    and outputs included (bfloat16 in, bfloat16 out); its stored weights, and so their
    gradients, keep their own. A cell with a dtype computes in that. Complex numbers
    are never made real: in a cell of this package, where one of inputs, weights and
    carry is complex, all are.

        rnn = RNN(functools.partial(LSTMCell, 12, 64), Untied(28), rngs=nnx.Rngs(0))
    """

    def __init__(
        self,
        make_cell: MakeCell,
        sharing: Sharing = Tied(),
        *,
        rngs: nnx.Rngs,
        remat: bool | int | str = False,
        unroll: int = 1,
        implementation: str | Newton = "auto",
    ):
        """Draws the weights.

        Args:
          make_cell: `make_cell(rngs=...)` returns any `nnx.RNNCellBase` that holds
            parameters only. For a class, or a `functools.partial` of one, equal layers
            share the program that draws them.
          sharing: how the weights of the steps come from the stored ones.
          rngs: the draws take `rngs.params()`.
          remat: what is made again in the backward pass: True, each step; 'sqrt' or
            an integer, the steps of a block; see `unroll`.
          unroll: steps in one iteration of the loop; see `unroll`.
          implementation: 'auto', 'scan', or another way; see `unroll`.

        Raises:
          TypeError: if the sharing is none, or make_cell makes no cell.
          ValueError: if the cell holds state other than parameters.
        """
        check_sharing(sharing)
        blueprint = Blueprint.of(make_cell)
        if not isinstance(blueprint.bind(), nnx.RNNCellBase):
            raise TypeError(
                "make_cell must return an nnx.RNNCellBase, but it returned a "
                f"{type(blueprint.bind()).__name__}. Pass a factory, as in "
                "functools.partial(LSTMCell, in_features, hidden_features)."
            )
        super().__init__(make_cell, blueprint, sharing, rngs=rngs)
        self.cell = nnx.static(blueprint)
        self.remat = remat
        self.unroll = unroll
        self.implementation = implementation

    def shown_parts(self) -> list[str]:
        """Returns cell, sharing, and the options that are not at their default."""
        return [
            describe(self.cell.bind()),
            repr(self.sharing),
            *self._shown_options(remat=False, unroll=1, implementation="auto"),
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
            that by default. One that is learnt is read from the weights of the step
            `start`.
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
          rngs: for an initial carry that is drawn: the stream 'carry', or 'default';
            without either it is the same in each call.

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
        stored, inputs, carry = self._in_one_dtype(
            inputs, initial_carry, rngs, start, num_steps
        )
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
        for y in jax.tree.leaves(outputs):
            if y.ndim <= time_axis:
                raise ValueError(
                    f"{type(cell).__name__} returns outputs of shape {y.shape[1:]}, "
                    f"without the {num_batch_axes} batch axes that time stands behind. "
                    "Return one a sequence, or use time_major=True."
                )
        outputs = jax.tree.map(lambda y: jnp.moveaxis(y, 0, time_axis), outputs)
        return (carry, outputs) if return_carry else outputs

    def initialize_carry(self, inputs: jax.Array, rngs: Any = None) -> Carry:
        """Returns the carry that a run of inputs [T, *B, D] begins with."""
        return self._in_one_dtype(inputs, None, rngs)[2]

    def _in_one_dtype(
        self,
        inputs: jax.Array,
        carry: Carry | None,
        rngs: Any,
        start: Any = 0,
        num_steps: int | None = None,
    ) -> tuple[Stored, jax.Array, Carry]:
        """Returns stored weights, inputs and carry in the dtype to compute in."""
        cell, stored = self.cell.bind(), self.stored
        if carry is None:
            first = cell
            if _reads_parameters(cell):
                first = self.cell.bind(self._weights_at(start, stored, num_steps))
            carry = _initialize(first, inputs, rngs)
        else:
            _check_carry(self.cell, carry, inputs)
        suits = AffineStep.suits(cell) or LinearStep.suits(cell)
        dtype = getattr(cell, "dtype", None)
        chosen = dtype is not None or suits  # else a cell mixes dtypes as it likes
        if dtype is None and _is_inexact(inputs):
            dtype = inputs.dtype
            if suits and any(map(_is_complex, jax.tree.leaves((stored, carry)))):
                dtype = _of_precision(dtype, jnp.complexfloating)
        elif suits:  # whose products take no integers
            inputs = _cast(cell, inputs, dtype or cell.param_dtype)
        if dtype is not None:
            stored, carry, inputs = jax.tree.map(
                lambda x: (
                    _cast(cell, x, dtype if chosen else _of_precision(dtype, x.dtype))
                    if _is_inexact(x)
                    else x
                ),
                (stored, carry, inputs),
            )

        def first_step(stored: Stored, carry: Carry, inputs: jax.Array) -> Carry:
            weights = self._weights_at(0, stored)  # they have one type at all steps
            # A sum over time only for its shape and dtype, which an empty one has too.
            x = jnp.sum(inputs, axis=0, dtype=inputs.dtype)
            return step_of(self.cell)(weights, carry, x)[0]

        # A cell may hand its carry back in another dtype than it was given.
        returned = jax.eval_shape(first_step, stored, carry, inputs)
        carry = jax.tree.map(lambda x, r: _cast(cell, x, r.dtype), carry, returned)
        return stored, inputs, carry


def step_of(cell: Blueprint) -> Any:
    """Returns the cell's step, `(weights, carry, x) -> (carry, y)`."""
    if AffineStep.suits(cell.bind()):
        return AffineStep(cell)
    if LinearStep.suits(cell.bind()):
        return LinearStep(cell)
    return lambda weights, carry, x: cell.bind(weights)(carry, x)


def _initialize(cell: nnx.RNNCellBase, inputs: jax.Array, rngs: Any) -> Carry:
    # Flax's cells ask for random numbers even where their carry starts at zero.
    streams = isinstance(rngs, nnx.Rngs)
    if rngs is None or (streams and "carry" not in rngs and "default" not in rngs):
        rngs = nnx.Rngs(0)  # a model's rngs may be for dropout alone
    if isinstance(rngs, nnx.Rngs):
        rngs = rngs.carry.fork()  # as nnx.RNN hands them over
    try:
        return cell.initialize_carry(inputs.shape[1:], rngs)
    except NotImplementedError:
        raise ValueError(
            f"{type(cell).__name__} has no initialize_carry. Write one, or pass "
            "initial_carry=..."
        ) from None


def _reads_parameters(cell: nnx.RNNCellBase) -> bool:
    """Whether the carry that a cell begins with may come from its parameters."""
    home = type(cell).initialize_carry.__module__.partition(".")[0]
    return home not in ("flax", "rnnshare")


def _cast(cell: nnx.RNNCellBase, x: jax.Array, dtype: Any) -> jax.Array:
    if x.dtype == dtype:
        return x
    if _is_complex(x) and not jnp.issubdtype(dtype, jnp.complexfloating):
        raise TypeError(
            f"{type(cell).__name__} computes in {jnp.dtype(dtype)}, but was given "
            f"{x.dtype}, whose imaginary part it would lose. Build it with "
            f"dtype=jnp.{x.dtype}, or pass the real part."
        )
    return x.astype(dtype)


def _of_precision(dtype: Any, kind: Any) -> Any:
    """Returns the complex or real dtype, as kind is, of a dtype's precision."""
    if not jnp.issubdtype(kind, jnp.complexfloating):
        return jnp.finfo(dtype).dtype
    return jnp.complex128 if jnp.finfo(dtype).bits > 32 else jnp.complex64


def _is_inexact(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.inexact)


def _is_complex(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.complexfloating)


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


def _check_carry(blueprint: Blueprint, carry: Carry, inputs: jax.Array) -> None:
    def initialize(params: Any) -> Carry:
        cell = blueprint.bind(params)
        return cell.initialize_carry(inputs.shape[1:], nnx.Rngs(0))

    try:
        fresh = jax.eval_shape(initialize, blueprint.shapes)
    except NotImplementedError:  # nothing to compare with; the step will tell
        return
    shapes, wanted = (jax.tree.map(jnp.shape, tree) for tree in (carry, fresh))
    if shapes != wanted:
        raise ValueError(
            f"initial_carry has the shapes {shapes}, but "
            f"{type(blueprint.bind()).__name__} carries {wanted} here. Use its "
            "initialize_carry, or what return_carry returned."
        )
