"""Checkpoints of a training: whole, checked before they are read, the last few kept.

A checkpoint is a folder `step_000001200`: the arrays, `facts.json` (the format's
version, the step, what the caller tells of the state, and each array's name, shape and
dtype) and `SHA256SUMS`, the digest of every other file as `sha256sum --check` reads it.
It is written beside its place, synced, and renamed.
"""

import contextlib
import hashlib
import json
import pathlib
import re
import shutil
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.training.files import named_in_errors, sync_folder, write_atomically
from rnnshare.training.params_files import load_params, save_params

# Of the files: another one is read by another version of this module.
FORMAT = 1
_FACTS, _SUMS, _ARRAYS = "facts.json", "SHA256SUMS", "arrays.npz"
_NAME = re.compile(r"step_\d{9,}")


class Checkpoint(NamedTuple):
    """A checkpoint whose files have been checked.

    Attributes:
      path: its folder.
      step: that it is of.
      facts: what `save` was told.
    """

    path: pathlib.Path
    step: int
    facts: dict[str, Any]

    def restore(self, like: Any) -> Any:
        """Returns the state as it was saved, NumPy arrays and typed keys.

        Args:
          like: a pytree of the same structure, shapes and dtypes, as `jax.eval_shape`
            returns.

        Raises:
          ValueError: naming a leaf that is missing, unknown, or of another kind.
        """
        there_is = json.loads((self.path / _FACTS).read_text("utf-8"))["arrays"]
        wanted = _kinds(like)
        for name in sorted({*wanted, *there_is}):
            here, there = wanted.get(name, "missing"), there_is.get(name, "missing")
            if here != there:
                raise ValueError(
                    f"{self.path}: {name} is {there} there, but {here} here. Build the "
                    "model and the optimiser as they were built for training."
                )
        bits = load_params(
            self.path / _ARRAYS, jax.tree.map(_bits_like, like), allow_nonfinite=True
        )
        return jax.tree.map(_of_bits, bits, like)


