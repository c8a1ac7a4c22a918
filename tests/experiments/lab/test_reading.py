"""Files as arrays: what a table, an archive or a .ts file holds, and what it must."""

import numpy as np
import pandas as pd
import pytest

from experiments.lab.reading import read

N, T = 12, 5
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, T, 2)).astype(np.float32).round(3)
LABELS = np.array(["down", "up"] * (N // 2))
LENGTHS = np.array([3, 5] * (N // 2))
LONG = {"target": "y", "sequence": "who", "time": "hour"}


def written(path, table):
    table.to_csv(path, index=False)
    return path


def wide(**columns):
    steps = {f"h{t}": X[:, t, 0] for t in range(T)}
    return pd.DataFrame(steps | columns)


def long(lengths=None, **columns):
    n, t = np.meshgrid(range(N), range(T), indexing="ij")
    table = pd.DataFrame(
        {"who": [f"p{i:02}" for i in n.ravel()], "hour": t.ravel()}
        | {"a": X[..., 0].ravel(), "b": X[..., 1].ravel()}
        | {name: np.asarray(values).ravel() for name, values in columns.items()}
    )
    if lengths is not None:
        table = table[t.ravel() < np.repeat(lengths, T)]
    return table.sample(frac=1, random_state=0)  # in any order


def test_a_row_a_sequence(tmp_path):
    given = read(written(tmp_path / "d.csv", wide(label=LABELS)), target="label")
    np.testing.assert_array_equal(given.inputs, X[..., :1])
    np.testing.assert_array_equal(given.targets, LABELS)
    assert given.readout == "last" and given.lengths is None
    assert given.steps == ("h0", "h1", "h2", "h3", "h4") and given.target == "label"
    some = read(tmp_path / "d.csv", target="label", features=["h3", "h1"])
    np.testing.assert_array_equal(some.inputs, X[:, [3, 1], :1])


@pytest.mark.parametrize("per_step", [False, True])
def test_a_row_a_step(per_step, tmp_path):
    target = X.sum(-1) if per_step else np.repeat(X[:, 0, 0], T)
    table = long(LENGTHS, y=target)
    found = read(
        written(tmp_path / "d.csv", table), target="y", sequence="who", time="hour"
    )
    real = np.arange(T) < LENGTHS[:, None]
    np.testing.assert_array_equal(found.inputs, np.where(real[..., None], X, 0))
    np.testing.assert_array_equal(found.lengths, LENGTHS)
    expected = target.reshape(N, T)
    assert found.readout == ("every" if per_step else "last")
    if per_step:
        np.testing.assert_allclose(found.targets[real], expected[real], rtol=1e-6)
    else:
        np.testing.assert_allclose(found.targets, expected[:, 0], rtol=1e-6)
    assert found.features == ("a", "b")


def test_a_forecast_of_a_wide_table_is_of_its_own_steps(tmp_path):
    given = read(written(tmp_path / "d.csv", wide()), forecast=2)
    np.testing.assert_array_equal(given.inputs, X[:, :-2, :1])
    np.testing.assert_array_equal(given.targets, X[:, 2:, 0])
    assert given.readout == "every" and given.steps == ("h0", "h1", "h2")


def test_sequences_are_in_the_order_of_their_names_or_of_the_file(tmp_path):
    names = [f"p{i}" for i in reversed(range(N))]  # p9 before p10, and so on
    table = long(y=X[..., 0]).sort_values(["hour", "who"])  # all sequences step by step
    table["who"] = [names[int(who[1:])] for who in table["who"]]
    path = written(tmp_path / "d.csv", table)
    by_name = read(path, **LONG)
    np.testing.assert_array_equal(by_name.inputs, X[np.argsort(names)])
    np.testing.assert_array_equal(read(path, **LONG, in_file_order=True).inputs, X)


@pytest.mark.parametrize(
    "times",
    [
        ["t2", "t9", "t10", "t11", "t100"],
        ["8:50", "9:05", "10:00", "10:30", "23:59"],
        ["2024-09-30", "2024-10-02", "2024-11-01T09:00", "2024-11-01T10:00", "2025"],
    ],
)
def test_steps_are_in_the_order_of_what_words_of_time_say(times, tmp_path):
    table = long(y=X[..., 0], hour=[times] * N)
    found = read(written(tmp_path / "d.csv", table), **LONG)
    np.testing.assert_array_equal(found.inputs, X)
    assert list(found.steps) == times


def test_times_of_which_words_do_not_say_the_order_are_refused(tmp_path):
    for times in (["1/2/24", "12/1/24"], ["1:00 PM", "12:00 PM"], ["t-1", "t-2"]):
        table = long(y=X[..., 0], hour=[[*times, "x", "y", "z"]] * N)
        one = table[table.hour.isin(times)]
        with pytest.raises(ValueError, match=r"Write numbers, or dates as 2024-01-31"):
            read(written(tmp_path / "d.csv", one), **LONG)


def test_the_answer_is_no_feature(tmp_path):
    path = written(tmp_path / "d.csv", long(y=X.sum(-1)))
    with pytest.raises(ValueError, match="features names the target 'y', which would"):
        read(path, **LONG | {"features": ["a", "y"]})


def test_a_forecast_of_a_long_table_is_of_one_feature(tmp_path):
    options = {"target": "b", "sequence": "who", "time": "hour", "forecast": 1}
    given = read(written(tmp_path / "d.csv", long()), **options)
    np.testing.assert_array_equal(given.inputs, X[:, :-1])
    np.testing.assert_array_equal(given.targets, X[:, 1:, 1])
    ragged = read(written(tmp_path / "r.csv", long(LENGTHS)), **options)
    np.testing.assert_array_equal(ragged.lengths, LENGTHS - 1)


def test_integers_are_classes_if_they_are_few(tmp_path):
    few, many = np.arange(N) % 3, 10 * np.arange(N * T)
    path = written(tmp_path / "d.csv", wide(label=few))
    assert read(path, target="label").targets.dtype.kind == "i"
    assert read(path, target="label", kind="values").targets.dtype.kind == "f"
    table = pd.DataFrame(np.tile(X[..., 0], (T, 1))).assign(y=many)
    path = written(tmp_path / "m.csv", table)
    assert read(path, target="y").targets.dtype.kind == "f"
    whole = written(tmp_path / "w.csv", wide(label=few.astype(float)))
    assert read(whole, target="label").targets.dtype.kind == "f"
    assert read(whole, target="label", kind="classes").targets.dtype.kind == "i"


def test_archives(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, inputs=X, targets=LABELS, lengths=LENGTHS)
    given = read(path)
    np.testing.assert_array_equal(given.inputs, X)
    np.testing.assert_array_equal(given.lengths, LENGTHS)
    assert given.readout == "last"
    np.savez(path, inputs=X, targets=X.sum(-1))
    assert read(path).readout == "every"
    forecast = read(path, forecast=1)
    np.testing.assert_array_equal(forecast.targets, X[:, 1:, 0])
    (tmp_path / "d.ts").write_text(
        "@classLabel true a b\n@data\n1,2,3:4,5,6:a\n7,8:9,10:b\n"
    )
    given = read(tmp_path / "d.ts")
    np.testing.assert_array_equal(given.inputs[0], [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(given.lengths, [3, 2])
    np.testing.assert_array_equal(given.targets, ["a", "b"])


HOLES = wide(label=LABELS).mask(wide(label=LABELS) == X[4, 2, 0])


@pytest.mark.parametrize(
    ("table", "options", "error"),
    [
        (wide(label=LABELS), {}, "give --target, one of h0, h1, h2, h3, h4, label"),
        (wide(label=LABELS), {"target": "labl"}, "'labl'.*Did you mean label"),
        (HOLES, {"target": "label"}, "column 'h2' misses 1 of 12 values, .* in row 5"),
        (wide(a=LABELS, b=LABELS), {"target": "b"}, "column 'a' holds 'down', no num"),
        (
            wide(label=LABELS),
            {"target": "label", "time": "h0"},
            "--sequence and --time",
        ),
        (wide(label=LABELS), {"target": "label", "features": ["h0"]}, "has 1 columns"),
        (wide(label=LABELS), {"target": "label", "forecast": 1}, "Leave --target out"),
        (wide(), {"forecast": 4}, "there are 5 steps, too few to forecast 4 steps"),
        (wide(label=LABELS), {"target": "label", "kind": "values"}, "holds 'down', no"),
        (wide(), {"target": "h0", "kind": "classes"}, "no class. Use --kind=values"),
        (
            pd.concat([long(y=X[..., 0])] * 2),
            {"target": "y", "sequence": "who", "time": "hour"},
            r"who 'p\d\d' has two rows of hour",
        ),
        (
            long(np.array([1] + [5] * (N - 1)), y=X[..., 0]),
            {"target": "y", "sequence": "who", "time": "hour", "forecast": 1},
            "a sequence has 1 steps, too few",
        ),
        *(
            (long(y=X[..., 0]).replace({name: {there: here}}), LONG, error)
            for name, there, here, error in (
                ("hour", 2, None, "column 'hour' misses 12 of 60 values"),
                ("who", "p03", None, "column 'who' misses 5 of 60 values"),
                ("hour", 2, "noon", "column 'hour' holds '.', and words do not say"),
            )
        ),
    ],
)
def test_what_is_not_as_it_should_be_is_refused(table, options, error, tmp_path):
    with pytest.raises(ValueError, match=error) as raised:
        read(written(tmp_path / "d.csv", table), **options)
    assert str(tmp_path / "d.csv") in str(raised.value)


def test_files_of_arrays_that_are_none_are_refused(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, inputs=X, targets=LABELS.astype(object))
    whole = path.read_bytes()
    np.save(tmp_path / "d.npy", X)
    for content in (whole, whole[:-30], (tmp_path / "d.npy").read_bytes(), b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"d.npz cannot be read as arrays: .*Save"):
            read(path)


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"use a file that ends in .csv, .parquet"):
        read(tmp_path / "d.xlsx")
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read(tmp_path / "d.csv")
    for content in ("", "a,b\n"):
        (tmp_path / "e.csv").write_text(content)
        with pytest.raises(
            ValueError, match=r"cannot be read as a table|holds no rows"
        ):
            read(tmp_path / "e.csv", target="a")
    np.savez(tmp_path / "d.npz", x=X)
    with pytest.raises(ValueError, match="has arrays x, but no inputs"):
        read(tmp_path / "d.npz")


def test_groups_are_of_sequences(tmp_path):
    people = np.repeat(["ann", "bob", "cal"], 4)
    table = wide(label=LABELS, person=people)
    options = {"target": "label", "groups": "person"}
    given = read(written(tmp_path / "w.csv", table), **options)
    assert given.groups.tolist() == people.tolist() and given.inputs.shape[1] == 5
    rows = pd.DataFrame(
        {"id": np.repeat(np.arange(12)[::-1], 3), "t": np.tile(range(3), 12),
         "x": 1.0 * np.arange(36), "y": np.repeat(LABELS, 3),
         "person": np.repeat(people, 3)}
    )  # fmt: skip
    options |= {"target": "y", "sequence": "id", "time": "t"}
    found = read(written(tmp_path / "l.csv", rows), **options)
    assert found.groups.tolist() == people[::-1].tolist() and found.features == ("x",)
    # A category has an order of its own, which a .parquet file keeps.
    ordered = rows.assign(id=pd.Categorical(rows["id"], np.arange(12)[::-1]))
    ordered.to_parquet(tmp_path / "l.parquet")
    again = read(tmp_path / "l.parquet", **options)
    assert again.groups.tolist() == found.groups.tolist()
    np.testing.assert_array_equal(again.inputs, found.inputs)
    rows.loc[0, "person"] = "cal"
    with pytest.raises(ValueError, match="id 11 is in several groups of 'person'"):
        read(written(tmp_path / "l.csv", rows), **options)
    np.savez(tmp_path / "d.npz", inputs=X, targets=LABELS, groups=people)
    assert read(tmp_path / "d.npz").groups.tolist() == people.tolist()
    with pytest.raises(ValueError, match="--groups names a column of a table"):
        read(tmp_path / "d.npz", groups="person")
