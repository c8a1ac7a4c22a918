"""Recall after a lag: what truncated back-propagation can and cannot reach.

Shape letters: B batch, T time.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import (
    Batch,
    Classification,
    Metrics,
    as_pytree,
    check_counts,
    check_split,
    held_out_key,
)
from rnnshare.tasks.draws import one_hot, randint


@as_pytree("shortest")
@dataclasses.dataclass(frozen=True, eq=False)
class LagRecall(Classification):
    """A stream of questions: a symbol is shown, and asked for some steps later.

    Episode after episode: a symbol, one of m, one-hot; L - 1 blanks; a query, which is
    answered with the symbol. The next symbol follows at once. Lags L are drawn from
    `shortest` to `longest`, in the test set from 1 on; the first symbol comes after up
    to `longest` blanks, so that questions fall anywhere on the windows of a truncation.

    Attributes:
      num_steps: T.
      longest: the longest lag, in steps.
      shortest: int32[], the shortest lag but for the test set.
      num_symbols: m.
      bounds: lags at which the accuracy is parted: `(1, 10, 20)` gives that of lags
        1..9 and 10..20.
      num_held_out: examples in each held-out set.
    """

    num_steps: int
    longest: int
    shortest: Any = 1
    num_symbols: int = 4
    bounds: tuple[int, ...] = ()
    num_held_out: int = 200
    readout = "every"

    def __post_init__(self):
        if not isinstance(self.shortest, int):
            return  # a leaf of a pytree that was a task before
        check_counts(self, longest=1, num_symbols=2, num_held_out=1)
        check_counts(self, num_steps=2 * self.longest, shortest=1)
        if self.shortest > self.longest:
            raise ValueError(
                f"LagRecall: shortest is {self.shortest}, longest {self.longest}. Use "
                "a shortest lag up to the longest."
            )
        if self.bounds and sorted(set(self.bounds)) != list(self.bounds):
            raise ValueError(
                f"LagRecall: bounds are {self.bounds}. Give rising lags, or ()."
            )
        object.__setattr__(self, "shortest", np.int32(self.shortest))

    @property
    def name(self) -> str:  # type: ignore[override]
        """`lag_recall_`, the lags that are trained on, and T."""
        lags = f"{int(self.shortest)}_{self.longest}"
        return f"lag_recall_{lags}_t{self.num_steps}"

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """The symbols and the query, one-hot; a blank is zeros."""
        return self.num_symbols + 1

    @property
    def out_features(self) -> int:  # type: ignore[override]
        """The symbols."""
        return self.num_symbols

    def sample(self, key: jax.Array, batch_size: int) -> Batch:  # noqa: D102
        return self._draw(key, batch_size, jnp.asarray(self.shortest))

    def held_out(self, split: str) -> Batch:  # noqa: D102
        check_split(split)
        shortest = 1 if split == "test" else self.shortest
        return self._draw(
            held_out_key(split), self.num_held_out, jnp.asarray(shortest, jnp.int32)
        )

    def _draw(self, key: jax.Array, batch_size: int, shortest: jax.Array) -> Batch:
        for_lags, for_symbols, for_start = jax.random.split(key, 3)
        steps = jnp.arange(self.num_steps)[None]
        # As many episodes as there could be of the shortest kind, a lag of 1.
        shape = (batch_size, -(-self.num_steps // 2))
        lags = randint(for_lags, shape, shortest, self.longest + 1)
        start = randint(for_start, (batch_size, 1), 0, self.longest + 1)
        queries = start + jnp.cumsum(lags + 1, 1) - 1
        # At step t so many queries are over: that is the number of t's episode.
        episode = jax.vmap(lambda q: jnp.searchsorted(q, steps[0]))(queries)
        symbols = randint(for_symbols, shape, 0, self.num_symbols)
        symbol = jnp.take_along_axis(symbols, episode, 1)
        query = jnp.take_along_axis(queries, episode, 1)
        shown = steps == query - jnp.take_along_axis(lags, episode, 1)
        asked = steps == query
        token = jnp.where(shown, symbol, jnp.where(asked, self.num_symbols, -1))
        return Batch(one_hot(token, self.in_features), symbol, mask=asked)

    def lags_of(self, batch: Batch) -> jax.Array:
        """Returns int32[B, T]: at a query its lag, in steps; 0 elsewhere."""
        steps = jnp.arange(self.num_steps)[None]
        shown = jnp.any(batch.inputs[..., : self.num_symbols] > 0, -1)
        last = jax.lax.cummax(jnp.where(shown, steps, -1), axis=1)
        return jnp.where(batch.mask, steps - last, 0)

    def metrics(self, outputs: jax.Array, batch: Batch) -> Metrics:
        """Returns `loss`, `accuracy`, and `accuracy_a_b` of the lags a..b."""
        found = super().metrics(outputs, batch)
        lags = self.lags_of(batch)
        for name, (low, high) in self.parts.items():
            within = batch._replace(mask=(lags >= low) & (lags <= high))
            found[name] = super().metrics(outputs, within)["accuracy"]
        return found

    @property
    def parts(self) -> dict[str, tuple[int, int]]:
        """{metric: (its shortest, its longest lag)}, as `bounds` part the lags."""
        ends = [*(bound - 1 for bound in self.bounds[1:-1]), *self.bounds[-1:]]
        pairs = zip(self.bounds[:-1], ends, strict=False)
        return {f"accuracy_{low}_{high}": (low, high) for low, high in pairs}

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """A guess among m symbols, and a memory."""
        guess = {"loss": math.log(self.num_symbols), "accuracy": 1 / self.num_symbols}
        return {"chance": guess, "oracle": {"loss": 0.0, "accuracy": 1.0}}
