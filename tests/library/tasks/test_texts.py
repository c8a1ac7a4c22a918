"""Text: what is read and what is left out, and the next-character task."""

import dataclasses
import math
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.tasks import folk_tune_streams, folk_tunes, surnames
from rnnshare.tasks.base import SPLITS
from rnnshare.tasks.data import arrays as data
from rnnshare.tasks.data import texts

# The SHA-256 of the files in faker 40.54.0 and music21 10.5.1.
NAMES = "b6e0f01a365c869c9b11e7869d3555d1039e5a30d824a2021935f2d339f587aa"
TUNES = "3ea75e2db64cdbb5c57a0953097c13646ba9a670d3d1cdfc0d6a91f2fe7f50fc"


def test_surnames_are_of_one_language_each_and_as_many_of_each():
    pool = texts.surnames()
    assert pool.sha256 == NAMES
    assert pool.inputs.shape == (2560, 14) and pool.num_train == 1920
    train, test = pool.labels[:1920], pool.labels[1920:]
    np.testing.assert_array_equal(np.bincount(train), [240] * 8)
    np.testing.assert_array_equal(np.bincount(test), [80] * 8)
    assert len({row.tobytes() for row in pool.inputs}) == 2560
    # Letters are 1..K-1 up to the length, and the padding is 0.
    real = np.arange(14) < pool.lengths[:, None]
    np.testing.assert_array_equal(pool.inputs > 0, real)
    assert set(pool.inputs[real]) == set(range(1, pool.num_tokens))


def test_surnames_are_in_the_lists_they_are_of():
    pool = texts.surnames()
    lists = [
        {
            name.lower()
            for name in texts.read_names(
                data.locate("faker", f"faker/providers/person/{locale}/__init__.py")
            )
        }
        for locale in texts.LOCALES
    ]
    drawn = Counter()
    rng = np.random.default_rng(0)
    for own in lists:
        others = set().union(*(names for names in lists if names is not own))
        fit = sorted(n for n in own - others if n.isalpha() and len(n) <= 14)
        drawn.update(rng.choice(fit, 320, replace=False).tolist())
    letters = sorted(set("".join(drawn)))
    for row, length in zip(pool.inputs, pool.lengths, strict=True):
        drawn["".join(letters[token - 1] for token in row[:length])] -= 1
    assert set(drawn.values()) == {0}


def test_names_are_read_without_running_the_file(tmp_path):
    path = tmp_path / "names.py"
    path.write_text(
        "raise SystemExit\n"
        "class P:\n    first_names = ['a']\n"
        "    last_names: dict = OrderedDict((('Ek', 0.5), ('Ås', 0.25)))\n"
    )
    assert texts.read_names(path) == ["Ek", "Ås"]
    path.write_text("last_names = ('B', 'C')\n")
    assert texts.read_names(path) == ["B", "C"]
    for wrong in ("last_names = a + b\n", "last_names: list\n", "names = []\n"):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=r"names\.py has no last_names that are"):
            texts.read_names(path)


def test_too_few_names_are_told(monkeypatch):
    monkeypatch.setattr(texts, "read_names", lambda path: ["Only", str(path)])
    with pytest.raises(ValueError, match=r"de_DE.* names of its own, but 320 are"):
        texts.surnames.__wrapped__()


def test_tunes():
    pool = texts.folk_tunes()
    assert pool.sha256 == TUNES
    assert len(pool.texts) == len(set(pool.texts)) == 1045
    assert len(pool.characters) == 65
    assert set("".join(pool.texts)) == set(pool.characters)
    assert not set(pool.characters) & set('" \n\\{')
    bars = Counter(
        len(bar) + 1 for text in pool.texts for bar in text.split("|") if bar
    )
    assert bars.most_common(1)[0][0] == 9


def test_a_tune_is_what_follows_its_header():
    text = 'X: 1\nT:A -- Reel\nK:G\n"_mf"u(3DEF |\\\n{d}cB [K:D]d2 % end\nL:1/8\n:|\n'
    assert texts.read_tune(text) == "u(3DEF|cBd2:|"
    with pytest.raises(ValueError, match="has no key: 'X: 1"):
        texts.read_tune("X: 1\nabc\n")


def test_missing_packages_are_named(monkeypatch):
    def missing(package, path):
        del path
        return data.locate(f"no_{package}", "a/file")

    monkeypatch.setattr(texts, "locate", missing)
    for read, package in ((texts.surnames, "faker"), (texts.folk_tunes, "music21")):
        with pytest.raises(
            ModuleNotFoundError,
            match=rf"no_{package} is not installed\. .*'rnnshare\[data\]'",
        ):
            read.__wrapped__()


