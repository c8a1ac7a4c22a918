"""`unroll`: run a cell over time under any sharing. The only scan over time here."""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.sharing import Sharing, Stored, as_index
from rnnshare.unseen import resolve_steps

Carry = Any
Step = Callable[[Any, Carry, Any], tuple[Carry, Any]]


class StepByProducts(Protocol):
    """A step that reads its kernels through products alone.

    Such a step lets a sharing correct or mix `x @ kernel` instead of the kernel, where
    that is cheaper. It is a step like any other as well.
    """

    def __call__(self, weights: Any, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """The step, `(weights, carry, x) -> (carry, y)`."""

    def by_products(
        self,
        product: Callable[[tuple[str, ...], jax.Array], jax.Array],
        weights: Any,
        carry: Carry,
        x: Any,
    ) -> tuple[Carry, Any]:
        """The same, from `product(path, x)`; of the weights, only biases are read."""


def unroll(
    step: Step | StepByProducts,
    sharing: Sharing,
    stored: Stored,
    inputs: Any,
    carry: Carry,
    *,
    lengths: Any = None,
    start: int | jax.Array = 0,
    reverse: bool = False,
    remat: bool = False,
    unroll: int = 1,
) -> tuple[Carry, Any]:
    """Runs a step function over time, each step with the weights its sharing gives it.

    `carry, y_t = step(W_t, carry, x_t)` for t = 0..T-1, W_t the weights that `sharing`
    makes of `stored` at step `start + t`. There is no branch on the kind of sharing:
    what only step t sees goes in as the scan's `xs`, what all steps see as its closure.

    Nothing is cast: the step function decides the dtypes, and must return a carry of
    the shapes and dtypes that it was given.

    Args:
      step: `(weights, carry, x) -> (carry, y)`, pure; a `StepByProducts` is faster
        under a sharing that computes its weights.
      sharing: how the weights of the steps come from `stored`.
      stored: the pytree that `sharing.init` made (or of its structure).
      inputs: pytree of [T, *batch, ...]; time is axis 0.
      carry: the initial carry, a pytree; of [*batch, ...] where lengths are used.
      lengths: int[*batch] (or one integer for all), the number of real steps of each
        sequence among these inputs. After them the carry is frozen and outputs are
        zero, and nothing that stands in the padding, NaN included, reaches an output,
        a carry or a gradient.
      start: the absolute step of the first input, to run a sequence in chunks.
      reverse: run from the last step to the first. Weights belong to positions: step t
        reads W_t in both directions.
      remat: recompute each step in the backward pass instead of keeping what is in it.
      unroll: how many steps to lay out in one iteration of the loop (`lax.scan`'s).

    Returns:
      The final carry, and the outputs [T, *batch, ...] in the order of the inputs.

    Raises:
      ValueError: if a step has no weights, or lengths do not fit the inputs.
      TypeError: if lengths are no integers, or the step changes the carry's type.
    """
    num_inputs = _num_inputs(inputs)
    steps = resolve_steps(sharing, num_inputs, start=start, lengths=lengths)
    common, per_step = sharing.split(stored, steps)
    is_real = None
    if lengths is not None:
        lengths = check_lengths(lengths, num_inputs)
        _check_batch(lengths.shape, inputs, carry)
        is_real = _before(lengths, num_inputs)

    def body(carry, scanned):
        per_step_t, x, is_real_t = scanned
        if is_real_t is None:
            new_carry, y = run_step(step, sharing, common, per_step_t, carry, x)
            _check_carry(carry, new_carry)
            return new_carry, y
        # The padding is cleared before the step, not only after it: a NaN that is
        # computed and then discarded still poisons the gradient.
        x = _keep(is_real_t, x)
        new_carry, y = run_step(step, sharing, common, per_step_t, carry, x)
        _check_carry(carry, new_carry)
        return _keep(is_real_t, new_carry, carry), _keep(is_real_t, y)

    if remat:
        body = jax.checkpoint(body, prevent_cse=False)  # a scan needs no such barrier
    return jax.lax.scan(
        body, carry, (per_step, inputs, is_real), num_inputs, reverse, unroll
    )


def run_step(
    step: Step | StepByProducts,
    sharing: Sharing,
    common: Any,
    per_step_t: Any,
    carry: Carry,
    x: Any,
) -> tuple[Carry, Any]:
    """Runs one step with the weights that its sharing gives it."""
    by_products = getattr(step, "by_products", None)
    if by_products is None:
        return sharing.apply(step, common, per_step_t, carry, x)
    product = functools.partial(sharing.product, common, per_step_t)
    return by_products(product, sharing.merge(common, per_step_t), carry, x)


def map_steps(
    function: Callable[[Any, Any], Any],
    sharing: Sharing,
    stored: Stored,
    inputs: Any,
    *,
    lengths: Any = None,
    start: int | jax.Array = 0,
) -> Any:
    """Applies a function to every step at once: `unroll` for a layer without a carry.

    `y_t = function(W_t, x_t)`, in parallel over time; under `Tied`, one matrix product
    for all steps. Args, Returns and Raises are those of `unroll`, but for the carry.
    """
    num_inputs = _num_inputs(inputs)
    steps = resolve_steps(sharing, num_inputs, start=start, lengths=lengths)
    common, per_step = sharing.split(stored, steps)
    is_real = None
    if lengths is not None:
        lengths = check_lengths(lengths, num_inputs)
        _check_batch(lengths.shape, inputs, ())
        is_real = _before(lengths, num_inputs)

    def one(_, per_step_t, x, is_real_t):
        if is_real_t is None:
            return sharing.apply(function, common, per_step_t, x)
        x = _keep(is_real_t, x)
        return _keep(is_real_t, sharing.apply(function, common, per_step_t, x))

    return jax.vmap(one)(as_index(steps), per_step, inputs, is_real)


def check_lengths(
    lengths: Any, num_inputs: int, *, name: str = "lengths"
) -> jax.Array | np.ndarray:
    """Returns lengths as an integer array, refused if wrong and clipped if traced.

    Args:
      lengths: int[*batch].
      num_inputs: T.
      name: what the caller calls them, for the message.

    Raises:
      TypeError: if they are no integers.
      ValueError: if concrete, and one of them lies outside [0, T].
    """
    if isinstance(lengths, jax.core.Tracer):
        if not jnp.issubdtype(lengths.dtype, jnp.integer):
            raise TypeError(f"{name} must be integers, but are {lengths.dtype}.")
        return jnp.clip(lengths, 0, num_inputs)
    array = np.asarray(lengths)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} must be integers, but are {array.dtype}.")
    wrong = np.argwhere((array < 0) | (array > num_inputs))
    if len(wrong):
        where = tuple(int(i) for i in wrong[0])
        index = f"[{', '.join(map(str, where))}]" if where else ""
        raise ValueError(
            f"{name}{index} is {array[where]}, but the inputs have {num_inputs} steps."
        )
    return array.astype(np.int32)


