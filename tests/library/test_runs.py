"""What a run leaves behind is strict, and survives a crash."""

import json
import sys
import zlib

import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.training import lines
from rnnshare.training import rows as runs


def test_json_is_strict():
    row = {"a": float("nan"), "b": np.float32(0.5), "c": [float("inf"), 1], "d": "x"}
    line = runs.json_line(row)
    read = {"a": None, "b": 0.5, "c": [None, 1], "d": "x"}
    assert lines.read_line(line.encode()) == read
    crc32 = zlib.crc32(b'{"a":null,"b":0.5,"c":[null,1],"d":"x"')
    assert json.loads(line) == read | {"crc32": crc32}
    assert line.endswith("\n")
    assert lines.read_line(runs.json_line({}).encode()) == {}
    with pytest.raises(ValueError, match="a field 'crc32', the name of its check"):
        runs.json_line({"crc32": 1})


def test_a_torn_last_line_is_dropped_and_written_anew(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = runs.JsonLines(path)
    rows.append({"i": 0})
    rows.append({"i": 1})
    whole = path.read_bytes()
    for cut in range(1, len(whole) // 2):
        path.write_bytes(whole[:-cut])
        again = runs.JsonLines(path)
        assert again.rows == [{"i": 0}]
        assert path.read_bytes() == whole[:-cut]  # reading writes nothing
        again.append({"i": 1})
        assert path.read_bytes() == whole
    assert runs.JsonLines(path).rows == [{"i": 0}, {"i": 1}]
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


def test_every_flipped_bit_of_a_line_is_named_and_the_line_set_aside(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"key": "a", "loss": 0.25}, {"key": "b", "loss": None}, {"key": "c"}]
    for row in rows:
        runs.JsonLines(path).append(row)
    first, second, third = path.read_bytes().splitlines(keepends=True)
    for bit in range(8 * (len(second) - 1)):
        flipped = bytearray(second)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(first + flipped + third)
        with pytest.warns(RuntimeWarning, match=r"rows.jsonl is damaged: line 2 "):
            again = runs.JsonLines(path)
        assert again.rows == [rows[0], rows[2]], bytes(flipped)
    again.append(rows[1])
    assert path.read_bytes() == first + third + second
    assert path.with_name("rows.jsonl.damaged").read_bytes() == flipped


def test_a_line_that_is_there_twice_is_one_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    row, other = runs.json_line({"key": "a"}), runs.json_line({"seconds": 1.0})
    path.write_text(row + other + row + other)
    with pytest.warns(RuntimeWarning, match="line 3 repeats line 1. What"):
        found = runs.JsonLines(path)
    assert found.rows == [{"key": "a"}, {"seconds": 1.0}, {"seconds": 1.0}]


def test_rows_of_before_there_were_check_values_are_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"a": 1, "b": [0.1, "\u00e4", None]}, {"a": 2}, {"a": 3}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text)
    file = runs.JsonLines(path)
    assert file.rows == rows
    file.append({"a": 4})
    assert path.read_text() == text + runs.json_line({"a": 4})
    # But not a line of today's that lost its check value, with what stood before it.
    path.write_text(text + '{"a":4}\n')
    with pytest.warns(RuntimeWarning, match="line 4 lacks its crc32"):
        assert runs.JsonLines(path).rows == rows


@pytest.mark.parametrize("text", ["[]", "3", "null", '"a"'])
def test_what_is_no_row_is_refused_by_name(text, tmp_path):
    path = tmp_path / "rows.jsonl"
    written = runs.json_line({"a": 1}) + text + "\n"
    path.write_text(written)
    with pytest.raises(ValueError) as error:
        runs.JsonLines(path)
    assert str(error.value) == (
        f"{path}, line 2 is {text}, no row: a row is {{...}}. Mend or remove the file; "
        "nothing was written to it."
    )
    assert path.read_text() == written


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
