"""The table of the laws: sharings x cells, with generic weights and data for each."""

import functools
import math
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnshare import (
    Basis,
    Cyclic,
    Drift,
    ElmanCell,
    GRUCell,
    Hypernetwork,
    LowRank,
    LRUCell,
    LSTMCell,
    MinGRUCell,
    MinLSTMCell,
    Mixture,
    Partition,
    Scaled,
    Schedule,
    Segments,
    Sharing,
    Tied,
    TimeInput,
    Untied,
    unroll,
)
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.models.rnn import step_of

T, B, D, H = 6, 3, 3, 4
LENGTHS = np.array([0, 4, 6], np.int32)

# A new sharing, or cell, is a line here.
SHARINGS: dict[str, Sharing] = {
    "Tied": Tied(),
    "Untied": Untied(T),
    "Segments": Segments(T, 4),
    "Cyclic": Cyclic(4),
    "Schedule": Schedule((0, 1, 2, 1, 0, 1)),
    "Mixture": Mixture(T, 3),
    "LowRank": LowRank(T, 2),
    "Scaled": Scaled(T),
    "Basis": Basis(3, period=5),
    "Drift": Drift(),
    "Hypernetwork": Hypernetwork(2, period=5),
    "TimeInput": TimeInput(3, period=5),
}
# What has more than one form; for one cell each.
FORMS: dict[str, Sharing] = {
    "Mixture-free": Mixture(T, 3, kind="free"),
    "Basis-chebyshev": Basis(3, "chebyshev", period=4),
    "Basis-bspline": Basis(5, "bspline", period=4),
    "Hypernetwork-learned": Hypernetwork(2, "learned", num_steps=T),
    "LowRank-of-Cyclic": LowRank(T, 1, base=Cyclic(2)),
    "Scaled-of-Segments": Scaled(T, base=Segments(T, 2)),
    "Partition-of-three": Partition(
        {"input": LowRank(T, 1), "recurrent.kernel": Cyclic(2)}, rest=Untied(T)
    ),
    "Partition-of-gates": Partition(
        {"recurrent.f": Untied(T), "g": Mixture(T, 2)}, gates=LSTMCell.gates
    ),
}
ONE_PART: dict[str, Sharing] = {
    f"Partition-{name}": Partition({"kernel": sharing})
    for name, sharing in SHARINGS.items()
    if name != "TimeInput"
}
ONE_PART["Partition-TimeInput"] = Partition({"bias": TimeInput(3, period=5)})
FORMS |= ONE_PART
# What unseen steps read obeys the laws just as well; these hold fewer than T steps.
POLICIES: dict[str, Sharing] = {
    "Untied-hold": Untied(4, beyond="hold"),
    "Untied-cycle": Untied(4, same_init=True, beyond="cycle"),
    "Untied-mean": Untied(4, beyond="mean"),
    "Untied-stretch": Untied(4, beyond="stretch"),
    "Segments-mean": Segments(5, 3, beyond="mean"),
    "Mixture-mean": Mixture(5, 3, beyond="mean"),
    "LowRank-base": LowRank(4, 1, base=Cyclic(3), beyond="base"),
    "Scaled-base": Scaled(4, beyond="base"),
    "Hypernetwork-hold": Hypernetwork(2, "learned", num_steps=4, beyond="hold"),
    "Partition-hold": Partition({"recurrent": Untied(4, beyond="hold")}),
}
CELLS: dict[str, Callable[..., nnx.RNNCellBase]] = {
    "Elman": ElmanCell,
    "IRNN": ElmanCell.irnn,
    "GRU": GRUCell,
    "LSTM": LSTMCell,
    "MinGRU": MinGRUCell,
    "MinLSTM": MinLSTMCell,
    "LRU": LRUCell,
    "nnx.Simple": nnx.SimpleCell,
    "nnx.GRU": nnx.GRUCell,
    "nnx.LSTM": nnx.LSTMCell,
    "nnx.OptimizedLSTM": nnx.OptimizedLSTMCell,
}
WIDE_CELLS = (  # under all sharings
    *("Elman", "GRU", "LSTM", "MinGRU", "MinLSTM", "LRU"),
    *("nnx.GRU", "nnx.OptimizedLSTM"),
)
PAIRS = [
    (sharing, cell)
    for cell in CELLS
    for sharing in SHARINGS
    if cell in WIDE_CELLS or sharing in ("Tied", "Untied", "Segments", "Cyclic")
]
PAIRS += [(form, "LSTM") for form in (*FORMS, *POLICIES)]
# Where `unroll` is fused by itself, the scan is a case of its own.
PAIRS += [
    (sharing, "LSTM scan") for sharing in ("Tied", "Untied", "Segments", "Cyclic")
]
# What accelerators take for linear cells.
PAIRS += [(sharing, "LRU associative") for sharing in (*SHARINGS, "Untied-hold")]
# For laws that cost several compilations a case: a paired carry, and a plain one under
# the first four. A partition of one part is left to the partitions of several.
FEW_PAIRS = [
    (sharing, cell)
    for sharing, cell in PAIRS
    if (cell in ("LSTM", "LSTM scan") and sharing not in ONE_PART)
    or (
        cell in ("Elman", "LRU associative")
        and sharing in ("Tied", "Untied", "Segments", "Cyclic")
    )
]


