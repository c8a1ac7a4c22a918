"""`Stack`: one block after the other, their weights under a sharing over depth."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnshare.cells.blueprint import Blueprint
from rnnshare.cells.described import describe
from rnnshare.models.shared_module import SharedModule, check_sharing
from rnnshare.sharing.base import Sharing, check_positive
from rnnshare.unrolling.scan import Step, unroll

MakeBlock = Callable[..., nnx.Module]
_WAYS_OUT: Mapping[Any, str] = {
    nnx.BatchStat: "normalise with nnx.LayerNorm or nnx.RMSNorm, whose statistics are "
    "those of the input alone",
    nnx.Cache: "leave init_cache out, as all passes would write to the one cache",
    nnx.RngState: "build what is random without rngs of its own (nnx.Dropout(rate), "
    "keep_rngs=False), and hand it those that the block's __call__ is given; take "
    "rnnshare.RNN in the place of nnx.RNN",
    jax.Array | np.ndarray: "compute what is constant in __call__",
}


class Stack(SharedModule):
    """Applies a block `depth` times under a sharing: `x = block(x)` with weights W_t.

    Pass t = 0 .. depth-1 over depth is what step t of an `RNN` is over time, and every
    sharing means the same: `Tied()` is a looped (recursive, universal) network,
    `Untied(depth)` the usual stack of layers, `LowRank` a recursive one with low-rank
    adapters, `Scaled` and `TimeInput` give each pass gains and biases of its own, and
    `Partition({"attention": Tied()}, rest=Untied(depth))` shares the one part alone.
    Where a sharing treats kernels and biases differently, a leaf of rank 2 or more is a
    kernel, and any other, the scale of a norm too, a bias.

    Its weights, `stored` and `load` are those of a `SharedModule`. The passes are one
    loop, compiled once whatever the depth.

    Dtypes: the input is cast to the dtype that the block returns, integers to floating
    numbers too, but not the other way; nothing else is cast.

        stack = Stack(functools.partial(Block, 64), Untied(6), 6, rngs=nnx.Rngs(0))

    References: Dehghani, Gouws, Vinyals, Uszkoreit, Kaiser, 2018, "Universal
    transformers" (tied); Bae et al., 2024, "Relaxed recursive transformers" (low rank).
    """

    def __init__(
        self,
        make_block: MakeBlock,
        sharing: Sharing,
        depth: int,
        *,
        rngs: nnx.Rngs,
        remat: bool = False,
        unroll: int = 1,
    ):
        """Draws the weights.

        Args:
          make_block: `make_block(rngs=...)` returns an `nnx.Module` that holds
            parameters only, called as `block(x)`, or as `block(x, rngs=rngs)` where its
            `__call__` takes rngs; it returns what is shaped as x. For a class, or a
            `functools.partial` of one, equal stacks share the program that draws them.
          sharing: how the weights of the passes come from the stored ones.
          depth: how many passes there are, unless the call says otherwise.
          rngs: the draws take `rngs.params()`.
          remat: recompute each pass in the backward pass; see `rnnshare.unroll`.
          unroll: passes in one iteration of the loop; see `rnnshare.unroll`.

        Raises:
          TypeError: if the sharing is none, make_block makes no module that can be
            called, or depth is no integer.
          ValueError: if the block holds state other than parameters, or a pass has no
            weights.
        """
        check_sharing(sharing)
        _check_depth(self, sharing, depth)
        blueprint = Blueprint.of(_checked(make_block), _WAYS_OUT)
        super().__init__(make_block, blueprint, sharing, rngs=rngs)
        self.block = nnx.static(blueprint)
        self.depth = depth
        self.remat = remat
        self.unroll = unroll

    def __call__(self, x: Any, *, depth: int | None = None, rngs: Any = None) -> Any:
        """Applies the block once a pass.

        Args:
          x: what the block takes: an array, or a pytree of arrays.
          depth: how many passes, to stop before or to go beyond the depth that the
            stack is built for. A pass beyond those that the sharing holds weights for
            reads what its `beyond` says; see `rnnshare.sharing.unseen.resolve_steps`.
          rngs: `nnx.Rngs` for what is random in the block, while training. Each pass
            gets keys of its own: those of each stream with its number folded in.
            Without it the block is in evaluation mode (`nnx.Module.eval`), with it in
            training mode.

        Returns:
          What the last pass returns, shaped as x.

        Raises:
          TypeError: if depth is no integer, rngs are no `nnx.Rngs`, or the block
            returns integers for floating numbers, or real ones for complex ones.
          ValueError: if a pass has no weights, or the block does not return what is
            shaped as x.
        """
        depth = self.depth if depth is None else depth
        _check_depth(self, self.sharing, depth)
        step = _step_of(self.block, rngs)
        x = self._as_returned(step, jax.tree.map(jnp.asarray, x))
        y, _ = unroll(
            step,
            self.sharing,
            self.stored,
            jnp.arange(depth, dtype=jnp.int32),
            x,
            remat=self.remat,
            unroll=self.unroll,
            implementation="scan",
        )
        return y

    def shown_parts(self) -> list[str]:
        """Returns block, sharing, depth, and what is not at its default."""
        return [
            describe(self.block.bind()),
            repr(self.sharing),
            f"depth={self.depth}",
            *self._shown_options(remat=False, unroll=1),
        ]

    def _as_returned(self, step: Any, x: Any) -> Any:
        """Returns x in the dtypes that the block returns; raises if shapes differ."""

        def first_pass(stored: Any, x: Any) -> Any:
            return step(self._weights_at(0, stored), x, jnp.int32(0))[0]

        returned = jax.eval_shape(first_pass, self.stored, x)
        given, found = (jax.tree.map(jnp.shape, tree) for tree in (x, returned))
        if given != found:
            raise ValueError(
                f"{describe(self.block.bind())} returns {found} for {given}, but each "
                "pass takes what the last one returned. Give the block as many outputs "
                "as inputs, and change their number before or after the stack."
            )
        return jax.tree.map(functools.partial(_cast, self.block), x, returned)


def _cast(blueprint: Blueprint, x: jax.Array, returned: Any) -> jax.Array:
    """Returns x in the dtype that is returned for it; raises if that loses its kind."""
    if x.dtype == returned.dtype:
        return x
    if _kind(x.dtype) > _kind(returned.dtype):
        raise TypeError(
            f"{describe(blueprint.bind())} returns {returned.dtype} for {x.dtype}, so "
            f"that the first pass would take x cut to {returned.dtype}. Pass x as "
            f"{returned.dtype}, or return {x.dtype}."
        )
    return x.astype(returned.dtype)


def _kind(dtype: Any) -> int:
    """Returns how much a dtype's kind can say: a kind says all that lesser ones do."""
    kinds = (jnp.bool_, jnp.integer, jnp.floating, jnp.complexfloating)
    fits = (i for i, kind in enumerate(kinds) if jnp.issubdtype(dtype, kind))
    return next(fits, len(kinds))


