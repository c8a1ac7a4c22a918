"""Parameters in a file: an `.npz` archive that NumPy reads without this library.

Each array has the path of its leaf for a name, the keys parted by '/': `a/kernel`. In a
key, what would part a path or a dtype, and a '%', are written as in a URL: '/' as %2F,
':' as %3A, '%' as %25, and a last '.npy' as %2Enpy. A dtype that NumPy itself lacks is
stored as the bits of its numbers, unsigned integers of their size, with the dtype in
the name: `a/kernel:bfloat16`; `array.view(ml_dtypes.bfloat16)` gives the numbers. The
archive's comment says that it is written so; older files have none, and plain names.
"""

import contextlib
import io
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from rnnshare.training.files import replacing

_FORMAT = b"rnnshare params 2"
_ESCAPES = {"%": "%25", "/": "%2F", ":": "%3A"}


def save_params(path: str | pathlib.Path, params: Any) -> None:
    """Writes a pytree's arrays to an `.npz` file, named by their paths; atomically.

    All is kept, dtypes and numbers that are not finite among it; the module says how.

    Raises:
      TypeError: if a leaf is no array of numbers, before anything is written.
    """
    named = {}
    for keys, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        name, array = _name(keys), _array_of(keys, leaf)
        if array.dtype.isbuiltin == 2:  # of another package, as ml_dtypes
            name += f":{array.dtype.name}"
            array = array.view(f"uint{8 * array.dtype.itemsize}")
        named[name] = array
    # Not np.savez, whose own argument `file` would hide a leaf of that name.
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.comment = _FORMAT
        for name, array in named.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def load_params(
    path: str | pathlib.Path, like: Any, *, allow_nonfinite: bool = False
) -> Any:
    """Returns the pytree that `save_params` wrote.

    Args:
      path: of the `.npz` file; its checksums are verified.
      like: a pytree of the same structure, shapes and dtypes, such as
        `nnx.to_pure_dict` or `rnnshare.cells.blueprint.pure_params` returns.
      allow_nonfinite: take NaN and infinities, as a training that diverged leaves.

    Raises:
      ValueError: if the file is damaged, or if a leaf is missing, has another shape or
        dtype, or holds a number that is not finite.
    """
    with _archive(path) as archive:
        is_old = archive.comment != _FORMAT
        files = [n.removesuffix(".npy") for n in archive.namelist()]
        entries = {_without_dtype(entry): entry for entry in files}
        if is_old:
            entries = {entry: entry for entry in files}

        def read(keys: Any, leaf: Any) -> np.ndarray:
            name, expected = _name(keys, escaped=not is_old), np.dtype(leaf.dtype)
            if name not in entries:
                raise ValueError(
                    f"{path} has no {name!r}; it holds {', '.join(sorted(entries))}. "
                    "Build the model as it was built for training."
                )
            array = _read(archive, path, f"{entries[name]}.npy")
            if entries[name] != name:
                array = array.view(np.dtype(entries[name].removeprefix(f"{name}:")))
            elif is_old and array.dtype.kind == "V":  # of a dtype that is not told
                same_size = array.dtype.itemsize == expected.itemsize
                array = array.view(expected) if same_size else array
            for found, here in ((array.shape, leaf.shape), (array.dtype, expected)):
                if found != here:
                    raise ValueError(
                        f"{name} is {found} in {path}, but {here} here. Build the "
                        "model as it was built for training."
                    )
            if not allow_nonfinite:
                _refuse_nonfinite(path, name, array)
            return array

        return jax.tree_util.tree_map_with_path(read, like)


# What zipfile raises of a file that is not as it was written.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, RuntimeError,
    OverflowError, ValueError, MemoryError,
)  # fmt: skip


@contextlib.contextmanager
def _archive(path: str | pathlib.Path) -> Iterator[zipfile.ZipFile]:
    with pathlib.Path(path).open("rb") as file:
        try:
            archive = zipfile.ZipFile(file)
        except (*_DAMAGE, OSError) as error:
            raise _damaged(path, error) from None
        if archive.comment not in (b"", _FORMAT):
            raise _damaged(path, f"its comment is {archive.comment!r}")
        with archive:
            yield archive


def _read(archive: zipfile.ZipFile, path: str | pathlib.Path, entry: str) -> Any:
    try:
        content = io.BytesIO(archive.read(entry))  # whole, so that its CRC is compared
        return np.lib.format.read_array(content, allow_pickle=False)
    except (*_DAMAGE, OSError) as error:
        raise _damaged(path, error) from None


def _damaged(path: str | pathlib.Path, what: object) -> ValueError:
    return ValueError(
        f"{path} is no file of parameters as it was written ({what}). Take a copy of "
        "it, or train again."
    )


def _array_of(keys: Any, leaf: Any) -> np.ndarray:
    is_key = isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(
        leaf.dtype, jax.dtypes.prng_key
    )
    array = None if is_key else np.asarray(jax.device_get(leaf))
    if array is None or array.dtype.hasobject:
        raise TypeError(
            f"save_params: {_name(keys)!r} is {leaf!r}, no array of numbers. Leave it "
            "out, or give jax.random.key_data of a key."
        )
    return array


def _refuse_nonfinite(path: Any, name: str, array: np.ndarray) -> None:
    if not jax.dtypes.issubdtype(array.dtype, np.inexact):
        return
    bad = ~np.isfinite(array)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{name} in {path} holds {array[place]} at {place}, one of {bad.sum()} "
            "numbers that are not finite; its training diverged. Load it all the same "
            "by allow_nonfinite=True."
        )


def _name(keys: Any, *, escaped: bool = True) -> str:
    parts = [jax.tree_util.keystr((key,), simple=True) for key in keys]
    return "/".join(map(_escaped, parts) if escaped else parts)


def _escaped(key: str) -> str:
    text = "".join(_ESCAPES.get(character, character) for character in key)
    return f"{text[:-4]}%2Enpy" if text.endswith(".npy") else text


def _without_dtype(entry: str) -> str:
    return entry.partition(":")[0]
