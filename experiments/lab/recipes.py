"""Recipes that studies share."""

from typing import Any

import optax

from rnnshare.training import Recipe


def to_the_end(num_steps: int, validations: int, **options: Any) -> Recipe:
    """Returns a recipe whose patience never ends, validated so many times."""
    every = max(1, num_steps // validations)
    return Recipe(num_steps, validate_every=every, patience=None, **options)


def annealed_adam(rate: Any, *, num_steps: int) -> optax.GradientTransformation:
    """Returns Adam whose rate falls to 0 as a cosine."""
    return optax.adam(optax.cosine_decay_schedule(rate, num_steps))


# In keys, wherever it stands.
annealed_adam.__public_name__ = "experiments.annealed_adam"  # type: ignore[attr-defined]
