"""`Partition`: another sharing for each part of a cell."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnshare.sharing.base import Sharing, Weights, save_all_but_slices, save_nothing
from rnnshare.sharing.templates import Tied
from rnnshare.sharing.unseen import apply_beyond, check_member

Path = tuple[str, ...]
LabelOf = Callable[[Path], str]
REST = "rest"


@dataclasses.dataclass(frozen=True, repr=False)
class Partition(Sharing):
    """Another sharing for each part of a cell, chosen by the paths of its leaves.

        Partition({"recurrent": Untied(28)})                   # the rest is tied
        Partition({"bias": Untied(28), "input": Cyclic(7)})
        Partition({"f": Untied(28)}, gates=LSTMCell.gates)     # the forget gate
        Partition({"a": Untied(28), "b": Tied()}, label_of=my_label_of_path)

    A leaf has the path of its keys, such as `('recurrent', 'kernel')`; with `gates`,
    which cut the last axis of every leaf into equal pieces, a piece has the gate's name
    as last key. A label owns what has the label's words, parted by dots, among its
    keys, in that order: `'recurrent.kernel'`, `'bias'`, `'input.f'`. The first label
    that does wins.

    Stored: by label, what its sharing stores of the cell's weights, whose tree has None
    where others own; `rest` is what no label owns. All parts draw from one key, so that
    a Partition of tied parts starts as Tied does. Parameters: the sum over the parts of
    those of a cell that has this part alone; nothing is stored twice. At an unseen step
    each part follows its own policy.

    Attributes:
      parts: {label: sharing}.
      rest: the sharing of what no label owns.
      gates: names of the pieces of the last axis, as `LSTMCell.gates`; () cuts nothing.
      label_of: `label_of(path)` returns a label, or 'rest', in place of the rule above;
        a function at module level, so that partitions compare equal.
    """

    parts: Any  # Mapping[str, Sharing]; kept as pairs, so that it hashes
    rest: Sharing = Tied()
    gates: tuple[str, ...] = ()
    label_of: LabelOf | None = None
    delegates_steps = True

    def __post_init__(self):
        pairs = dict(self.parts)
        object.__setattr__(self, "parts", tuple(pairs.items()))
        object.__setattr__(self, "gates", tuple(self.gates))
        if REST in pairs:
            raise ValueError("Partition: 'rest' is no label. Use Partition(..., rest=)")
        for member in self.members.values():
            check_member(self, member)

    @property
    def members(self) -> dict[str, Sharing]:
        """{label: sharing} of all parts, `rest` the last."""
        return {**dict(self.parts), REST: self.rest}

    @property
    def num_steps(self) -> int | None:  # type: ignore[override]
        """The least of its parts that hold weights for a number of steps."""
        return min(
            (m.num_steps for m in self.members.values() if m.num_steps is not None),
            default=None,
        )

    @property
    def remat_policy(self) -> Callable[..., bool] | None:  # type: ignore[override]
        """The policy that saves least among those of its parts."""
        policies = [member.remat_policy for member in self.members.values()]
        for policy in (save_nothing, save_all_but_slices):
            if policy in policies:
                return policy
        return None

    def parts_of(self, weights: Weights) -> dict[str, Weights]:
        """Returns {label: the weights it owns}, each the tree of all with None else.

        Args:
          weights: of one cell, or with leading axes.

        Raises:
          ValueError: if a label owns nothing, or the gates do not fit.
        """
        cut = self._cut(weights)
        paths = [_keys(path) for path, _ in jax.tree_util.tree_leaves_with_path(cut)]
        owners = {path: self._owner(path) for path in paths}
        self._check_owners(owners)
        return {
            label: jax.tree_util.tree_map_with_path(
                lambda path, w, label=label: (
                    w if owners[_keys(path)] == label else None
                ),
                cut,
            )
            for label in self.members
            if label in owners.values()
        }

    def init(self, key, init_cell):  # noqa: D102
        shapes = jax.eval_shape(lambda key: self.parts_of(init_cell(key)), key)

        def init_part(label: str, key: jax.Array) -> Weights:
            return self.parts_of(init_cell(key))[label]

        return {
            label: self.members[label].init(key, functools.partial(init_part, label))
            for label in shapes
        }

    def map_members(self, function):  # noqa: D102
        parts = {label: function(part) for label, part in self.parts}
        return dataclasses.replace(self, parts=parts, rest=function(self.rest))

    def split(self, stored, steps):  # noqa: D102
        halves = {
            label: member.split(stored[label], apply_beyond(member, steps))
            for label, member in self.members.items()
            if label in stored
        }
        common = {label: half[0] for label, half in halves.items()}
        return common, {label: half[1] for label, half in halves.items()}

    def merge(self, common, per_step_t):  # noqa: D102
        whole, *others = (
            self.members[label].merge(common[label], per_step_t[label])
            for label in common
        )
        for part in others:
            whole = jax.tree.map(
                lambda a, b: b if a is None else a, whole, part, is_leaf=_is_none
            )
        return self._join(whole)

    def supports_fused(self, per_step):
        """Whether all parts do, and no kernel is cut into gates."""
        return not self.gates and all(
            self.members[label].supports_fused(part) for label, part in per_step.items()
        )

    def product(self, common, per_step_t, path, x):
        """Returns `x @ kernel` by the products of the parts that own its pieces."""
        return self._by_pieces("product", common, per_step_t, path, x)

    def products(self, common, per_step, path, x):  # noqa: D102
        return self._by_pieces("products", common, per_step, path, x)

    def _by_pieces(
        self, method: str, common: Any, per_step: Any, path: Path, x: jax.Array
    ) -> jax.Array:
        def piece(path: Path) -> jax.Array:
            label = self._owner(path)
            product = getattr(self.members[label], method)
            return product(common[label], per_step[label], path, x)

        if not self.gates:
            return piece(path)
        return jnp.concatenate([piece((*path, gate)) for gate in self.gates], axis=-1)

    def _owner(self, path: Path) -> str:
        """Returns the label that owns the leaf, or piece of one, at a path."""
        if self.label_of is not None:
            return self.label_of(path)
        for label, _ in self.parts:
            keys = iter(path)
            if all(word in keys for word in label.split(".")):  # in that order
                return label
        return REST

    def _check_owners(self, owners: dict[Path, str]) -> None:
        known = self.members
        named = [".".join(path) for path in owners]
        for path, label in owners.items():
            if label not in known:
                raise ValueError(
                    f"{self!r}: label_of{path} is {label!r}. Use one of "
                    f"{', '.join(map(repr, known))}."
                )
        for label, _ in self.parts:
            if label not in owners.values():
                raise ValueError(
                    f"{self!r}: nothing is left for the label {label!r}. The cell has "
                    f"{', '.join(named)}, and the first label that fits owns."
                )

    def _cut(self, weights: Weights) -> Weights:
        """Returns the weights with a dictionary of gates in place of every leaf."""
        if not self.gates:
            return weights

        def cut(leaf: jax.Array) -> dict[str, jax.Array]:
            count = len(self.gates)
            if leaf.ndim == 0 or leaf.shape[-1] % count:
                raise ValueError(
                    f"{self!r} cuts the last axis into {count} gates, but a leaf has "
                    f"shape {leaf.shape}. Use the gates of this cell, or gates=()."
                )
            size = leaf.shape[-1] // count
            return {
                gate: leaf[..., i * size : (i + 1) * size]
                for i, gate in enumerate(self.gates)
            }

        return jax.tree.map(cut, weights)

    def _join(self, weights: Weights) -> Weights:
        """Returns the weights that were cut."""
        if not self.gates:
            return weights

        def join(pieces: dict[str, jax.Array]) -> jax.Array:
            return jnp.concatenate([pieces[gate] for gate in self.gates], axis=-1)

        return jax.tree.map(join, weights, is_leaf=self._is_cut)

    def _is_cut(self, node: Any) -> bool:
        return isinstance(node, dict) and set(node) == set(self.gates)

    def __repr__(self) -> str:
        """Prints the parts as they were given."""
        shown = [repr(dict(self.parts))]
        shown += [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)[1:]
            if getattr(self, field.name) != field.default
        ]
        return f"Partition({', '.join(shown)})"


def _keys(path: Any) -> Path:
    """Returns the keys of a path of JAX's as strings."""
    return tuple(str(getattr(key, "key", getattr(key, "name", key))) for key in path)


def _is_none(node: Any) -> bool:
    return node is None
