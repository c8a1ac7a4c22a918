"""Text, character by character: which one comes next?"""

import dataclasses
import functools
import math

import jax
import numpy as np

from rnnshare.tasks.base import Batch, Metrics, as_pytree, generated
from rnnshare.tasks.data import texts
from rnnshare.tasks.pools import ArrayTask

# Windows in the sets: as many in every split, so that models share a compilation.
_SIZES = {"train": 4_000, "validation": 500, "test": 800}
_STREAMS = {"train": 4_000, "validation": 150, "test": 150}
_BETWEEN = "\n"  # tunes; no tune has it


@as_pytree("train", "validation", "test")
@dataclasses.dataclass(frozen=True, eq=False)
class NextCharacter(ArrayTask):
    """Predict at every step the character that follows, of windows held in memory.

    `chance` is that of a uniform guess; see `ArrayTask` for the fields.
    """

    readout = "every"

    def metrics(self, outputs: jax.Array, batch: Batch) -> Metrics:
        """Returns `loss` in nats, `bits_per_character`, and `accuracy`."""
        found = super().metrics(outputs, batch)
        return {**found, "bits_per_character": found["loss"] / math.log(2)}

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """A uniform guess, and chance: the frequencies of the training characters."""
        counts = np.bincount(np.ravel(self.train.targets), minlength=self.out_features)
        share = counts[counts > 0] / counts.sum()
        unigram = float(share.max()), float(-np.sum(share * np.log(share)))
        return {
            name: {
                "loss": loss,
                "accuracy": accuracy,
                "bits_per_character": loss / math.log(2),
            }
            for name, (accuracy, loss) in (
                ("uniform", self.chance),
                ("chance", unigram),
            )
        }


@functools.lru_cache(maxsize=32)
@generated(source="sha256")
def folk_tunes(split: int = 0, *, num_steps: int = 64) -> NextCharacter:
    """Returns fiddle tunes in ABC notation: 64 characters from a bar line on.

    Four fifths of the tunes are for training, a tenth each for validation and test; a
    window begins at a bar line. The sets hold 4000, 500 and 800 windows, drawn without
    replacement from all that the tunes have; of one tune they may overlap.

    Args:
      split: which tunes are where, and which windows are drawn.
      num_steps: T.

    Raises:
      ValueError: if the split is no number from 0 on, or the tunes hold too few windows
        of so many steps.
    """
    pool, parted, rng = _parted(split)
    token_of = {character: i for i, character in enumerate(pool.characters)}
    sets = {}
    for (name, count), tunes in zip(_SIZES.items(), parted, strict=True):
        windows = [
            text[at : at + num_steps + 1]
            for text in (pool.texts[tune] for tune in tunes)
            for at, character in enumerate(text[: max(0, len(text) - num_steps)])
            if character == "|"
        ]
        if len(windows) < count:
            raise ValueError(
                f"folk_tunes: the {name} tunes of split {split} hold {len(windows)} "
                f"windows of num_steps={num_steps}, but {count} are drawn. Use fewer "
                "steps."
            )
        drawn = rng.choice(len(windows), count, replace=False)
        tokens = np.array(
            [[token_of[c] for c in windows[row]] for row in np.sort(drawn)], np.int32
        )
        sets[name] = Batch(tokens[:, :-1], tokens[:, 1:])
    name = "folk_tunes" if num_steps == 64 else f"folk_tunes_{num_steps}"
    return _next_character(name, sets, len(pool.characters), pool.sha256)


@functools.lru_cache(maxsize=32)
@generated(source="sha256")
def folk_tune_streams(split: int = 0, *, num_steps: int = 256) -> NextCharacter:
    """Returns fiddle tunes one after another, in long sequences, as one text.

    The tunes are parted as those of `folk_tunes`, and joined with a character of its
    own between them. The sets hold 4000, 150 and 150 sequences that begin at equal
    distances; those of a set overlap where its text is shorter than they are together.

    Args:
      split: which tunes are where, and in which order.
      num_steps: T.

    Raises:
      ValueError: if the split is no number from 0 on, or a part is shorter than T + 1.
    """
    pool, parted, _ = _parted(split)
    characters = _BETWEEN + pool.characters
    token_of = {character: i for i, character in enumerate(characters)}
    joined = [_BETWEEN.join(pool.texts[tune] for tune in tunes) for tunes in parted]
    for name, text in zip(_STREAMS, joined, strict=True):
        if len(text) <= num_steps:
            raise ValueError(
                f"folk_tune_streams: the {name} tunes of split {split} have "
                f"{len(text)} characters, but num_steps is {num_steps}. Use fewer."
            )
    sets = {}
    for (name, count), text in zip(_STREAMS.items(), joined, strict=True):
        tokens = np.array([token_of[character] for character in text], np.int32)
        starts = np.linspace(0, len(text) - num_steps - 1, count).astype(int)
        rows = tokens[starts[:, None] + np.arange(num_steps + 1)]
        sets[name] = Batch(rows[:, :-1], rows[:, 1:])
    name = f"folk_tune_streams_{num_steps}"
    return _next_character(name, sets, len(characters), pool.sha256)


def _parted(split: int) -> tuple[texts.Tunes, list[np.ndarray], np.random.Generator]:
    """Returns the tunes, and which are for training, validation and test."""
    if not isinstance(split, int) or isinstance(split, bool) or split < 0:
        raise ValueError(f"split is {split!r}. Use 0 or a positive number.")
    pool = texts.folk_tunes()
    rng = np.random.default_rng(split)
    order = rng.permutation(len(pool.texts))
    tenth = len(order) // 10
    parted = np.split(order, [len(order) - 2 * tenth, len(order) - tenth])
    return pool, parted, rng


def _next_character(
    name: str, sets: dict[str, Batch], num_tokens: int, sha256: str
) -> NextCharacter:
    return NextCharacter(
        **sets,
        name=name,
        out_features=num_tokens,
        sha256=sha256,
        chance=(1 / num_tokens, math.log(num_tokens)),
        num_tokens=num_tokens,
    )
