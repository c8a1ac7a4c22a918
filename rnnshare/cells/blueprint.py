"""`Blueprint`: a Flax module without its weights, and the way back."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

MakeModule = Callable[..., nnx.Module]


@dataclasses.dataclass(frozen=True)
class Blueprint:
    """A module that holds parameters only, less these: `bind` puts them in.

    It hashes, and compares equal for modules that are equal but for their weights, so
    it is a static argument of `jax.jit`, where a stored factory (two equal
    `functools.partial`s differ) would miss the cache.

    Attributes:
      graphdef: the module's static half.
      structure: of the state that holds the parameters.
      shapes: of the parameters, in the structure's order.
    """

    graphdef: Any
    structure: Any
    shapes: tuple[jax.ShapeDtypeStruct, ...]

    @classmethod
    def of(cls, make_module: MakeModule) -> "Blueprint":
        """Takes the blueprint of what `make_module(rngs=...)` makes; draws nothing.

        Raises:
          ValueError: if the module holds state other than parameters.
        """
        module = nnx.eval_shape(lambda: make_module(rngs=nnx.Rngs(0)))
        graphdef, params, rest = nnx.split(module, nnx.Param, ...)  # type: ignore[misc]
        others = [".".join(map(str, path)) for path, _ in nnx.to_flat_state(rest)]
        if others:
            raise ValueError(
                f"{type(module).__name__} holds state other than parameters: "
                f"{', '.join(others)}. It may hold nnx.Param only; dropout and its "
                "random state belong in the model, between layers."
            )
        leaves, structure = jax.tree.flatten(params)
        shapes = tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in leaves)
        return cls(graphdef, structure, shapes)

    def bind(self, params: Any = None) -> Any:
        """Returns the module with these parameters, or with none, for its methods.

        Args:
          params: a pytree with the parameters in the order of `pure_params`.
        """
        leaves = self.shapes if params is None else jax.tree.leaves(params)
        return nnx.merge(self.graphdef, jax.tree.unflatten(self.structure, leaves))


def pure_params(module: nnx.Module) -> dict[str, Any]:
    """Returns a module's parameters as nested dictionaries of arrays."""
    return nnx.to_pure_dict(nnx.state(module, nnx.Param))


def params_of(stored: Any) -> Any:
    """Returns a stored pytree with `nnx.Param` leaves, for an attribute of a module."""
    return nnx.data(jax.tree.map(nnx.Param, stored))


def stored_of(params: Any) -> Any:
    """Returns the plain arrays of what `params_of` made."""
    return jax.tree.map(
        lambda param: param[...],
        params,
        is_leaf=lambda node: isinstance(node, nnx.Variable),
    )
