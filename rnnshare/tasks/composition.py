"""Tasks that need the time: maps that differ by the step, and a string by heart.

Shape letters: B batch, T steps, D inputs, S states, O outputs.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import Batch, Classification, as_pytree, check_split
from rnnshare.tasks.classes import check_batch
from rnnshare.tasks.draws import one_hot, randint
from rnnshare.tasks.generated import GeneratedTask

_ENDLESS = 2**31 - 1  # examples: more than any training meets


@as_pytree("num_examples", "seed", "moves")
@dataclasses.dataclass(frozen=True, eq=False)
class Composition(GeneratedTask, Classification):
    """A state that each step maps: where is it after every step?

        s_t = moves[t, x_t, s_{t-1}],   s_{-1} = 0

    The inputs x_t are uniform over D symbols, one-hot; every `moves[t, x]` permutes the
    states. Where they differ by the step, a network must know the step; where they do
    not, what it learns at one step holds at all others. Both are one program.

    Attributes:
      num_examples: N; by default so many that a training meets each but once.
      moves: int32[T, D, S].
    """

    num_examples: Any = _ENDLESS
    seed: Any = 0
    num_held_out: int = 500
    moves: Any = dataclasses.field(kw_only=True)
    readout = "every"

    @classmethod
    def of(
        cls,
        num_steps: int,
        num_inputs: int,
        num_states: int,
        split: int = 0,
        *,
        same: bool = False,
        **options: Any,
    ) -> "Composition":
        """Returns the task with random permutations; `split` draws them and the data.

        Args:
          num_steps: T.
          num_inputs: D.
          num_states: S, at least 2.
          split: another one is another task.
          same: one map for all steps, that of step 0.
          **options: of the class.

        Raises:
          ValueError: if there is no step, no input, or but one state.
        """
        least = {"num_steps": 1, "num_inputs": 1, "num_states": 2}
        given = (num_steps, num_inputs, num_states)
        for (name, lowest), count in zip(least.items(), given, strict=True):
            if count < lowest:
                raise ValueError(
                    f"Composition: {name} is {count}. Use at least {lowest}."
                )
        states = np.tile(np.arange(num_states), (num_steps, num_inputs, 1))
        moves = np.random.default_rng(split).permuted(states, axis=-1)
        if same:
            moves = np.repeat(moves[:1], num_steps, axis=0)
        return cls(moves=moves.astype(np.int32), seed=split, **options)

    @property
    def name(self) -> str:  # type: ignore[override]
        """`composition_`, T, D and S, and whether one map holds; N if it has an end."""
        steps, inputs, states = self.moves.shape
        same = "_same" if np.all(self.moves == self.moves[:1]) else ""
        count = int(self.num_examples)
        size = "" if count == _ENDLESS else f"_n{count}"
        return f"composition_{steps}_{inputs}_{states}{same}{size}"

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T."""
        return self.moves.shape[0]

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """D."""
        return self.moves.shape[1]

    @property
    def out_features(self) -> int:  # type: ignore[override]
        """S."""
        return self.moves.shape[2]

    def example(self, key: jax.Array, split: str) -> Batch:  # noqa: D102
        del split
        symbols = randint(key, (self.num_steps,), 0, self.in_features)

        def move(state: jax.Array, at: Any) -> tuple[jax.Array, jax.Array]:
            table, symbol = at
            state = table[symbol, state]
            return state, state

        moves = jnp.asarray(self.moves)
        _, states = jax.lax.scan(move, jnp.int32(0), (moves, symbols))
        return Batch(one_hot(symbols, self.in_features), states)

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Guesses that know the step, and the input of the step too; and the rule.

        They are exact: the likeliest state of every step, given what is known.
        """
        _, inputs, states = self.moves.shape
        at = np.eye(states)[0]  # the probability of each state
        found = []
        for table in np.asarray(self.moves):
            after = np.zeros((inputs, states))  # joint with the input
            for symbol, state in np.ndindex(inputs, states):
                after[symbol, table[symbol, state]] += at[state] / inputs
            at = after.sum(0)
            found.append((at.max(), after.max(1).sum()))
        chance, of_input = np.mean(found, axis=0)
        return {
            "chance": {"accuracy": float(chance)},
            "no memory": {"accuracy": float(of_input)},
            "oracle": {"accuracy": 1.0, "loss": 0.0},
        }


@as_pytree("bits", "length")
@dataclasses.dataclass(frozen=True, eq=False)
class RandomString(Classification):
    """A string of random bits, one at every step; the input is always 1.

    There is but one example. What a network without weights per step puts out is the
    orbit of one map, from its carry on.

    Attributes:
      bits: int32[T].
      length: int32[], the steps that are asked for; strings of other lengths are one
        program.
    """

    bits: Any
    length: Any
    in_features = 1
    out_features = 2
    readout = "every"

    def __post_init__(self):
        """Raises unless its bits are 0 and 1."""
        check_batch("RandomString: string", Batch(None, self.bits), self.out_features)

    @classmethod
    def of(cls, num_steps: int, length: int, split: int = 0) -> "RandomString":
        """Returns a string of T bits that `split` draws, of which `length` count.

        Raises:
          ValueError: unless length is between 1 and T.
        """
        if not 1 <= length <= num_steps:
            raise ValueError(
                f"RandomString: length is {length}. Use 1 to num_steps={num_steps}."
            )
        bits = np.random.default_rng(split).integers(0, 2, num_steps)
        return cls(bits.astype(np.int32), np.int32(length))

    @property
    def name(self) -> str:  # type: ignore[override]
        """`random_string_`, the length and T."""
        return f"random_string_{int(self.length)}_of_{self.num_steps}"

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T."""
        return self.bits.shape[-1]

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Returns copies of the one example."""
        del key
        shape = (batch_size, self.num_steps)
        asked = jnp.arange(self.num_steps) < self.length
        return Batch(
            jnp.ones((*shape, 1), jnp.float32),
            jnp.broadcast_to(jnp.asarray(self.bits), shape),
            mask=jnp.broadcast_to(asked, shape),
        )

    def held_out(self, split: str) -> Batch:
        """Returns the one example, in every split."""
        check_split(split)
        return self.sample(jax.random.key(0), 1)

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """A coin, on average over the strings; and the string by heart."""
        return {
            "chance": {"accuracy": 0.5},
            "oracle": {"accuracy": 1.0, "loss": 0.0},
        }