def test_windows_begin_at_bar_lines_of_tunes_that_are_in_one_set():
    pool, task = texts.folk_tunes(), folk_tunes(3)
    sizes = [(4_000, 64), (500, 64), (800, 64)]
    assert [task.held_out(name).inputs.shape for name in SPLITS] == sizes
    order = np.random.default_rng(3).permutation(1045)
    parted = np.split(order, [1045 - 208, 1045 - 104])
    for name, tunes in zip(SPLITS, parted, strict=True):
        batch = task.held_out(name)
        np.testing.assert_array_equal(batch.inputs[:, 1:], batch.targets[:, :-1])
        joined = "\n".join(pool.texts[tune] for tune in tunes)
        for row in range(0, len(batch.inputs), 97):
            whole = [*batch.inputs[row], batch.targets[row, -1]]
            window = "".join(pool.characters[token] for token in whole)
            assert window[0] == "|" and window in joined


def test_splits_of_tunes_share_a_compilation():
    one, other = folk_tunes(0), folk_tunes(1)
    assert jax.tree.structure(one) == jax.tree.structure(other)
    shapes = [[(x.shape, x.dtype) for x in jax.tree.leaves(t)] for t in (one, other)]
    assert shapes[0] == shapes[1]
    assert one.test.targets.tobytes() != other.test.targets.tobytes()
    assert (one.num_steps, one.num_tokens, one.out_features) == (64, 65, 65)
    batch = one.sample(jax.random.key(0), 5)
    assert batch.inputs.shape == batch.targets.shape == (5, 64)
    with pytest.raises(ValueError, match=r"split is -1\. Use 0"):
        folk_tunes(-1)
    with pytest.raises(ValueError, match="windows of num_steps=900, but 4000 are"):
        folk_tunes(0, num_steps=900)


def test_lines_of_tunes_are_what_constant_answers_score():
    task = folk_tunes(1)
    batch = task.train._replace(
        inputs=task.train.inputs[:400], targets=task.train.targets[:400]
    )
    counts = np.bincount(batch.targets.ravel(), minlength=65)
    few = dataclasses.replace(task, train=batch)
    answers = {
        "uniform": np.zeros(65, np.float32),
        "chance": np.log(np.maximum(counts, 1e-9) / counts.sum()).astype(np.float32),
    }
    for name, logits in answers.items():
        got = few.metrics(jnp.broadcast_to(logits, (400, 64, 65)), batch)
        for metric in ("loss", "bits_per_character"):
            np.testing.assert_allclose(
                got[metric], few.baselines[name][metric], rtol=1e-4
            )
    np.testing.assert_allclose(
        got["accuracy"], few.baselines["chance"]["accuracy"], 1e-5
    )
    np.testing.assert_allclose(got["bits_per_character"] * math.log(2), got["loss"])


def test_surnames_are_a_task_of_tokens():
    task = surnames(2)
    assert (task.num_steps, task.num_tokens, task.out_features) == (14, 50, 8)
    assert task.train.inputs.dtype == np.int32
    np.testing.assert_array_equal(
        task.test.lengths, (np.asarray(task.test.inputs) > 0).sum(1)
    )


@pytest.mark.parametrize("num_steps", [100, 256])
def test_streams_are_the_tunes_one_after_another(num_steps):
    pool, task = texts.folk_tunes(), folk_tune_streams(2, num_steps=num_steps)
    characters = "\n" + pool.characters
    assert task.num_tokens == task.out_features == len(characters)
    parts: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        batch = task.held_out(split)
        np.testing.assert_array_equal(batch.inputs[:, 1:], batch.targets[:, :-1])
        assert batch.inputs.shape == (4_000 if split == "train" else 150, num_steps)
        lines = ["".join(characters[i] for i in row) for row in batch.inputs]
        # What stands between two breaks is a whole tune.
        parts[split] = {tune for line in lines for tune in line.split("\n")[1:-1]}
        assert parts[split] <= set(pool.texts)
    assert parts["train"] and not parts["train"] & parts["test"]


def test_streams_that_are_too_long_are_refused():
    with pytest.raises(ValueError, match="characters, but num_steps is 50000"):
        folk_tune_streams(0, num_steps=50_000)
