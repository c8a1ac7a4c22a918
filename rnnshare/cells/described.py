"""One line for a module: what `repr`, `print` and Flax's displays show of it."""

from collections.abc import Iterator
from typing import Any

import jax
from flax import nnx
from flax.nnx import reprlib
from treescope import rendering_parts

from rnnshare.sharing.base import num_parameters

_SIZES = (
    "num_embeddings", "features", "in_features", "hidden_features", "out_features",
)  # fmt: skip


class OneLine(nnx.Module):
    """A module that is shown as its class, its parts and how many parameters it has."""

    def shown_parts(self) -> list[str]:
        """Returns what stands before the number of parameters."""
        raise NotImplementedError

    def __nnx_repr__(self) -> Iterator[reprlib.Object | reprlib.Attr]:
        """Yields what Flax joins to the text."""
        leaves = jax.tree.leaves(nnx.state(self, nnx.Param))
        count = num_parameters([leaf for leaf in leaves if hasattr(leaf, "shape")])
        yield reprlib.Object(type(self), kv_sep="", same_line=True)
        for part in (*self.shown_parts(), f"{count:,} parameters"):
            yield reprlib.Attr("", part, use_raw_value=True, use_raw_key=True)

    def __treescope_repr__(self, path: str | None, subtree_renderer: Any) -> Any:
        """Returns the same line, for notebooks."""
        del subtree_renderer
        return rendering_parts.build_one_line_tree_node(repr(self), path)


def describe(module: nnx.Module) -> str:
    """Returns a module's class and sizes, as `LSTMCell(12, 64)`; one line."""
    if isinstance(module, OneLine):
        return repr(module)
    sizes = [str(getattr(module, name)) for name in _SIZES if hasattr(module, name)]
    return f"{type(module).__name__}({', '.join(sizes)})"
