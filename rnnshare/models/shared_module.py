"""`SharedModule`: what layers have in common whose weights a sharing makes."""

from typing import Any

import jax
from flax import nnx

from rnnshare.cells.blueprint import Blueprint, MakeModule
from rnnshare.cells.described import OneLine
from rnnshare.cells.holding import load, params_of, stored_of
from rnnshare.cells.initialising import cell_init, init_stored
from rnnshare.sharing.base import Sharing, Stored, Weights
from rnnshare.sharing.unseen import bounded_to, resolve_steps


class SharedModule(OneLine):
    """A module that runs another many times, with weights that a sharing makes.

    `self.weights` holds the stored pytree as `nnx.Param` leaves, or as what the other
    module's parameters are where it has subclasses or metadata, so `nnx.split`, filters
    and optax work as on any module; `self.stored` is the same as plain arrays, which
    `unroll` and `expand` take, and which may be assigned. Under `Tied` its structure is
    that of `nnx.to_pure_dict(nnx.state(module, nnx.Param))`.
    """

    def __init__(
        self,
        make_module: MakeModule,
        blueprint: Blueprint,
        sharing: Sharing,
        *,
        rngs: nnx.Rngs,
    ):
        """Draws the weights.

        Args:
          make_module: `make_module(rngs=...)` makes the module that is run. For a
            class, or a `functools.partial` of one, equal layers share the program that
            draws them.
          blueprint: of that module.
          sharing: how the weights of the steps come from the stored ones.
          rngs: the draws take `rngs.params()`.
        """
        self.sharing = nnx.static(sharing)
        stored = init_stored(sharing, cell_init(make_module), rngs.params())
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

    def _weights_at(
        self, step: Any, stored: Stored, num_steps: int | None = None
    ) -> Weights:
        """Returns the weights that the other module has at a step."""
        sharing = self.sharing
        if num_steps is not None:
            sharing = bounded_to(sharing, num_steps)
        common, per_step = sharing.split(stored, resolve_steps(sharing, 1, start=step))
        return sharing.merge(common, jax.tree.map(lambda leaf: leaf[0], per_step))

    def _shown_options(self, **defaults: Any) -> list[str]:
        """Returns the attributes that are not at their default, as they are given."""
        return [
            f"{name}={getattr(self, name)!r}"
            for name, default in defaults.items()
            if getattr(self, name) != default
        ]


def check_sharing(sharing: Any) -> None:
    """Raises unless it is a sharing."""
    if not isinstance(sharing, Sharing):
        raise TypeError(
            f"sharing is {sharing!r}. Use a Sharing, such as Tied() or "
            "Untied(num_steps=28)."
        )
