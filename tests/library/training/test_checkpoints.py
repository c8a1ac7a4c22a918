"""Checkpoints come back bit for bit, or not at all; the newest good one is taken."""

import errno
import json
import os
import shutil
import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnshare.training.checkpoints import Checkpoints

PARAMS = {
    "cell": {"kernel": jnp.arange(6.0).reshape(2, 3), "file": jnp.zeros((0, 3))},
    "half": jnp.linspace(0.0, 1.0, 5, dtype=jnp.bfloat16),
    "list": [np.int8(-3), np.array([True, False]), np.float64(0.1)],
}
STATE = {
    "params": PARAMS,
    "optimizer": optax.adam(1e-3).init({"kernel": jnp.ones(3)}),
    "key": jax.random.key(7),
    "keys": jax.random.split(jax.random.key(8, impl="rbg"), 3),
    "raw": jax.random.PRNGKey(9),
}


def raw(leaf):
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return str(leaf.dtype), np.asarray(jax.random.key_data(leaf)).tolist()
    array = np.asarray(leaf)
    return array.dtype, array.shape, array.tobytes()


def assert_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    assert list(map(raw, jax.tree.leaves(a))) == list(map(raw, jax.tree.leaves(b)))


def abstract(tree):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def test_a_state_comes_back_bit_for_bit(tmp_path):
    checkpoints = Checkpoints(tmp_path / "made")
    assert checkpoints.newest() is None
    threads = threading.active_count()
    path = checkpoints.save(12, STATE, {"loss": 0.5, "rows": [1, None]})
    assert path == tmp_path / "made" / "step_000000012"
    found = checkpoints.newest()
    assert (found.path, found.step) == (path, 12)
    assert found.facts == {"loss": 0.5, "rows": [1, None]}
    assert_equal(found.restore(abstract(STATE)), STATE)
    assert threading.active_count() == threads


def test_the_last_few_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    (tmp_path / "step_000000000.partial").mkdir()  # of a process that was ended
    for step in range(1, 5):
        checkpoints.save(step, {"a": np.full(2, step)})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step_000000003", "step_000000004"]
    with pytest.raises(ValueError, match=r"step_000000004 exists. Save a later step"):
        checkpoints.save(4, {})
    with pytest.raises(ValueError, match=r"keep is 0. Use at least 1"):
        Checkpoints(tmp_path, keep=0)


def flip(path, where):
    content = bytearray(path.read_bytes())
    place = int(where * len(content) * 8)
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


DAMAGE = {
    "a bit": lambda path: flip(path, 0.5),
    "the first bit": lambda path: flip(path, 0.0),
    "the end": lambda path: os.truncate(path, path.stat().st_size - 1),
    "all": lambda path: os.truncate(path, 0),
    "the file": lambda path: path.unlink(),
    "more": lambda path: path.with_name("more").write_text("more"),
    "its name": lambda path: path.rename(path.with_name("other")),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_one_is_named_and_set_aside(how, tmp_path):
    checkpoints = Checkpoints(tmp_path / "origin", keep=3)
    for step in (1, 2):
        checkpoints.save(step, {"a": np.full(9, step)})
    files = [p for p in (tmp_path / "origin/step_000000002").rglob("*") if p.is_file()]
    assert len(files) >= 3
    for number, file in enumerate(files):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "origin", folder)
        DAMAGE[how](folder / file.relative_to(tmp_path / "origin"))
        again = Checkpoints(folder)
        text = "step_000000002 is damaged: .* kept as damaged_step_000000002, and the"
        with pytest.warns(RuntimeWarning, match=text):
            found = again.newest()
        assert found.step == 1
        assert found.restore({"a": np.zeros(9, int)})["a"].tolist() == [1] * 9
        assert (folder / "damaged_step_000000002").is_dir()
        again.save(2, {"a": np.full(9, 2)})
        assert again.newest().step == 2


def test_no_random_damage_is_loaded(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    state = {"a": np.arange(40.0), "b": jnp.ones((2, 3), jnp.bfloat16)}
    facts = {"rows": [0.1] * 20}
    path = checkpoints.save(1, state, facts)
    intact = {file: file.read_bytes() for file in path.iterdir()}
    random = np.random.default_rng(0)
    for _ in range(300):
        file = list(intact)[random.integers(len(intact))]
        content = bytearray(intact[file])
        place, length = random.integers(len(content)), random.integers(1, 9)
        how = random.integers(4)
        if how == 0:  # a bit
            content[place] ^= 1 << random.integers(8)
        elif how == 1:  # what is cut off
            del content[place:]
        elif how == 2:  # what is twice there
            content[place:place] = content[place : place + length]
        else:  # what is not there
            del content[place : place + length]
        file.write_bytes(content)
        with pytest.warns(RuntimeWarning, match=r"step_000000001 is damaged: "):
            assert checkpoints.newest() is None
        (tmp_path / "damaged_step_000000001").rename(path)
        file.write_bytes(intact[file])
    assert_equal(checkpoints.newest().restore(abstract(state)), state)


def test_a_copy_under_another_name_is_damaged(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    path = checkpoints.save(1, {"a": np.ones(2)})
    shutil.copytree(path, tmp_path / "step_000000002")
    with pytest.warns(RuntimeWarning, match=r"it is a copy of the one of step 1"):
        assert checkpoints.newest().step == 1


def test_another_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("rnnshare.training.checkpoints.FORMAT", 99)
    Checkpoints(tmp_path).save(1, {"a": np.ones(2)})
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"has format 99, but this version reads 1"):
        Checkpoints(tmp_path).newest()


@pytest.mark.parametrize(
    ("like", "text"),
    [
        ({"a": np.zeros((2, 3))}, r"b/0 is int8\[\] there, but missing here"),
        ({"a": np.zeros((2, 3)), "b": [np.int8(0)], "c": np.ones(1)},
         r"c is missing there, but float64\[1\] here"),
        ({"a": np.zeros((3, 2)), "b": [np.int8(0)]},
         r"a is float64\[2, 3\] there, but float64\[3, 2\] here"),
        ({"a": np.zeros((2, 3), np.float32), "b": [np.int8(0)]},
         r"a is float64\[2, 3\] there, but float32\[2, 3\] here"),
    ],
)  # fmt: skip
def test_another_structure_is_refused_by_name(like, text, tmp_path):
    Checkpoints(tmp_path).save(1, {"a": np.zeros((2, 3)), "b": [np.int8(1)]})
    with pytest.raises(ValueError, match=text):
        Checkpoints(tmp_path).newest().restore(like)


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_full_disk_keeps_the_one_before(call, tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"a": np.ones(2)})

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match=r"No space left on device: .*step_000000002"):
        checkpoints.save(2, {"a": np.ones(2)})
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["step_000000001"]
    assert checkpoints.newest().step == 1
    checkpoints.save(2, {"a": np.ones(2)})


def test_facts_are_strict_about_what_json_holds(tmp_path):
    with pytest.raises(TypeError, match=r"not JSON serializable"):
        Checkpoints(tmp_path).save(1, {}, {"a": object()})
    Checkpoints(tmp_path).save(1, {}, {"loss": float("nan")})
    assert np.isnan(Checkpoints(tmp_path).newest().facts["loss"])
    assert json.loads((tmp_path / "step_000000001/facts.json").read_text())["step"] == 1