class Checkpoints:
    """The checkpoints of one training, in a folder of their own.

    Attributes:
      folder: that holds them, with nothing else in it.
      keep: how many are kept, the newest.
    """

    def __init__(self, folder: str | pathlib.Path, keep: int = 2):
        """Names the folder, which need not exist.

        Raises:
          ValueError: if none is to be kept.
        """
        if keep < 1:
            raise ValueError(f"Checkpoints: keep is {keep}. Use at least 1.")
        self.folder = pathlib.Path(folder)
        self.keep = keep

    def save(
        self, step: int, state: Any, facts: Mapping[str, Any] | None = None
    ) -> pathlib.Path:
        """Writes a checkpoint, then removes what is older than the last `keep`.

        Args:
          step: that no checkpoint in the folder has; the largest is the newest one.
          state: a pytree of arrays of any dtype, typed keys among them.
          facts: of the state, as JSON holds them.

        Returns:
          Its folder. It is on disk.

        Raises:
          ValueError: if there is one of this step.
          OSError: naming the folder, as on a full disk; older ones are as they were.
        """
        final = self.folder / f"step_{step:09d}"
        partial = final.with_name(final.name + ".partial")
        told = {
            "format": FORMAT,
            "step": step,
            "facts": dict(facts or {}),
            "arrays": _kinds(state),
        }
        if final.exists():
            raise ValueError(f"{final} exists. Save a later step.")
        with named_in_errors(final):
            self._remove_partial()
            partial.mkdir(parents=True)
            try:
                save_params(partial / _ARRAYS, jax.tree.map(_bits, state))
                write_atomically(partial / _FACTS, json.dumps(told) + "\n")
                write_atomically(partial / _SUMS, _sums(partial))
                sync_folder(partial)
                partial.rename(final)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            sync_folder(self.folder)
            for old in self._paths()[: -self.keep]:
                self._remove(old)
        return final

    def newest(self) -> Checkpoint | None:
        """Returns the newest good checkpoint, or None.

        A damaged one is named in a warning, set aside as `damaged_step_...`, and the
        one before it is taken.

        Raises:
          ValueError: if the newest one is of another format.
        """
        for path in reversed(self._paths()):
            wrong = _damage(path)
            if wrong is None:
                told = json.loads((path / _FACTS).read_text("utf-8"))
                if told["format"] != FORMAT:
                    raise ValueError(
                        f"{path} has format {told['format']}, but this version reads "
                        f"{FORMAT}. Go on with the version that wrote it."
                    )
                if path.name == f"step_{told['step']:09d}":
                    return Checkpoint(path, told["step"], told["facts"])
                wrong = f"it is a copy of the one of step {told['step']}"
            aside = self._set_aside(path)
            warnings.warn(
                f"{path} is damaged: {wrong}. It is kept as {aside.name}, and the one "
                "before it is taken.",
                RuntimeWarning,
                stacklevel=2,
            )
        return None

    def clear(self) -> None:
        """Removes them, and the folder if it holds nothing else."""
        with named_in_errors(self.folder):
            for path in self._paths():
                self._remove(path)
            self._remove_partial()
        with contextlib.suppress(OSError):  # missing, or damaged ones are in it
            self.folder.rmdir()

    def _paths(self) -> list[pathlib.Path]:
        """Returns the folders of the checkpoints, the newest last."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: int(path.name.partition("_")[2]))

    def _set_aside(self, path: pathlib.Path) -> pathlib.Path:
        aside, count = path.with_name(f"damaged_{path.name}"), 1
        while aside.exists():
            count += 1
            aside = path.with_name(f"damaged_{path.name}_{count}")
        path.rename(aside)
        return aside

    def _remove(self, path: pathlib.Path) -> None:
        """Removes a folder, which is no checkpoint any more as soon as it begins."""
        gone = path.with_name(f"{path.name}.partial")
        path.rename(gone)
        shutil.rmtree(gone)

    def _remove_partial(self) -> None:
        """Removes what a process has left that was ended while it wrote or removed."""
        for path in self.folder.glob("step_*.partial"):
            shutil.rmtree(path)


def _kinds(tree: Any) -> dict[str, str]:
    """Returns the dtypes and shapes of a pytree's leaves, by their paths."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {
        jax.tree_util.keystr(keys, simple=True, separator="/"): _kind(leaf)
        for keys, leaf in leaves
    }


def _is_key(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", np.dtype(object))
    return jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)


def _kind(leaf: Any) -> str:
    """Returns an array's dtype and shape in words: 'float32[3, 4]'."""
    leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return f"{leaf.dtype}[{', '.join(map(str, leaf.shape))}]"


def _bits(leaf: Any) -> Any:
    """Returns an array; of typed keys, their bits."""
    return jax.random.key_data(leaf) if _is_key(leaf) else np.asarray(leaf)


def _bits_like(leaf: Any) -> Any:
    """Returns the shape and dtype of `_bits` of an array like that."""
    if _is_key(leaf):
        return jax.eval_shape(jax.random.key_data, leaf)
    return leaf if hasattr(leaf, "dtype") else np.asarray(leaf)


def _of_bits(bits: np.ndarray, like: Any) -> Any:
    """Returns an array of which these are the bits."""
    if _is_key(like):
        return jax.random.wrap_key_data(jnp.asarray(bits), dtype=like.dtype)
    return bits


def _sums(folder: pathlib.Path) -> str:
    """Returns the digest of every file below a folder, but of the sums themselves."""
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / _SUMS:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)


def _damage(folder: pathlib.Path) -> str | None:
    """Returns what is wrong with a checkpoint's files; None: they are as written."""
    try:
        there, here = (folder / _SUMS).read_text("utf-8"), _sums(folder)
    except (OSError, UnicodeDecodeError) as error:
        return str(error)
    if there == here:
        return None if (folder / _FACTS).is_file() else f"it has no {_FACTS}"
    lines = {*there.splitlines()} ^ {*here.splitlines()}
    names = sorted({line[66:] for line in lines})  # 64 digits and two blanks before
    return f"{', '.join(names) or _SUMS} is not as {_SUMS} says"
