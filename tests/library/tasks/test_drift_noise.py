"""The noise dial of the drift task: off, nothing has changed; on, what it adds."""

import jax
import numpy as np
import pytest

from rnnshare.tasks import drift, drift_stream
from rnnshare.training.identity import key_of

STORED = {"num_steps": 12, "num_examples": 20, "num_rows": 20}
DRAWN = {"num_steps": 10, "num_examples": 20, "num_held_out": 4}


def targets(task, split):
    return np.asarray(jax.device_get(task.held_out(split).targets), np.float64)


@pytest.mark.parametrize(
    ("make", "sizes", "key", "name", "sums"),
    [
        (drift, STORED, "f53f23fbde25175cbbd0", "drift_random_walk_0.05_n20",
         (-276.446891, -287.394672)),
        (drift_stream, DRAWN, "a77b47a801f898c9cd0b", "drift_t10_l5_d0.05_n20",
         (-4.600046, -3.709974)),
    ],
)  # fmt: skip
def test_without_noise_nothing_has_changed(make, sizes, key, name, sums):
    """Keys, names and numbers are those that kept rows were made with."""
    task = make(3, **sizes)
    assert key_of(task) == key_of(make(3, noise=0.0, **sizes)) == key
    assert task.name == name and task.noise is None
    found = [targets(task, split).sum() for split in ("train", "test")]
    assert found == pytest.approx(sums, rel=1e-6)
    noisy = make(3, noise=0.3, **sizes)
    assert key_of(noisy) != key
    assert noisy.name == name.replace("0.05", "0.05_s0.3")


def test_without_noise_none_is_drawn():
    def program(task):
        return str(jax.make_jaxpr(lambda key: task.sample(key, 3))(jax.random.key(0)))

    assert "erf_inv" not in program(drift_stream(3, **DRAWN))
    assert "erf_inv" in program(drift_stream(3, noise=0.3, **DRAWN))


@pytest.mark.parametrize("noise", [0.3, 1.0])
@pytest.mark.parametrize("make", [drift, drift_stream])
def test_noise_is_normal_and_drawn_anew_for_every_set_and_step(make, noise):
    sizes = {"num_steps": 12, "num_examples": 400, "num_lags": 5}
    more = {"num_rows": 400} if make is drift else {"num_held_out": 400}
    clean, noisy = (make(1, noise=s, **sizes, **more) for s in (0.0, noise))
    added = []
    for split in ("train", "validation", "test"):
        batch, plain = noisy.held_out(split), clean.held_out(split)
        np.testing.assert_array_equal(batch.inputs, plain.inputs)
        scored = np.asarray(batch.mask)
        added.append((np.asarray(batch.targets) - plain.targets)[..., 0][scored])
        assert len(added[-1]) == 400 * 7
    values = np.concatenate(added).astype(np.float64) / noise
    within = 4 / np.sqrt(len(values))  # four standard errors
    assert abs(values.mean()) < within
    assert abs(np.mean(values**2) - 1) < within * np.sqrt(2)
    assert abs(np.mean(values**4) - 3) < within * np.sqrt(96)
    by_step = values.reshape(-1, 7)
    assert abs(np.mean(by_step[:, 1:] * by_step[:, :-1])) < within * np.sqrt(7 / 6)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        product = np.mean(added[first] * added[second]) / noise**2
        assert abs(product) < within * np.sqrt(3)


def test_the_lines_hold_the_noise():
    clean, noisy = (drift_stream(1, amount=0.2, noise=s, **DRAWN) for s in (0.0, 0.5))
    for name, line in clean.baselines.items():
        expected = line["loss"] + 0.25
        assert noisy.baselines[name]["loss"] == pytest.approx(expected, rel=1e-6)
    assert drift(0, noise=0.5, **STORED).baselines["per-step linear"]["loss"] == 0.25


def test_tasks_of_other_noise_share_a_program():
    tasks = [drift_stream(0, noise=s, **DRAWN) for s in (0.3, 1.0)]
    assert len(set(map(jax.tree.structure, tasks))) == 1


@pytest.mark.parametrize("make", [drift, drift_stream])
@pytest.mark.parametrize("noise", [-0.1, np.nan, np.inf])
def test_noise_is_a_deviation(make, noise):
    with pytest.raises(ValueError, match=f"drift: noise is {noise}"):
        make(noise=noise)
