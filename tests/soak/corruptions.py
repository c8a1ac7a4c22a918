"""Damage to the files that are read: nothing but what was written is ever loaded."""

import collections
import contextlib
import pathlib
import random
import shutil
import warnings
from importlib import metadata
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.machines import parsing
from rnnshare.tasks import grammar
from rnnshare.tasks.data import arrays, texts
from rnnshare.training import Checkpoints, JsonLines, load_params, save_params
from tests.soak.damage import damaged

STATE = {
    "kernel": np.linspace(-1.0, 1.0, 60, dtype=np.float32).reshape(6, 10),
    "half": [jnp.arange(9.0, dtype=jnp.bfloat16), np.zeros((0, 2))],
    "step": np.int32(7),
}


def bits(tree):
    """Returns what two loads are compared by."""
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


class Kind:
    """Files of one kind, in a folder.

    Attributes:
      folder: it.
      has_copies: whether a copy under another name would be read.
    """

    has_copies = False

    def __init__(self, folder):
        self.folder = folder
        self.write()
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        self.intact = {path: path.read_bytes() for path in files}
        self._expected = None

    @property
    def expected(self):
        if self._expected is None:
            self._expected = self.load()
        return self._expected

    def is_right(self, found, told):
        """Returns whether what a damaged file gave is what was written."""
        del told
        return found == self.expected

    def again(self):
        """Makes it as it was."""
        for path, content in self.intact.items():
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)

    def damage(self, rng):
        """Damages a file, loads, and returns how that ended."""
        path, how = rng.choice([*self.intact]), rng.random()
        copy = None
        if how < 0.1:
            path.unlink()
        elif how < 0.2 and self.has_copies:
            copy = path.with_name(f"copy_of_{path.name}")
            shutil.copyfile(path, copy)
        else:
            path.write_bytes(damaged(self.intact[path], rng))
        error = found = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = self.load()
            except (ValueError, FileNotFoundError) as raised:
                error = str(raised)
        if copy is not None:
            copy.unlink(missing_ok=True)  # set aside, with its checkpoint
        self.again()
        told = "; ".join(str(w.message) for w in caught)
        if error is not None:
            names = (path.stem, str(self.folder), self.folder.name)
            assert any(name in error for name in names), f"{path}: {error}"
            return "refused by name"
        assert self.is_right(found, told), f"{path} was loaded silently: {told}"
        return "named" if told else "loaded as it was written"


class OfCheckpoints(Kind):
    has_copies = True

    def write(self):
        for step in (1, 2):
            state = STATE | {"step": np.int32(step)}
            Checkpoints(self.folder).save(step, state, {"rows": [0.1] * 9})

    def load(self):
        found = Checkpoints(self.folder).newest()
        if found is None:
            return None
        assert found.facts == {"rows": [0.1] * 9}
        return found.step, bits(found.restore(STATE))

    def is_right(self, found, told):
        """The newest, or the one before it by name."""
        older = (1, bits(STATE | {"step": np.int32(1)}))
        before = found == older and "step_000000002 is damaged" in told
        return found == self.expected or before

    def again(self):
        shutil.rmtree(self.folder)
        for path, content in self.intact.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


class OfRows(Kind):
    def write(self):
        self.rows = [
            {
                "schema": 2,
                "key": f"{i:020x}",
                "loss": i / 7,
                "cell": "LSTM",
                "lost": None,
            }
            for i in range(6)
        ]
        file = JsonLines(self.folder / "trained.jsonl")
        for row in self.rows:
            file.append(row)

    def load(self):
        """What is lost is made again; the file is then whole."""
        path = self.folder / "trained.jsonl"
        file = JsonLines(path)
        read = [*file.rows]
        lost = [row for row in self.rows if row not in read]
        for row in lost:
            file.append(row)
        path.with_name(f"{path.name}.damaged").unlink(missing_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error" if lost else "ignore")
            return read, JsonLines(path).rows

    def is_right(self, found, told):
        """Rows that were written, each once; those that are lost are lost by name.

        But for a file that ends early, as that of a process that was ended.
        """
        read, mended = found
        is_prefix = read == self.rows[: len(read)]
        return (
            sorted(row["key"] for row in mended) == [row["key"] for row in self.rows]
            and all(row in self.rows and read.count(row) == 1 for row in read)
            and (is_prefix or f"{self.folder}/trained.jsonl is damaged: line " in told)
        )


class OfParams(Kind):
    def write(self):
        save_params(self.folder / "params.npz", STATE)

    def load(self):
        return bits(load_params(self.folder / "params.npz", STATE))


class OfMachines(Kind):
    has_copies = True

    def write(self):
        shutil.copytree(parsing._FOLDER, self.folder, dirs_exist_ok=True)
        self.names = parsing.names()

    def load(self):
        with mock.patch.object(parsing, "_FOLDER", self.folder):
            names = sorted({*self.names, *parsing.names()})
            return {name: repr(parsing.load(name)) for name in names}


class OfWords(Kind):
    def write(self):
        path = pathlib.Path(grammar.__file__).with_name("vocabulary.txt")
        shutil.copy(path, self.folder)

    def load(self):
        files = mock.patch.object(
            grammar.importlib.resources, "files", lambda _: self.folder
        )
        with files:
            return grammar.vocabulary.__wrapped__()


class OfData(Kind):
    """The files of installed packages, as each data set reads them."""

    makers = (
        arrays.japanese_vowels, arrays.italy_power_demand, arrays.mnist_rows,
        texts.surnames, texts.folk_tunes,
    )  # fmt: skip
    installed = staticmethod(metadata.distribution)

    def __init__(self, folder, maker):
        self.maker = maker.__wrapped__
        self.has_copies = maker is texts.folk_tunes
        super().__init__(folder)

    def write(self):
        """Copies what is read, and the folders of what is looked for by a pattern."""
        with self.located(copies=True):
            self.maker()

    @contextlib.contextmanager
    def located(self, copies=False):
        """Has files of packages looked for here."""

        def distribution(package):
            original = self.installed(package)

            def locate_file(path):
                here, there = self.folder / path, original.locate_file(path)
                if copies and path.endswith(".abc"):
                    shutil.copytree(there.parent, here.parent)
                elif copies:
                    here.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(there, here)
                return here

            return mock.Mock(locate_file=locate_file, version=original.version)

        with mock.patch.object(metadata, "distribution", distribution):
            yield

    def load(self):
        with self.located():
            return [*map(str, bits(self.maker()))]


SHARES = {OfCheckpoints: 5, OfRows: 5, OfParams: 4, OfMachines: 2, OfWords: 1}


def run(folder, count, seed=0):
    """Damages files so often; returns a line of what came of it.

    Raises:
      AssertionError: of what was loaded that is not what was written.
    """
    rng = random.Random(seed)
    folder = pathlib.Path(folder)
    makers = [*SHARES, *OfData.makers]
    shares = [*SHARES.values()] + [0.6] * len(OfData.makers)
    kinds, ends = {}, collections.Counter()
    for make in rng.choices(makers, shares, k=count):
        if make not in kinds:
            here = folder / make.__name__
            here.mkdir(parents=True)
            kinds[make] = OfData(here, make) if make in OfData.makers else make(here)
        ends[kinds[make].damage(rng)] += 1
    told = ", ".join(f"{number} {end}" for end, number in sorted(ends.items()))
    return f"{count} corruptions of {len(kinds)} kinds of files: {told}, 0 silent"
