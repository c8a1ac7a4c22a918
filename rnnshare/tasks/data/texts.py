"""Real text, read from the files of installed packages; the packages stay unimported.

Everything here is NumPy on the host. `rnnshare.tasks` makes tasks of it.
"""

import ast
import functools
import pathlib
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from rnnshare.tasks.data.arrays import Dataset, locate
from rnnshare.tasks.data.checksums import tested_sha256

# Languages of Latin script; the order is that of the classes.
LOCALES = ("de_DE", "es_ES", "fi_FI", "fr_FR", "hr_HR", "it_IT", "nl_NL", "sv_SE")
LONGEST_NAME = 14
NAMES_A_LANGUAGE = 320
_NUM_TESTED = 80


class Tunes(NamedTuple):
    """Melodies written as characters.

    Attributes:
      texts: one a tune.
      characters: all that occur, sorted; a character's place is its token.
      sha256: of the files that were read.
    """

    texts: tuple[str, ...]
    characters: str
    sha256: str


@functools.cache
def surnames() -> Dataset:
    """Surnames: of which language? 1920/640, T = 14 letters, 8 languages.

    The lists of `faker`, lower-cased. Left out are names in more than one of the lists,
    those with anything but letters, and those of more than 14 letters; of each language
    320 are drawn, the same each time. Token 0 is the padding, the letters are 1 and on.
    There is no published split of them; the last 80 of each language are the test set.

    Raises:
      ValueError: if a list is not the one that rnnshare was tested with, not written as
        a literal, or too short.
    """
    paths = {
        locale: locate("faker", f"faker/providers/person/{locale}/__init__.py")
        for locale in LOCALES
    }
    content = b"".join(path.read_bytes() for path in paths.values())
    digest = tested_sha256("surnames", content, f"the lists of {', '.join(LOCALES)}")
    lists = {k: {name.lower() for name in read_names(p)} for k, p in paths.items()}
    owners = Counter(name for names in lists.values() for name in names)
    rng = np.random.default_rng(0)
    drawn = []
    for locale, names in lists.items():
        fit = sorted(
            name
            for name in names
            if owners[name] == 1 and name.isalpha() and len(name) <= LONGEST_NAME
        )
        if len(fit) < NAMES_A_LANGUAGE:
            raise ValueError(
                f"{paths[locale]} has {len(fit)} names of its own, but "
                f"{NAMES_A_LANGUAGE} are drawn. Install the version of faker that "
                "rnnshare was tested with: pip install -c constraints.txt faker"
            )
        drawn.append(rng.choice(fit, NAMES_A_LANGUAGE, replace=False))
    # Training names of all languages first.
    cut = NAMES_A_LANGUAGE - _NUM_TESTED
    parts = [names[:cut] for names in drawn] + [names[cut:] for names in drawn]
    labels = np.concatenate(
        [np.full(len(part), i % len(LOCALES), np.int32) for i, part in enumerate(parts)]
    )
    chosen = [str(name) for part in parts for name in part]
    letters = sorted(set("".join(chosen)))
    tokens = np.zeros((len(chosen), max(map(len, chosen))), np.int32)
    for row, name in zip(tokens, chosen, strict=True):
        row[: len(name)] = [letters.index(letter) + 1 for letter in name]
    return Dataset(
        tokens,
        labels,
        np.array([len(name) for name in chosen], np.int32),
        num_train=cut * len(LOCALES),
        num_classes=len(LOCALES),
        sha256=digest,
        num_tokens=len(letters) + 1,
    )


def read_names(path: pathlib.Path) -> list[str]:
    """Returns the names of a file's `last_names`, without running the file.

    Raises:
      ValueError: if there is no such list, written as a literal.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if [getattr(target, "id", "") for target in targets] != ["last_names"]:
                continue
            value = node.value
            if value is None:  # declared, not given
                continue
            if isinstance(value, ast.Call) and value.args:  # OrderedDict(...)
                value = value.args[0]
            try:
                found = ast.literal_eval(value)
            except ValueError:
                break
            # Pairs of a name and its frequency, or names.
            return [x if isinstance(x, str) else x[0] for x in found]
    raise ValueError(f"{path} has no last_names that are written out as a literal.")


@functools.cache
def folk_tunes() -> Tunes:
    """The melodies of Ryan's Mammoth Collection in ABC notation, as `music21` has them.

    Of 1059 files 14 repeat the notes of another and are left out. Of each what follows
    the header, in one line: without blanks, the words and dynamics in quotation marks,
    grace notes, fields and comments, so that a bar is its notes, its length signs and
    its bar line. The commonest bar has 9 characters with its line.

    Reference: Ryan, 1883, "William Bradbury Ryan's mammoth collection".
    """
    folder = locate("music21", f"{_TUNES}/AcaciaReel.abc").parent
    contents = [path.read_bytes() for path in sorted(folder.glob("*.abc"))]
    digest = tested_sha256("folk_tunes", b"".join(contents), f"{folder}/*.abc")
    texts = dict.fromkeys(read_tune(content.decode("utf-8")) for content in contents)
    characters = "".join(sorted(set("".join(texts))))
    return Tunes(tuple(texts), characters, digest)


_TUNES = "music21/corpus/ryansMammoth"
_FIELD = re.compile(r"[A-Za-z]:")
_NOT_NOTES = re.compile(
    r'"[^"\n]*"'  # words, dynamics and fingerings
    r"|\{[^}]*\}"  # grace notes
    r"|\[[A-Za-z]:[^\]]*\]"  # fields within a line
    r"|[\s\\]"  # blanks, and the mark of a line that goes on
)


def read_tune(text: str) -> str:
    """Returns the body of an ABC file as `folk_tunes` has it.

    Raises:
      ValueError: if the text has no header that ends in its key, `K:`.
    """
    lines = text.splitlines()
    ends = [i for i, line in enumerate(lines) if line.startswith("K:")]
    if not ends:
        raise ValueError(f"A tune has no key: {text[:40]!r}. Is it in ABC notation?")
    body = [
        line.partition("%")[0]
        for line in lines[ends[0] + 1 :]
        if not _FIELD.match(line)
    ]
    return _NOT_NOTES.sub("", "\n".join(body))
