"""What a training leaves for TensorBoard: a writer a seed, pictures of the weights."""

import contextlib

from experiments.lab import flags as common

MOST_PICTURED = 512  # steps whose weights are compared in a picture


@contextlib.contextmanager
def writers(path, seeds):
    """Gives {seed: its writer}, each of a folder of its own under `tensorboard`."""
    from rnnshare.training import TensorBoardWriter

    with common.user_errors():
        opened = {s: TensorBoardWriter(path / f"tensorboard/seed_{s}") for s in seeds}
    try:
        yield opened
    finally:
        for writer in opened.values():
            writer.close()


def pictures(setting, num_steps, params):
    """Returns how alike the trained weights of every two steps are, layer by layer.

    None of tied layers, whose weights are the same, nor of more steps than show.
    """
    from rnnshare import Tied, expand
    from rnnshare.cells.blueprint import Blueprint
    from rnnshare.plotting import picture_of
    from rnnshare.sharing.measures import weight_similarity

    model = Blueprint.of(setting.make_model()).bind(params)
    return {
        f"weight_similarity/layer_{number}": picture_of(
            weight_similarity(expand(rnn.sharing, rnn.stored, num_steps))
        )
        for number, rnn in enumerate(model.layers)
        if rnn.sharing != Tied() and num_steps <= MOST_PICTURED
    }