class Case:
    """A cell under a sharing, generic arrays to run it on, and its compiled gradient.

    Attributes:
      arguments: what `run` takes: stored weights, inputs [T, B, D] and carry [B, H].
    """

    def __init__(
        self,
        sharing: Sharing,
        make_cell: Callable[..., Any],
        implementation: str = "auto",
    ):
        self.sharing = sharing
        self.implementation = implementation
        self.blueprint = Blueprint.of(make_cell)
        self.step = step_of(self.blueprint)
        self.init_cell = lambda key: pure_params(make_cell(rngs=nnx.Rngs(key)))
        init = functools.partial(sharing.init, init_cell=self.init_cell)
        self.shapes = jax.eval_shape(init, jax.random.key(0))
        carry = self.blueprint.bind().initialize_carry((B, D), nnx.Rngs(0))
        self.arguments = (
            generic_like(self.shapes, seed=1),
            generic((T, B, D), seed=2),
            generic_like(carry, seed=3),
        )

    @property
    def is_causal(self) -> bool:
        """Whether what a step reads is known before the sequence ends."""
        return getattr(self.sharing, "beyond", None) != "stretch"

    @property
    def may_start_anywhere(self) -> bool:
        """Whether `start` may be traced: no part of the sharing raises past its end."""

        def raises(sharing: Sharing) -> bool:
            if isinstance(sharing, Partition):
                return any(map(raises, [sharing.rest, *dict(sharing.parts).values()]))
            own = bool(sharing.policies) and sharing.beyond == "error"
            return own or (hasattr(sharing, "base") and raises(sharing.base))

        return not raises(self.sharing)

    def run(self, stored: Any, inputs: Any, carry: Any, **options: Any) -> Any:
        """Unrolls the case."""
        options = {"implementation": self.implementation} | options
        return unroll(self.step, self.sharing, stored, inputs, carry, **options)

    @functools.cached_property
    def gradient(self) -> Callable[..., Any]:
        """Jitted `(stored, inputs, carry) -> (results, gradients)`, for any T."""
        return gradient_of(self.run)

    @functools.cached_property
    def gradient_with_lengths(self) -> Callable[..., Any]:
        """The same with int[B] lengths as fourth argument."""
        return gradient_of(lambda *args: self.run(*args[:3], lengths=args[3]))


@functools.cache
def case(sharing: str | Sharing, cell: str) -> Case:
    """Returns the case of two names, or of a sharing and a name."""
    if isinstance(sharing, str):
        sharing = (SHARINGS | FORMS | POLICIES)[sharing]
    name, *implementation = cell.split(" ")
    return Case(sharing, functools.partial(CELLS[name], D, H), *implementation)


def generic(shape: tuple[int, ...], seed: int, dtype: Any = np.float32) -> np.ndarray:
    """Returns normal noise; a shorter first axis gets the beginning of the longer."""
    return (0.6 * np.random.default_rng(seed).normal(size=shape)).astype(dtype)


def generic_like(tree: Any, seed: int) -> Any:
    """Returns a pytree of these shapes, every leaf with noise of its own."""
    leaves, structure = jax.tree.flatten(tree)
    return structure.unflatten(
        generic(leaf.shape, 100 * seed + i) for i, leaf in enumerate(leaves)
    )


def pulled(results: Any) -> jax.Array:
    """A generic scalar of all that a run returns: its gradient misses nothing."""
    return sum(
        jnp.sum(leaf * generic(leaf.shape, i, leaf.dtype))
        for i, leaf in enumerate(jax.tree.leaves(results))
    )


def gradient_of(run: Callable[..., Any]) -> Callable[..., Any]:
    """Returns jitted `arguments -> (results, gradients of the first three)`."""

    @jax.jit
    def both(*arguments):
        def scalar(*arguments):
            results = run(*arguments)
            return pulled(results), results

        argnums = tuple(range(min(len(arguments), 3)))
        (_, results), gradients = jax.value_and_grad(scalar, argnums, has_aux=True)(
            *arguments
        )
        return results, gradients

    return both


def assert_equal(actual: Any, expected: Any) -> None:
    """Bit for bit: of one program run twice, or of selection without arithmetic."""
    chex.assert_trees_all_equal(actual, expected)


def assert_equal_to_rounding(
    actual: Any, expected: Any, roundings: int, scale: float | None = None
) -> None:
    """Equal but for the rounding of two programs that compute the same.

    XLA compiles the same sums in another order, or with products and sums joined into
    one rounding, in another program, on another processor. A rounding errs by at most
    u = eps / 2 of what it rounds; n of them, one after the other and independent, by
    at most L sqrt(n) u of the largest term with probability 1 - 2 exp(-L^2 / 2)
    (Higham and Mary, 2019, "A new approach to probabilistic rounding error analysis").
    Both programs err, so they differ by up to L sqrt(n) eps. Here L is 4: errors are
    u / sqrt(3) in the mean square, so it is seven of their standard deviations.

    Args:
      actual: a pytree; what is no float in it is equal.
      expected: the same of the other program: its structure, shapes and dtypes too.
      roundings: n, how many there are on the longest way from inputs to results.
      scale: the largest term that is rounded; by default each leaf's largest value.
    """
    chex.assert_trees_all_equal_shapes_and_dtypes(actual, expected)

    def check(a, b):
        if not jnp.issubdtype(b.dtype, jnp.floating):
            np.testing.assert_array_equal(a, b)
            return
        largest = np.max(np.abs(b), initial=0) if scale is None else scale
        unit = float(largest) * float(jnp.finfo(b.dtype).eps)
        tolerance = 4 * math.sqrt(roundings) * unit
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)

    jax.tree.map(check, actual, expected)


def assert_close(actual: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Equal to float32 rounding: 1e-5 of each leaf's largest value.

    Of the largest, since an entry may be a small difference of large terms, whose
    rounding it keeps; some 80 times float32's unit, for sums of a few dozen terms.
    """

    def check(a, b):
        scale = float(np.max(np.abs(b), initial=1e-3))
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)

    jax.tree.map(check, actual, expected)
