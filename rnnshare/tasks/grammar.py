"""A little grammar: "On Monday it was snowing" means "It was snowing on Monday".

    sentence -> fact | fact "and" fact
    fact     -> [filler] time [filler] clause | [filler] clause [filler] time
    time     -> "on" day
    clause   -> "it" "was" weather
    question -> "?" | "?" day                   after one fact, after two

The words are in `vocabulary.txt`. The answer is whether it was wet (then). With one
fact the words alone tell, in any order; with two, one wet and one dry, only their order
does.

Shape letters: T words of the longest text.
"""

import dataclasses
import functools
import importlib.resources
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import Batch, Classification, as_pytree
from rnnshare.tasks.data.checksums import sha256
from rnnshare.tasks.draws import bernoulli, one_hot, randint
from rnnshare.tasks.generated import GeneratedTask

TIME_FIRST, CLAUSE_FIRST = 0, 1
_SHA256 = "786e2dfcb514ed3017019f715b510cef58e9cf1d9ec036974a061d3d4d82e0e3"
_FACT = 7  # words of the longest fact: two fillers, a time, a clause


@functools.cache
def vocabulary() -> dict[str, tuple[str, ...]]:
    """Returns {category: its words}, in the order of their token numbers.

    Raises:
      ValueError: if the file of the words is not the one that rnnshare was tested with.
    """
    path = importlib.resources.files(__package__).joinpath("vocabulary.txt")
    content = path.read_bytes()
    if sha256(content) != _SHA256:
        raise ValueError(
            f"{path} has the SHA-256 {sha256(content)}, but rnnshare was tested with "
            f"{_SHA256}. Install rnnshare again."
        )
    text = content.decode("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {
        category: tuple(found.split())
        for category, _, found in (line.partition(":") for line in lines)
    }


@functools.cache
def words() -> tuple[str, ...]:
    """Returns all words: a token is a number of this list."""
    return tuple(word for found in vocabulary().values() for word in found)


def weathers() -> tuple[str, ...]:
    """Returns the words for weather, the wet ones first."""
    return vocabulary()["wet"] + vocabulary()["dry"]


@as_pytree("num_examples", "seed", "held_out_order")
@dataclasses.dataclass(frozen=True, eq=False)
class WordOrder(GeneratedTask, Classification):
    """Was it wet? Some words for weather are never met in one of the two orders.

    In training, a weather never stands in the order that is held out for it; in the
    test set, every fact is of a held-out pair. `validation` is drawn as training is.

    Attributes:
      held_out_order: int32[8], of each weather: 0 never after the time, 1 never before
        it, 2 met in both orders. See `of`.
      num_facts: 1, or 2 with a question for one of two days.
      one_hot: whether words are float[T, words] instead of token numbers, so that
        nothing of how a word is read is shared by the steps but the RNN's weights.
    """

    held_out_order: Any = dataclasses.field(kw_only=True)
    num_facts: int = 1
    one_hot: bool = False
    out_features = 2

    @classmethod
    def of(
        cls, num_examples: int = 2_000, split: int = 0, **options: Any
    ) -> "WordOrder":
        """Returns the task with the held-out pairs drawn by `split`.

        Of the wet weathers, and of the dry ones, at least one is held out from each
        order, one is met in both, and one is drawn.

        Raises:
          ValueError: if num_facts is not 1 or 2.
        """
        if options.get("num_facts", 1) not in (1, 2):
            raise ValueError(
                f"WordOrder: num_facts is {options['num_facts']}. Use 1 or 2."
            )
        rng = np.random.default_rng(split)
        halves = [rng.permutation([0, 1, 2, int(rng.integers(2))]) for _ in range(2)]
        orders = np.concatenate(halves).astype(np.int32)
        return cls(num_examples, split, held_out_order=orders, **options)

    @property
    def name(self) -> str:  # type: ignore[override]
        """`word_order_`, the number of facts, N, and whether words are one-hot."""
        name = f"word_order_{self.num_facts}_n{int(self.num_examples)}"
        return f"{name}_one_hot" if self.one_hot else name

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """The size of the embedding; with `one_hot`, the number of words."""
        return len(words()) if self.one_hot else 16

    @property
    def num_tokens(self) -> int | None:  # type: ignore[override]
        """The number of words; with `one_hot` None."""
        return None if self.one_hot else len(words())

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T."""
        return self.num_facts * (_FACT + 1) + self.num_facts - 1

    def example(self, key: jax.Array, split: str) -> Batch:  # noqa: D102
        for_day, for_wet, for_asked, *for_facts = jax.random.split(key, 5)
        both = jax.random.choice(for_day, 7, (2,), replace=False)
        first_is_wet = bernoulli(for_wet)
        facts = [
            self._fact(for_facts[i], split, both[i], first_is_wet ^ (i == 1))
            for i in range(self.num_facts)
        ]
        asked = bernoulli(for_asked) & (self.num_facts == 2)
        parts = [facts[0]]
        if self.num_facts == 2:
            parts += [_word("and"), facts[1]]
        parts += [_word("?")]
        if self.num_facts == 2:
            parts += [_day(both[asked.astype(int)])]
        tokens = jnp.concatenate([*parts])
        # Words first, in their order; -1 stands for none.
        order = jnp.argsort(tokens < 0, stable=True)
        count = jnp.sum(tokens >= 0)
        tokens = jnp.maximum(tokens[order], 0)
        wet = (first_is_wet ^ asked).astype(jnp.int32)
        tokens = tokens.astype(jnp.int32)
        inputs = one_hot(tokens, len(words())) if self.one_hot else tokens
        return Batch(inputs, wet, count.astype(jnp.int32))

    def _fact(
        self, key: jax.Array, split: str, day: jax.Array, is_wet: jax.Array
    ) -> jax.Array:
        """Returns int[7], the words of a fact; -1 for a filler that is not there."""
        for_pair, for_fillers, for_which = jax.random.split(key, 3)
        weather, order = jnp.divmod(jnp.arange(16), 2)
        held_out = jnp.asarray(self.held_out_order)[weather] == order
        allowed = held_out if split == "test" else ~held_out
        allowed &= (weather < 4) == is_wet
        logits = jnp.where(allowed, jnp.float32(0), jnp.finfo(jnp.float32).min)
        pair = jax.random.categorical(for_pair, logits)
        weather, order = jnp.divmod(pair, 2)
        there = bernoulli(for_fillers, shape=(2,))
        fillers = _start("filler") + randint(for_which, (2,), 0, 4)
        fillers = jnp.where(there, fillers, -1)
        time = jnp.concatenate([_word("on"), _day(day)])
        clause = jnp.concatenate([_word("it"), _word("was"), _weather(weather)])
        first, second = fillers[:1], fillers[1:]
        return jnp.where(
            order == TIME_FIRST,
            jnp.concatenate([first, time, second, clause]),
            jnp.concatenate([first, clause, second, time]),
        )

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Guessing, and understanding; counted words alone reach 1/2 of two facts."""
        return {"chance": {"accuracy": 0.5}, "oracle": {"accuracy": 1.0}}


def _start(category: str) -> int:
    return words().index(vocabulary()[category][0])


def _word(word: str) -> jax.Array:
    return jnp.array([words().index(word)], jnp.int32)


def _day(number: jax.Array) -> jax.Array:
    return (_start("day") + number)[None]


def _weather(number: jax.Array) -> jax.Array:
    return (_start("wet") + number)[None]
