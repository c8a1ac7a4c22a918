"""Stored pytrees in variables of Flax, their plain arrays, and the way between."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

Path = tuple[Any, ...]


def params_of(stored: Any, origins: Mapping[Path, nnx.Variable] | None = None) -> Any:
    """Returns a stored pytree in `nnx.Param`s, for an attribute of a module.

    A leaf whose path has that of one of the cell's parameters in it comes of that, and
    is held as it is: by its class, with its metadata. Names of axes are kept by a leaf
    of the parameter's shape, and with None in front by a stack of them, [T, ...]; to
    one of another shape they mean nothing.

    Args:
      stored: a pytree of arrays.
      origins: the parameters of the cell whose weights it makes, as
        `Blueprint.variables` returns them; of no cell by default.
    """
    return nnx.data(
        jax.tree_util.tree_map_with_path(
            lambda path, leaf: _held(_keys(path), leaf, origins or {}), stored
        )
    )


def stored_of(params: Any) -> Any:
    """Returns the plain arrays of what `params_of` made."""
    return jax.tree.map(raw, params, is_leaf=_is_variable)


def load(params: Any, stored: Any) -> None:
    """Puts plain arrays into what `params_of` made; all of them, or none.

    Raises:
      ValueError: if a leaf is missing, or one too many, or has another shape.
      TypeError: if a leaf is no array, or has another dtype.
    """
    held, given = _by_path(params), _by_path(stored_of(stored))
    for path, param in held.items():
        if path not in given:
            raise ValueError(
                f"{path} is missing: {', '.join(given) or 'nothing'} was given. Give "
                f"all of {', '.join(held)}, as `stored` has them."
            )
        _check_fits(path, raw(param), given[path])
    for path in given:
        if path not in held:
            raise ValueError(
                f"{path} was given, but there is none here. Give {', '.join(held)} "
                "alone, as `stored` has them."
            )
    values = {path: _placed(given[path], raw(held[path])) for path in held}
    for path, param in held.items():
        if param.ref:
            param[...] = values[path]
        else:
            param.set_raw_value(values[path])


def raw(node: Any) -> Any:
    """Returns the array that a variable holds; its class may show another value."""
    if not _is_variable(node):
        return node
    return node[...] if node.ref else node.get_raw_value()


def shows_what_it_holds(variable: nnx.Variable) -> bool:
    """Whether a variable's value is the array that it holds, and not computed of it."""
    computed = type(variable).get_value is not nnx.Variable.get_value
    return not computed and not variable.get_metadata("on_get_value", None)


def _is_variable(node: Any) -> bool:
    return isinstance(node, nnx.Variable)


def _keys(path: Any) -> Path:
    """Returns the keys of a path of JAX's: names and numbers."""
    names = ("key", "name", "idx")
    return tuple(next(getattr(k, n) for n in names if hasattr(k, n)) for k in path)


def _by_path(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_variable)
    return {"/".join(map(str, _keys(path))): leaf for path, leaf in leaves}


def _held(path: Path, leaf: Any, origins: Mapping[Path, nnx.Variable]) -> nnx.Variable:
    """Returns a stored leaf in a variable like the one that it comes of."""
    found = [
        (len(keys), start, keys)
        for keys in origins
        for start in range(len(path) - len(keys) + 1)
        if path[start : start + len(keys)] == keys
    ]
    if not found:
        return nnx.Param(leaf)
    origin = origins[max(found, key=lambda match: match[:2])[2]]
    metadata, shape = origin.get_metadata(), origin.get_raw_value().shape
    names = metadata.get("out_sharding")
    if names and leaf.shape[1:] == shape and leaf.shape != shape:
        metadata["out_sharding"] = (None, *getattr(names, "spec", names))
    elif names and leaf.shape != shape:
        del metadata["out_sharding"]
    return type(origin).from_metadata(leaf, metadata)


def _check_fits(path: str, here: Any, given: Any) -> None:
    if not hasattr(given, "shape") or not hasattr(given, "dtype"):
        raise TypeError(f"{path} must be an array, but {given!r} was given.")
    if given.shape != here.shape:
        raise ValueError(
            f"{path} is {here.shape} here, but {given.shape} was given. Build the "
            "layer with the sizes and the sharing of what is loaded; `convert` goes "
            "from one sharing to another."
        )
    if given.dtype != here.dtype:
        raise TypeError(
            f"{path} is {here.dtype} here, but {given.dtype} was given. Load "
            f"jax.tree.map(lambda w: w.astype('{here.dtype}'), stored), or build the "
            f"cell with param_dtype=jnp.{given.dtype}."
        )


def _placed(value: Any, here: Any) -> jax.Array:
    """Returns a value as JAX's array, laid over the devices as the one here is."""
    if not isinstance(value, jax.Array):
        value = jnp.array(value)  # a copy: NumPy's own may change
    if isinstance(here, jax.core.Tracer) or isinstance(value, jax.core.Tracer):
        return value
    sharding = getattr(here, "sharding", None)
    if sharding is None or len(sharding.device_set) == 1:
        return value
    return jax.device_put(value, sharding)