def _step_of(blueprint: Blueprint, rngs: nnx.Rngs | None) -> Step:
    """Returns a pass as a step of `unroll`, whose inputs are the numbers of passes."""
    if rngs is not None and not isinstance(rngs, nnx.Rngs):
        raise TypeError(f"rngs is a {type(rngs).__name__}. Use nnx.Rngs(dropout=key).")
    keys = None if rngs is None else {name: draw() for name, draw in rngs.items()}
    takes_rngs = "rngs" in inspect.signature(blueprint.bind()).parameters

    def step(weights: Any, x: Any, t: jax.Array) -> tuple[Any, None]:
        block = blueprint.bind(weights)
        if keys is None:
            block.eval()
            return block(x), None
        block.train()
        if not takes_rngs:
            return block(x), None
        own = {name: jax.random.fold_in(key, t) for name, key in keys.items()}
        return block(x, rngs=nnx.Rngs(**own)), None

    return step


def _checked(make_block: MakeBlock) -> MakeBlock:
    """Returns the factory, which raises if what it makes is no block."""

    def make(*, rngs: nnx.Rngs) -> nnx.Module:
        block = make_block(rngs=rngs)
        if not isinstance(block, nnx.Module) or not callable(block):
            raise TypeError(
                f"make_block must return an nnx.Module that is called as block(x), but "
                f"it returned a {type(block).__name__}. Blocks of other libraries run "
                "through rnnshare.unroll over the numbers of the passes."
            )
        return block

    return make


def _check_depth(stack: Stack, sharing: Sharing, depth: Any) -> None:
    """Raises unless the sharing, and each that it is built of, has all passes."""
    check_positive(stack, depth=depth)  # type: ignore[arg-type]

    def check(member: Sharing) -> Sharing:
        limit = None if member.delegates_steps else member.num_steps
        strict = getattr(member, "beyond", "error") == "error"
        if limit is not None and strict and depth > limit:
            raise ValueError(
                f"{member!r} holds weights for {limit} passes, but depth is {depth}. "
                "Choose what the others read, as in beyond='hold', or build it for "
                f"{depth}."
            )
        return member.map_members(check)

    check(sharing)
