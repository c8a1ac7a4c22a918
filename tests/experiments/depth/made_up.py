"""A lab that trains nothing: its losses are a function of setting and seed."""

import numpy as np

from experiments.depth import measure as study
from experiments.depth.models import StackSetting, sizes
from rnnshare import LowRank, Tied


def sets_of(setting):
    """Returns the sets of weights that a setting's sharing stores, and the passes."""
    over_depth = isinstance(setting, StackSetting)
    passes = setting.depth if over_depth else setting.make_task(0).num_steps
    if isinstance(setting.sharing, Tied | LowRank):
        return 1, passes
    return getattr(setting.sharing, "num_templates", passes), passes


def law(phi_depth, phi_time, noise=1e-3):
    """Returns a loss whose recurrences are worth r^phi, over depth and over time."""

    def loss(setting, seed):
        count, passes = sets_of(setting)
        phi = phi_depth if isinstance(setting, StackSetting) else phi_time
        own = sizes(setting, count)
        size = own["once"] + (passes / count) ** phi * own["shared"]
        if isinstance(setting.sharing, LowRank):
            size = own["once"] + passes ** (0.8 + 0.2 * phi) * own["shared"]
        rng = np.random.default_rng([seed, count, setting.hidden_features])
        return 0.5 + 8 * size**-0.3 + noise * rng.normal()

    return loss


class MadeUpLab:
    """Answers as `experiments.lab.trials.Lab` does, by a loss of setting and seed."""

    def __init__(self, loss):
        self.loss = loss
        self.trained = {}

    def train(self, settings, repeats):
        rows = []
        for setting in settings:
            for repeat in repeats:
                loss = self.loss(setting, repeat.seed)
                self.trained[setting, repeat] = loss
                rows.append(
                    setting.columns()
                    | {"seed": repeat.seed, "test_loss": loss, "validation_loss": loss,
                       "num_parameters": 1_000}
                )  # fmt: skip
        return rows

    def tune(self, candidates, budget):
        assert budget >= 1
        return candidates[0]

    def kept_each(self, keys, make):
        del make
        assert all(key["what"] == "test loss at another depth" for key in keys)
        return [
            {"losses": [3.0 - 0.1 * passes if i else None for _, passes in key["read"]]}
            for i, key in enumerate(keys)
        ]


def measured(plan, loss):
    """Returns what a plan measures where trainings end at these losses."""
    return study.measure(plan, MadeUpLab(loss))
