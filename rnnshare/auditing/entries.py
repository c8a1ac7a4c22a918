"""`audit` and `audit_function`: what is shared in a model."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.interpreters import partial_eval

from rnnshare.auditing.collecting import collect
from rnnshare.auditing.interpreter import Interpreter
from rnnshare.auditing.origins import Origin, Shape
from rnnshare.auditing.report import Audit
from rnnshare.auditing.values import Value


def audit(model: Any, *inputs: Any, **options: Any) -> Audit:
    """Tells which parameters of a model are read at which steps of which loop.

    It traces `model(*inputs, **options)`, compiles and runs nothing, and follows each
    parameter through the program: `M[s, t]` of `audit(...).tying(path)` says whether
    steps s and t of a loop read the same numbers of it. An index is worked out where
    it comes of the step and of constants; where it depends on inputs, the answer is
    'unknown'. A product reads all that it multiplies, but for what is known to be
    multiplied by zero.

        print(audit(nnx.RNN(nnx.GRUCell(3, 8, rngs=nnx.Rngs(0))), jnp.ones((2, 5, 3))))

    Args:
      model: a module that holds its parameters: of `flax.nnx`, whose parameters are its
        `nnx.Param`s, or of Equinox, or any other callable pytree, whose parameters are
        its floating-point arrays.
      inputs: what it is called with; of arrays the shapes and dtypes are enough, as
        `jax.ShapeDtypeStruct`. What is no array is handed over as it is.
      options: keyword arguments, likewise.

    Returns:
      An `Audit`, which prints as a table.

    Raises:
      TypeError: on a model that does not hold its parameters, as those of linen and
        Haiku: `audit_function` takes them.
    """
    if isinstance(model, nnx.Module):
        parts: Any = nnx.split(model, nnx.Param, ...)
        graphdef, params, rest = parts

        def run(params: Any, rest: Any, *inputs: Any, **options: Any) -> Any:
            return nnx.merge(graphdef, params, rest)(*inputs, **options)

        return _audit(run, params, (rest, *inputs), options, _name_of_variable)
    leaves = jax.tree.leaves(model)
    if not callable(model) or not any(map(_is_array, leaves)):
        raise TypeError(
            f"audit takes a module that holds its parameters, of nnx or Equinox, not a "
            f"{type(model).__name__}. Use audit_function(f, params, *inputs), with "
            "model.apply for f where the model is one of linen or Haiku."
        )
    return _audit(
        lambda model, *args, **more: model(*args, **more), model, inputs, options, _name
    )


def audit_function(
    f: Callable[..., Any], params: Any, *inputs: Any, **options: Any
) -> Audit:
    """Tells which parameters a function reads at which steps of which loop.

    It is `audit` for `f(params, *inputs, **options)`:

        audit_function(linen_module.apply, variables, x)
        audit_function(haiku_transformed.apply, params, None, x)

    Args:
      f: a function that JAX can trace.
      params: a pytree, whose floating-point arrays (or `jax.ShapeDtypeStruct`s) are the
        parameters. Integers among them are constants.
      inputs: see `audit`.
      options: see `audit`.

    Returns:
      An `Audit`, which prints as a table.

    Raises:
      TypeError: if `params` has no floating-point array.
    """
    if not any(map(_is_parameter, jax.tree.leaves(params))):
        raise TypeError(
            "audit_function(f, params, *inputs): params has no floating-point array, "
            f"but is a {type(params).__name__}. Pass the pytree of parameters second."
        )
    return _audit(f, params, inputs, options, _name)


def _audit(
    f: Callable[..., Any],
    params: Any,
    inputs: Any,
    options: Any,
    name: Callable[[Any], str],
) -> Audit:
    leaves, structure = jax.tree_util.tree_flatten_with_path(params)
    given, outer = jax.tree.flatten((inputs, options))
    weights = [leaf for _, leaf in leaves if _is_parameter(leaf)]
    shaped = [leaf for _, leaf in leaves if not _is_parameter(leaf) and _is_shape(leaf)]
    data = [leaf for leaf in given if _is_array(leaf)]

    def run(weights: list, shaped: list, data: list) -> list:
        own, others, arrays = iter(weights), iter(shaped), iter(data)
        made = [
            next(own) if _is_parameter(x) else next(others) if _is_shape(x) else x
            for _, x in leaves
        ]
        filled = [next(arrays) if _is_array(leaf) else leaf for leaf in given]
        inputs, options = jax.tree.unflatten(outer, filled)
        results = f(jax.tree.unflatten(structure, made), *inputs, **options)
        return [leaf for leaf in jax.tree.leaves(results) if _is_array(leaf)]

    program = jax.make_jaxpr(run)(weights, shaped, data)
    # What no result needs is compiled away, and read by nobody.
    jaxpr, _ = partial_eval.dce_jaxpr(
        program.jaxpr, [True] * len(program.out_avals), instantiate=True
    )
    shapes = [tuple(leaf.shape) for leaf in weights]
    values = [_weights(number, shape) for number, shape in enumerate(shapes)]
    values += [Value(tuple(leaf.shape), None, True) for leaf in (*shaped, *data)]
    walk = Interpreter()
    results = walk.run(program.replace(jaxpr=jaxpr), values, ())
    for value in results:
        if not value.is_data:
            walk.note(value.sources)
    paths = _names([path for path, leaf in leaves if _is_parameter(leaf)], name)
    return collect(walk.events, walk.loops, paths, shapes)


def _names(paths: list, name: Callable[[Any], str]) -> list[str]:
    """Returns the paths, in full where several look the same: 'a/b' may be a key."""
    found = list(map(name, paths))
    return [
        jax.tree_util.keystr(path) if found.count(short) > 1 else short
        for path, short in zip(paths, found, strict=True)
    ]


def _weights(number: int, shape: Shape) -> Value:
    sources = {number: (Origin.of(shape),)} if 0 not in shape else {}
    return Value(shape, None, False, sources)


def _is_shape(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic) or _is_shape(leaf)


def _is_parameter(leaf: Any) -> bool:
    return _is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/") or "params"


def _name_of_variable(path: Any) -> str:
    value = jax.tree_util.GetAttrKey  # of the variable, which may hold a pytree
    return _name([key for key in path if not isinstance(key, value)])