def _num_inputs(inputs: Any) -> int:
    leaves = jax.tree.leaves(inputs)
    if not leaves:
        raise ValueError(
            "inputs hold no arrays, so there is no time axis. Pass leaves of "
            "[T, *batch, ...]; jnp.zeros([T, *batch, 0]) for a cell that reads none."
        )
    shapes = [np.shape(leaf) for leaf in leaves]
    if any(len(shape) == 0 or shape[0] != shapes[0][0] for shape in shapes):
        raise ValueError(
            "inputs must share their leading axis, time, but have the shapes "
            f"{', '.join(map(str, shapes))}."
        )
    return shapes[0][0]


def _check_batch(batch: tuple[int, ...], inputs: Any, carry: Carry) -> None:
    for leaf in jax.tree.leaves(inputs):
        if np.shape(leaf)[1 : 1 + len(batch)] != batch:
            raise ValueError(
                f"lengths have shape {batch}, but the inputs are {np.shape(leaf)}: "
                "after time must come the axes of lengths. Give one length a sequence, "
                "or a scalar for all."
            )
    for leaf in jax.tree.leaves(carry):
        if np.shape(leaf)[: len(batch)] != batch:
            raise ValueError(
                f"lengths have shape {batch}, but a leaf of the carry has shape "
                f"{np.shape(leaf)}: it must begin with the axes of lengths."
            )


def _before(lengths: jax.Array | np.ndarray, num_inputs: int) -> jax.Array:
    """Returns bool[T, *batch]: which steps are real."""
    step = jnp.arange(num_inputs, dtype=lengths.dtype)
    return step.reshape((-1,) + (1,) * lengths.ndim) < jnp.asarray(lengths)[None]


def _keep(is_real: jax.Array, tree: Any, otherwise: Any = None) -> Any:
    """Returns the tree where steps are real, else the other one (zeros by default)."""

    def select(leaf, other):
        mask = is_real.reshape(is_real.shape + (1,) * (leaf.ndim - is_real.ndim))
        return jnp.where(mask, leaf, other)

    if otherwise is None:
        otherwise = jax.tree.map(jnp.zeros_like, tree)
    return jax.tree.map(select, tree, otherwise)


def _check_carry(carry: Carry, new_carry: Carry) -> None:
    before, after = jax.tree.map(jax.typeof, (carry, new_carry))
    if jax.tree.structure(before) != jax.tree.structure(after):  # type: ignore[operator]
        raise TypeError(
            f"The step was given a carry {before} and returned one of another "
            f"structure, {after}. It must return what it takes."
        )
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        same = old.shape == new.shape and (old.dtype == new.dtype or old.weak_type)
        if not same:
            raise TypeError(
                f"The step was given a carry of {old.str_short()} and returned one of "
                f"{new.str_short()}. Start from a carry of the type that the step "
                "computes in."
            )
