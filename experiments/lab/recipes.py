"""Recipes that studies share."""

from typing import Any

import optax

from rnnshare.training import Recipe


def to_the_end(num_steps: int, validations: int, **options: Any) -> Recipe:
    """Returns a recipe whose patience never ends.

    It is validated so many times, or as often below that as divides the steps.
    """
    least = max(1, num_steps // validations)
    every = next(n for n in range(least, num_steps + 1) if num_steps % n == 0)
    return Recipe(num_steps, validate_every=every, patience=None, **options)


def annealed_adam(rate: Any, *, num_steps: int) -> optax.GradientTransformation:
    """Returns Adam whose rate falls to 0 as a cosine."""
    return optax.adam(optax.cosine_decay_schedule(rate, num_steps))


# In keys, wherever it stands.
annealed_adam.__public_name__ = "experiments.annealed_adam"  # type: ignore[attr-defined]
