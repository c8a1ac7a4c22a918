"""`Blueprint`: a Flax module without its weights, and the way back."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import nnx
from treescope import rendering_parts

from rnnshare.cells.described import describe
from rnnshare.cells.holding import Path, raw

MakeModule = Callable[..., nnx.Module]
_BETWEEN_LAYERS: Mapping[Any, str] = {
    object: "dropout and its random state belong in the model, between layers"
}


@dataclasses.dataclass(frozen=True, repr=False)
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
    def of(
        cls, make_module: MakeModule, ways_out: Mapping[Any, str] = _BETWEEN_LAYERS
    ) -> "Blueprint":
        """Takes the blueprint of what `make_module(rngs=...)` makes; draws nothing.

        Args:
          make_module: a factory.
          ways_out: {kind of state: what to do without it}, for the error.

        Raises:
          ValueError: if the module holds state other than parameters.
        """

        def make() -> nnx.Module:
            module = make_module(rngs=nnx.Rngs(0))
            _check_state(module, ways_out)
            return module

        graphdef, params = nnx.split(nnx.eval_shape(make))
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

    def variables(self) -> dict[Path, nnx.Variable]:
        """Returns {path: what holds the parameter}, its value a shape."""
        params = jax.tree.unflatten(self.structure, self.shapes)
        return dict(nnx.to_flat_state(params))

    def __repr__(self) -> str:
        """Prints the module's class and sizes."""
        return f"Blueprint({describe(self.bind())})"

    def __treescope_repr__(self, path: str | None, subtree_renderer: Any) -> Any:
        """Returns the same line, for notebooks."""
        del subtree_renderer
        return rendering_parts.build_one_line_tree_node(repr(self), path)


def _check_state(module: nnx.Module, ways_out: Mapping[Any, str]) -> None:
    """Raises if a module holds state other than parameters."""
    _, _, rest = nnx.split(module, nnx.Param, ...)  # type: ignore[misc]
    others = {".".join(map(str, path)): held for path, held in nnx.to_flat_state(rest)}
    # While it is traced, Flax takes an array that is no variable for static.
    others |= {
        ".".join(map(str, (*path, name))): held
        for path, part in nnx.iter_modules(module)
        for name, held in vars(part).items()
        if isinstance(held, jax.core.Tracer)
    }
    if not others:
        return
    hints = [
        hint
        for kind, hint in ways_out.items()
        if any(isinstance(held, kind) for held in others.values())
    ]
    only = "; ".join(["It may hold nnx.Param only", *hints])
    raise ValueError(
        f"{type(module).__name__} holds state other than parameters: "
        f"{', '.join(others)}. {only}."
    )


def pure_params(module: nnx.Module) -> dict[str, Any]:
    """Returns a module's parameters as nested dictionaries of arrays."""
    return nnx.to_pure_dict(nnx.state(module, nnx.Param), raw)
