"""Any optax optimiser in the training loop, whatever its update asks for.

An update is given the loss (`value`), its gradient before the clipping (`grad`), and
the loss of the same batch as a function of the parameters (`value_fn`), for those that
read them: `optax.lbfgs`, `optax.polyak_sgd`, `optax.contrib.reduce_on_plateau`.
"""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

_FLOAT32 = np.finfo(np.float32)
# What JAX raises where Python reads the value of a traced number.
_READ = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def check_learning_rate(rate: Any) -> None:
    """Raises unless a learning rate is one positive number.

    Raises:
      TypeError: on a schedule, or what is no number.
      ValueError: on a number that is not positive and finite in float32.
    """
    if callable(rate):
        raise TypeError(
            f"learning_rate is {rate!r}, a schedule. Give its peak as a number, and "
            "make the schedule of it in the recipe: def adam_cosine(rate): return "
            "optax.adam(optax.cosine_decay_schedule(rate, 2_000)), then "
            "Recipe(optimizer=adam_cosine)."
        )
    is_number = isinstance(rate, numbers.Real) or (
        isinstance(rate, jax.Array | np.ndarray) and rate.ndim == 0
    )
    if not is_number:
        raise TypeError(f"learning_rate is {rate!r}. Use a positive number.")
    least, most = (float(x) for x in (_FLOAT32.tiny, _FLOAT32.max))
    if not least <= rate <= most:  # XLA takes a subnormal number for 0
        raise ValueError(
            f"learning_rate is {rate}. Use a positive one, between {least:.1e} and "
            f"{most:.1e}, as float32 holds it."
        )


def as_transformation(optimizer: Any) -> optax.GradientTransformationExtraArgs:
    """Returns what a recipe's factory made, as one that takes all that `update` gives.

    Raises:
      TypeError: if it is no optimiser.
    """
    if isinstance(optimizer, optax.MultiSteps):
        return optax.GradientTransformationExtraArgs(optimizer.init, optimizer.update)
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(
            f"Recipe: optimizer made {optimizer!r} of a learning rate, which is no "
            "optax optimiser. Use a function such as optax.adam."
        )
    return optax.with_extra_args_support(optimizer)


def rates_to_tell_apart(
    make: Callable[[Any], Any], rates: Sequence[Any]
) -> tuple[float, ...]:
    """Returns the distinct rates if a factory reads its rate's value; else ().

    It is traced with the rate, so that one program serves them all; a factory that
    decides by the rate, as `optax.warmup_cosine_decay_schedule` does by its peak, is
    called with each of these numbers instead.
    """

    def trace(rate: jax.Array) -> jax.Array:
        make(rate)
        return rate

    try:
        jax.eval_shape(trace, jax.ShapeDtypeStruct((), jnp.float32))
    except _READ:
        return tuple(sorted({np.float32(rate): float(rate) for rate in rates}.values()))
    return ()


def by_rate(
    make: Callable[[Any], optax.GradientTransformationExtraArgs],
    rates: tuple[float, ...],
    rate: jax.Array | np.ndarray,
) -> optax.GradientTransformationExtraArgs:
    """Returns the optimiser of the one of `rates` that a traced rate is equal to."""
    optimizers = [make(known) for known in rates]
    which = jnp.argmax(jnp.array(rates, jnp.float32) == rate).astype(jnp.int32)

    def init(params: Any) -> Any:
        return jax.lax.switch(which, [o.init for o in optimizers], params)

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> Any:
        branches = [
            lambda *given, o=optimizer: o.update(*given, **extra)
            for optimizer in optimizers
        ]
        return jax.lax.switch(which, branches, updates, state, params)

    return optax.GradientTransformationExtraArgs(init, update)


def init(optimizer: optax.GradientTransformationExtraArgs, params: Any) -> Any:
    """Returns the optimiser's state before the first step."""
    # optax mixes dtypes on purpose; a caller's strict promotion is not for it.
    with jax.numpy_dtype_promotion("standard"):
        return optimizer.init(params)


def update(
    optimizer: optax.GradientTransformationExtraArgs,
    gradient: Any,
    state: Any,
    params: Any,
    value: jax.Array,
    value_fn: Callable[[Any], jax.Array],
) -> tuple[Any, Any]:
    """Returns parameters and state after one step, of the dtypes that they had.

    Raises:
      TypeError: if the optimiser's update asks for more than this gives it.
    """
    with jax.numpy_dtype_promotion("standard"):
        try:
            updates, after = optimizer.update(
                gradient, state, params, value=value, grad=gradient, value_fn=value_fn
            )
        except TypeError as error:
            if "required" not in str(error):
                raise
            raise TypeError(
                "Recipe: the optimizer's update is given the gradient, its state and "
                f"the parameters, and value, grad and value_fn, but {error}. Use one "
                "that needs no more."
            ) from error
        return optax.apply_updates(params, updates), jax.tree.map(_as, after, state)


def _as(new: Any, old: Any) -> Any:
    new, old = jnp.asarray(new), jnp.asarray(old)
    return new if new.dtype == old.dtype else new.astype(old.dtype)
