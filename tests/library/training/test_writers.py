"""Writers beside the rows: what a training tells them, and what TensorBoard reads."""

import struct
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tensorboardX.proto.event_pb2 import Event

from rnnshare.cells.blueprint import Blueprint
from rnnshare.plotting import picture_of
from rnnshare.training import Recipe, TensorBoardWriter, write_to
from rnnshare.training.loop import Loop, Replica
from tests.cases import with_slow
from tests.library.training.loop_cases import TASK, setting, train


class Told:
    """A writer of one's own: what it was told."""

    def __init__(self):
        self.rows = {}

    def write_scalars(self, step, scalars):
        self.rows[step] = dict(scalars)

    def write_images(self, step, images):
        raise AssertionError

    def close(self):
        pass


@pytest.mark.parametrize("policy", with_slow(["stop", "skip"], {"skip"}))
def test_norms_of_gradients_are_those_by_hand(policy):
    """Of a model that does not move: the mean over its chunk's batches."""

    def frozen(rate):
        return optax.set_to_zero()

    recipe = Recipe(4, 8, 2, None, 1e-3, frozen, on_nonfinite=policy)
    writers = [Told(), Told()]
    train([(TASK, seed, 1.0) for seed in range(2)], recipe=recipe,
          on_chunk=write_to(writers), gradient_norms=True)  # fmt: skip
    blueprint = Blueprint.of(setting().make_model())
    init = jax.jit(Loop(setting().make_model(), recipe).init)

    @jax.jit
    def norm(params, key):
        batch = TASK.sample(key, 8)

        def loss_of(params):
            return jnp.mean((blueprint.bind(params)(batch.inputs) - batch.targets) ** 2)

        return optax.tree.norm(jax.grad(loss_of)(params))

    for seed, writer in enumerate(writers):
        replica = Replica(TASK, jnp.uint32(seed), jnp.float32(1.0))
        params = init(replica).params
        key = jax.random.fold_in(jax.random.key(seed), 1)
        norms = [norm(params, jax.random.fold_in(key, step)) for step in range(4)]
        assert list(writer.rows) == [2, 4]
        found = [row["gradient_norm"] for row in writer.rows.values()]
        wanted = [np.mean(norms[:2]), np.mean(norms[2:])]
        np.testing.assert_allclose(found, wanted, rtol=1e-4)
        assert "validation_loss" in writer.rows[2]


@pytest.mark.slow
def test_to_measure_norms_changes_no_run():
    plain, watched = (train([(TASK, 0, 1e-2)], gradient_norms=g) for g in (False, True))
    assert plain.metrics[0].pop("diverged") is None
    for name, value in plain.metrics[0].items():
        assert watched.metrics[0][name] == pytest.approx(value, rel=1e-5), name


def events_of(folder):
    """Returns what event files hold: (step, tag, number or picture's size)."""
    found = []
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (size,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + size])
            at += 12 + size + 4
            for value in event.summary.value:
                image = value.image.height, value.image.width
                found.append((event.step, value.tag, value.simple_value or image))
    return found


def test_tensorboard_reads_what_was_written(tmp_path):
    writer = TensorBoardWriter(tmp_path / "board")
    write_to([writer])(10, {0: {"loss": 0.5, "name": "no number", "diverged": None}})
    writer.write_images(10, {"alike": picture_of(np.eye(3), size=6)})
    writer.close()
    again = TensorBoardWriter(tmp_path / "board")
    again.write_scalars(20, {"loss": 0.25})
    again.close()
    assert sorted(events_of(tmp_path / "board")) == [
        (10, "alike", (6, 6)), (10, "loss", 0.5), (20, "loss", 0.25)
    ]  # fmt: skip


def test_pictures_show_likeness():
    picture = picture_of([[1.0, 0.0], [-1.0, 0.5]], size=4)
    assert picture.shape == (4, 4, 3) and picture.dtype == np.uint8
    blue, white, red, pale = picture[0, 0], picture[0, 3], picture[3, 0], picture[3, 3]
    assert blue.tolist() == [0, 0, 255] and red.tolist() == [255, 0, 0]
    assert white.tolist() == [255, 255, 255] and pale.tolist() == [128, 128, 255]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'rnnshare\[tensorboard\]'"):
        TensorBoardWriter("nowhere")
