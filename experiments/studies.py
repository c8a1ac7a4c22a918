"""What the studies of all scripts have in common: the launch, and what they tell.

The flags say how a study is laid over the devices; its rows are the same.
"""

import sys

import numpy as np

from experiments import common
from rnnshare import study
from rnnshare.study import Replicate


def run(settings, replicates, rows):
    """Trains settings on replicates as `rnnshare.study.run` does; returns the rows."""
    return study.run(settings, replicates, rows, **_options())


def tune(candidates, replicates, rows):
    """Returns the best candidate by validation loss, as `rnnshare.study.tune` does."""
    return study.tune(candidates, replicates, rows, **_options())


def replicates(count, first=0):
    """Returns paired replicates: each seed has a split of its own."""
    return [Replicate(i, i) for i in range(first, first + count)]


def column(rows, name="test_loss", missing=np.inf):
    """Returns a metric over rows; `missing` where a run diverged."""
    return np.array([missing if row[name] is None else row[name] for row in rows])


def tell(setting, count, left):
    """Says on stderr what is being trained."""
    done = "" if left else " (kept from before)"
    cell = getattr(setting.cell, "__name__", setting.cell)
    name = f"{setting.make_task(0).name}, {cell}, {setting.sharing}"
    print(f"{name}: {left or count} runs{done}", file=sys.stderr, flush=True)


def layout():
    """Returns how the flags lay replicas over the devices, for `fit` and `run`."""
    parsed = common.flags.FLAGS.is_parsed()  # a notebook or a test has no command line
    return {"per_device": common.PER_DEVICE.value if parsed else 1}


def _options():
    return {"on_group": tell, **layout()}
