"""Auckland's pedestrians: what the file holds, and how days become a forecast."""

import jax
import numpy as np
import pytest

from rnnshare.tasks import pedestrians
from rnnshare.tasks.base import SPLITS
from rnnshare.tasks.data import arrays
from rnnshare.tasks.data import pedestrians as data


def test_the_days_are_those_of_the_file():
    pool = data.pedestrians()
    assert pool.counts.shape == (50_723, 24) and pool.counts.dtype == np.float32
    by_year = np.bincount(pool.years)[2019:]
    assert by_year.tolist() == [6935, 6954, 6935, 7036, 7638, 7644, 7581]
    assert set(pool.sensors) == set(range(21))
    # By the clock: emptiest at 4 at night, fullest at 5 in the afternoon.
    hours = pool.counts.mean(0)
    assert (hours.argmin(), hours.argmax()) == (4, 17)
    assert (pool.counts.min(), pool.counts.max()) == (0, 5226)


def test_a_step_forecasts_the_next_and_sets_are_parted_by_time():
    pool = data.pedestrians()
    for split in (0, 3):
        task = pedestrians(split, num_examples=500)
        assert task.name == "pedestrians_n500" and task.num_steps == 23
        days = {name: task.held_out(name) for name in SPLITS}
        whole = {
            name: np.concatenate([batch.inputs[:, :1], batch.targets], 1)[..., 0]
            for name, batch in days.items()
        }
        assert [len(each) for each in whole.values()] == [500, 1_000, 1_000]
        for batch in days.values():
            np.testing.assert_array_equal(batch.inputs[:, 1:], batch.targets[:, :-1])
        np.testing.assert_allclose(whole["train"].mean(), 0, atol=1e-5)
        np.testing.assert_allclose(whole["train"].std(), 1, atol=1e-5)
        # Back in pedestrians: the counts are whole, and 0 is the least of them.
        unit = np.diff(np.unique(whole["train"])).min()
        counts = {
            name: np.round((each - whole["train"].min()) / unit).astype(np.float32)
            for name, each in whole.items()
        }
        periods = (range(2019, 2024), [2024], [2025])
        for each, years in zip(counts.values(), periods, strict=True):
            own = {row.tobytes() for row in pool.counts[np.isin(pool.years, years)]}
            assert {row.tobytes() for row in each} <= own


def test_loss_and_baselines():
    task = pedestrians(1, num_examples=100)
    batch = task.held_out("test")
    again = task.metrics(batch.inputs, batch)
    constant = np.broadcast_to(batch.targets.mean(), batch.targets.shape)
    lines = task.baselines
    for name, outputs in (("last", batch.inputs), ("chance", constant)):
        found = task.metrics(outputs, batch)
        for metric, value in lines[name].items():
            np.testing.assert_allclose(found[metric], value, rtol=1e-5)
    assert 0.1 < again["unexplained"] < 0.2
    one = task.sample(jax.random.key(0), 8)
    rows = {row.tobytes() for row in np.asarray(task.train.inputs)}
    assert {row.tobytes() for row in np.asarray(one.inputs)} <= rows
    shapes = [jax.tree.map(np.shape, pedestrians(i, num_examples=100)) for i in (1, 2)]
    assert jax.tree.structure(shapes[0]) == jax.tree.structure(shapes[1])


def test_errors():
    with pytest.raises(ValueError, match=r"split is -1\. Use a number from 0 on"):
        pedestrians(-1)
    with pytest.raises(ValueError, match=r"num_examples is 90000\. Use 1 to 35,498"):
        pedestrians(0, num_examples=90_000)
    with pytest.raises(ValueError, match=r"name is 'Lynx'\. Use one of \['ArrowHead'"):
        arrays.outlines("Lynx")
