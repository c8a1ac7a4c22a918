"""What a run leaves behind is strict, and survives a crash."""

import json
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.training import rows as runs


def test_json_is_strict():
    row = {"a": float("nan"), "b": np.float32(0.5), "c": [float("inf"), 1], "d": "x"}
    line = runs.json_line(row)
    assert json.loads(line) == {"a": None, "b": 0.5, "c": [None, 1], "d": "x"}
    assert line.endswith("\n")


def test_a_torn_last_line_is_dropped_and_written_anew(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = runs.JsonLines(path)
    rows.append({"i": 0})
    rows.append({"i": 1})
    path.write_bytes(path.read_bytes()[:-4])
    again = runs.JsonLines(path)
    assert again.rows == [{"i": 0}]
    again.append({"i": 1})
    assert runs.JsonLines(path).rows == [{"i": 0}, {"i": 1}]


def test_params_come_back(tmp_path):
    params = {"a": {"kernel": jnp.arange(6.0).reshape(2, 3)}, "b": [jnp.ones(2)]}
    runs.save_params(tmp_path / "params.npz", params)
    back = runs.load_params(tmp_path / "params.npz", params)
    np.testing.assert_array_equal(back["a"]["kernel"], params["a"]["kernel"])
    np.testing.assert_array_equal(back["b"][0], params["b"][0])
    assert [p.name for p in tmp_path.iterdir()] == ["params.npz"]
    with pytest.raises(ValueError, match="has no 'c'; it holds a/kernel, b/0"):
        runs.load_params(tmp_path / "params.npz", {"c": jnp.ones(2)})
    with pytest.raises(ValueError, match=r"b/0 is \(2,\) in .*, but \(3,\) here"):
        runs.load_params(tmp_path / "params.npz", {"b": [jnp.ones(3)]})


def test_plain_progress(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with runs.progress(10, "tied") as update:
        update(5, "loss 1")
    assert capsys.readouterr().err == "tied: 5/10 loss 1\n"


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with runs.progress(10, "tied") as update:
        update(10, "loss 1")
    assert "10/10" in capsys.readouterr().err


def test_the_bar_ends_at_its_end_where_training_stops_early(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with runs.progress(10, "tied") as update:
        update(4, "loss 1")
    told = capsys.readouterr().err
    assert "4/10" not in told.rpartition("4/4")[2]
    assert "4/4" in told


def test_environment_names_versions_and_hardware():
    told = runs.environment()
    assert {"device", "cores", "python", "jax", "flax", "rnnshare"} <= set(told)
