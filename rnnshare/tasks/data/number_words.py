"""The words of the numbers 0..9999 in five languages, as num2words has them.

Everything here is NumPy on the host; `rnnshare.tasks.translation` makes tasks of it.
"""

import functools
from typing import NamedTuple

import numpy as np

from rnnshare.tasks.data.arrays import locate
from rnnshare.tasks.data.checksums import tested_sha256

# Units before tens in German and Danish, twenties in French and Danish.
LANGUAGES = {
    "de": "German",
    "fr": "French",
    "en": "English",
    "it": "Italian",
    "da": "Danish",
}
NUM_NUMBERS = 10_000
# All characters of all languages, so that models of any of them are of one shape; a
# character's place is its token less 1, as 0 is the padding.
CHARACTERS = " ,-abcdefghijklmnopqrstuvwxyzßéöü"
LONGEST = {1_000: 33, NUM_NUMBERS: 47}  # characters of the numbers below, any language


class NumberWords(NamedTuple):
    """The words of 0..9999 in one language.

    Attributes:
      words: one text a number, lower case.
      tokens: int32[10_000, 47], of the characters, 0 in the padding.
      lengths: int32[10_000], characters of each.
      sha256: of the words.
    """

    words: tuple[str, ...]
    tokens: np.ndarray
    lengths: np.ndarray
    sha256: str


@functools.cache
def number_words(language: str) -> NumberWords:
    """Returns the words of 0..9999; German 21 is 'einundzwanzig'.

    Args:
      language: a key of `LANGUAGES`.

    Raises:
      ValueError: if the language is none of them, or its words hold a character that
        `CHARACTERS` lacks, are longer than `LONGEST`, or are not those of the version
        that rnnshare was tested with.
      ModuleNotFoundError: if num2words is not installed.
    """
    if language not in LANGUAGES:
        raise ValueError(
            f"language is {language!r}. Use one of {', '.join(LANGUAGES)}."
        )
    locate("num2words", "num2words/__init__.py")  # or else says what to install
    from num2words import num2words

    words = tuple(num2words(n, lang=language).lower() for n in range(NUM_NUMBERS))
    unknown = sorted(set("".join(words)) - set(CHARACTERS))
    longest = {below: max(map(len, words[:below])) for below in LONGEST}
    if unknown or any(longest[below] > LONGEST[below] for below in LONGEST):
        raise ValueError(
            f"num2words has {LANGUAGES[language]} words with the characters {unknown}, "
            f"which are not known here, or of {longest} characters, more than {LONGEST}"
            ". Install the version that rnnshare was tested with: pip install -c "
            "constraints.txt num2words"
        )
    token_of = {character: i + 1 for i, character in enumerate(CHARACTERS)}
    tokens = np.zeros((NUM_NUMBERS, LONGEST[NUM_NUMBERS]), np.int32)
    for row, text in zip(tokens, words, strict=True):
        row[: len(text)] = [token_of[character] for character in text]
    lengths = np.array([len(text) for text in words], np.int32)
    content, where = "\n".join(words).encode(), f"the {LANGUAGES[language]} words"
    digest = tested_sha256(f"number_words_{language}", content, where)
    return NumberWords(words, tokens, lengths, digest)
