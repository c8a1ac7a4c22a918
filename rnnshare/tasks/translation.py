"""Translation: from the words of a number, letter by letter, to its digits.

Shape letters: B batch, T letters, U symbols of the answer (digits, then an end).
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import (
    SPLITS,
    Batch,
    Classification,
    Metrics,
    as_pytree,
    check_split,
    masked_mean,
)
from rnnshare.tasks.classes import check_batch, cross_entropy, rightness
from rnnshare.tasks.data.number_words import (
    CHARACTERS,
    LANGUAGES,
    LONGEST,
    NUM_NUMBERS,
    number_words,
)
from rnnshare.tasks.draws import randint

END = 10  # the symbol after the last digit
NUM_SYMBOLS = 11
_LONGER_TESTED = 1_000


class Pair(NamedTuple):
    """What an encoder-decoder reads.

    Attributes:
      source: int32[B, T], letters.
      target: int32[B, U], the answer, which a decoder is fed one step late.
    """

    source: Any
    target: Any


@as_pytree("train", "validation", "test", "language")
@dataclasses.dataclass(frozen=True, eq=False)
class Translation(Classification):
    """Number words to digits; inputs are a `Pair`, targets its answers int32[B, U].

    Outputs are logits [B, U, 11] of each symbol, given the right symbols before it. An
    answer is exact if the largest logits are right at all its symbols, the end among
    them: greedy decoding, which is fed its own symbols, then gives that answer and, by
    induction over the symbols, gives it only then.

    Attributes:
      train, validation, test: the sets, disjoint.
      language: int32[], its place in `LANGUAGES`; an array, so that models of any of
        them share one compilation.
      trained_below: the numbers of `train` and `validation` are below, and the first of
        `test`; where that is not all, `test` ends in longer numbers, which are measured
        apart, as `longer_accuracy` and `longer_exact_match`.
    """

    train: Batch
    validation: Batch
    test: Batch
    language: Any
    trained_below: int = NUM_NUMBERS
    in_memory = True
    readout = "every"
    in_features = 16
    out_features = NUM_SYMBOLS
    num_tokens = len(CHARACTERS) + 1

    def __post_init__(self):
        """Raises unless its symbols, and letters, are ones that there are."""
        for split in SPLITS:
            batch = getattr(self, split)
            letters = getattr(getattr(batch, "inputs", None), "source", None)
            if letters is not None:
                batch = batch._replace(inputs=letters)
            owner = f"{type(self).__name__}: {split}"
            check_batch(owner, batch, self.out_features, self.num_tokens)

    @property
    def name(self) -> str:  # type: ignore[override]
        """`number_words_`, the language, and what is trained."""
        return f"number_words_{self._language}_below_{self.trained_below}"

    @property
    def sha256(self) -> str:
        """Of all words of the language."""
        return number_words(self._language).sha256

    @property
    def _language(self) -> str:
        return list(LANGUAGES)[int(self.language)]

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T of the test set, which may be longer than the others."""
        return self.test.inputs.source.shape[1]

    @property
    def num_answered(self) -> int:
        """U."""
        return self.test.targets.shape[1]

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Draws training examples with replacement."""
        rows = randint(key, (batch_size,), 0, len(self.train.targets))
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], self.train)

    def held_out(self, split: str) -> Batch:
        """Returns a set; of the training set as many as there are in `validation`."""
        check_split(split)
        if split != "train":
            return getattr(self, split)
        count = len(self.validation.targets)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[:count], self.train)

    def metrics(self, outputs: jax.Array, batch: Batch) -> Metrics:
        """Returns `loss`, `accuracy` of symbols, and `exact_match`; NaN of no number.

        `longer_...` are those of numbers with more digits than the trained ones; sets
        whose words are too short for any have none.
        """
        symbols = jnp.asarray(batch.mask)
        right = rightness(outputs, batch.targets, symbols)
        longest = len(str(self.trained_below - 1)) + 1
        longer = jnp.sum(symbols, axis=1) > longest
        losses = cross_entropy(outputs, batch.targets, symbols)

        def over(numbers: jax.Array) -> Metrics:
            scored = symbols & numbers[:, None]
            exact = jnp.min(jnp.where(symbols, right, 1.0), axis=1)
            return {
                "loss": masked_mean(losses, scored),
                "accuracy": masked_mean(right, scored),
                "exact_match": masked_mean(exact, numbers),
            }

        found = over(~longer)
        letters = getattr(batch.inputs, "source", None)
        trained = LONGEST[self.trained_below]
        if trained < LONGEST[NUM_NUMBERS] and (
            letters is None or letters.shape[1] > trained
        ):
            any_longer = jnp.any(longer)
            for name, value in over(longer).items():
                found[f"longer_{name}"] = jnp.where(any_longer, value, jnp.nan)
        return found

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """The best without the words: frequencies of the symbols at each place.

        A constant answer is right for one number of all.
        """
        counts = np.stack(
            [
                np.bincount(symbols[scored], minlength=NUM_SYMBOLS)
                for symbols, scored in zip(
                    self.train.targets.T, self.train.mask.T, strict=True
                )
            ]
        )
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        surprise = -np.log(np.where(counts > 0, share, 1.0))
        found = {
            "loss": float((counts * surprise).sum() / counts.sum()),
            "accuracy": float(counts.max(1).sum() / counts.sum()),
            "exact_match": 1 / self.trained_below,
        }
        if self.trained_below < NUM_NUMBERS:
            found["longer_exact_match"] = 1 / (NUM_NUMBERS - self.trained_below)
        return {"chance": found}


@functools.lru_cache(maxsize=32)
def translation(
    split: int = 0, *, language: str = "de", trained_below: int = NUM_NUMBERS
) -> Translation:
    """Returns the translation of number words of a language into digits.

    Of the numbers below `trained_below`, four fifths are for training and a tenth each
    for validation and test; below 10,000 that is 8000, 1000 and 1000. Trained below
    1000, the test set ends in 1000 of the numbers 1000..9999, which are longer than
    any that was trained. All languages have equal shapes.

    Args:
      split: which numbers are where.
      language: a key of `rnnshare.tasks.data.number_words.LANGUAGES`.
      trained_below: 1000 or 10,000.

    Raises:
      ValueError: if one of them is none of these.
    """
    if not isinstance(split, int) or isinstance(split, bool) or split < 0:
        raise ValueError(f"split is {split!r}. Use 0 or a positive number.")
    if trained_below not in LONGEST:
        raise ValueError(
            f"trained_below is {trained_below}. Use one of "
            f"{', '.join(map(str, LONGEST))}."
        )
    pool = number_words(language)
    rng = np.random.default_rng(split)
    tenth = trained_below // 10
    cuts = [trained_below - 2 * tenth, trained_below - tenth]
    train, validation, test = np.split(rng.permutation(trained_below), cuts)
    longest = LONGEST[trained_below]
    if trained_below < NUM_NUMBERS:
        longer = np.arange(trained_below, NUM_NUMBERS)
        test = np.append(test, rng.choice(longer, _LONGER_TESTED, replace=False))
        longest_tested = LONGEST[NUM_NUMBERS]
    else:
        longest_tested = longest

    def batch(numbers: np.ndarray, num_steps: int) -> Batch:
        answers, scored = write_answers(numbers)
        source = pool.tokens[numbers, :num_steps]
        return Batch(Pair(source, answers), answers, pool.lengths[numbers], scored)

    return Translation(
        train=batch(train, longest),
        validation=batch(validation, longest),
        test=batch(test, longest_tested),
        language=np.int32(list(LANGUAGES).index(language)),
        trained_below=trained_below,
    )


def write_answers(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns digits and end of each number, int32[B, U], and which of them are scored.

    After the end come more ends, which are not scored.
    """
    num_answered = len(str(NUM_NUMBERS - 1)) + 1
    numbers, powers = np.asarray(numbers)[:, None], 10 ** np.arange(num_answered)
    num_digits = np.maximum(1, np.sum(numbers >= powers, axis=1, keepdims=True))
    place = np.arange(num_answered)
    power = powers[np.maximum(num_digits - 1 - place, 0)]
    answers = np.where(place < num_digits, numbers // power % 10, END)
    return answers.astype(np.int32), place <= num_digits


def read_answers(symbols: np.ndarray) -> list[str]:
    """Returns answers int[B, U] as text, up to the end; '...' where there is none."""
    texts = []
    for row in np.asarray(symbols).tolist():
        cut = row.index(END) if END in row else None
        texts.append("".join(map(str, row[:cut])) + ("..." if cut is None else ""))
    return texts
