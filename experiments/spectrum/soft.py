"""Soft tying of a recurrent network's weights, its strength a term of the loss.

Shape letters: N sequences, T steps, l lags.
"""

import dataclasses
import functools
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import nnx

from experiments.lab import frames
from experiments.lab.frames import count_lost
from experiments.lab.recipes import annealed_adam, to_the_end
from experiments.lab.trials import Lab
from experiments.spectrum.plan import Plan, Soft
from rnnshare import GRUCell, Tied, Untied, tasks, tying_penalty
from rnnshare.cells.holding import stored_of
from rnnshare.tasks.base import as_pytree, generated
from rnnshare.training import Call, Setting


class Outputs(NamedTuple):
    """What `WithWeights` returns: answers [B, T, O], and a layer's weights [T, ...]."""

    values: jax.Array
    weights: Any


class WithWeights(nnx.Module):
    """A model that returns the weights of its first layer beside its answers."""

    def __init__(self, make_model: Any, *, rngs: nnx.Rngs):
        """Draws the model."""
        self.model = make_model(rngs=rngs)

    def __call__(self, inputs: jax.Array, **options: Any) -> Outputs:
        """Returns answers and weights."""
        values = self.model(inputs, **options)
        return Outputs(values, stored_of(self.model.layers[0].weights))


class SoftSetting(Setting):
    """Untied weights that a penalty of the task's draws together."""

    __public_name__ = "experiments.SoftSetting"  # in keys, wherever it stands

    def make_model(self):
        """Returns the model's factory."""
        return Call(WithWeights, super().make_model())


@as_pytree(
    *("num_examples", "seed", "step_weights", "constant", "amount", "oracle"),
    *("noise", "strength"),
)
@dataclasses.dataclass(frozen=True, eq=False)
class SoftDrift(tasks.DriftStream):
    """The drifting regression with `strength` times the tying penalty in the loss.

    The loss is the mean squared error of N (T - l) scored steps, and the penalty
    divided by as many: the sum of squared errors and the penalty, in that proportion.
    """

    __public_name__ = "experiments.SoftDrift"
    strength: Any = None

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the regression, and the strength."""
        return f"{super().name}_tie{float(self.strength):g}"

    def loss(self, outputs: Outputs, batch: Any) -> jax.Array:  # type: ignore[override]
        """Returns the mean squared error and the penalty."""
        scored = self.num_steps - self.step_weights.shape[-2]
        count = jnp.asarray(self.num_examples).astype(jnp.float32) * scored
        penalty = tying_penalty(outputs.weights)
        return super().loss(outputs.values, batch) + self.strength * penalty / count

    def metrics(self, outputs: Outputs, batch: Any) -> dict[str, jax.Array]:  # type: ignore[override]
        """Returns the error alone as `loss`."""
        return {"loss": super().loss(outputs.values, batch)}


@functools.lru_cache(maxsize=4_096)
@generated()
def soft_drift(split: int, *, strength: float, **options: Any) -> SoftDrift:
    """Returns the task of `tasks.drift_stream` with a strength of tying."""
    task = tasks.drift_stream(split, **options)
    fields = {f.name: getattr(task, f.name) for f in dataclasses.fields(task)}
    return SoftDrift(**fields, strength=np.float32(strength))


def measure_soft(plan: Plan, lab: Lab) -> pd.DataFrame:
    """Returns a row a training: strength, d, s, N, seed, losses, ratio, lost.

    Strength 0 is untied and infinity tied; the ratio is s^2 / tau^2, tau^2 the variance
    over the steps of an entry of the task's true weights.
    """
    sizes = plan.soft
    settings = {
        (strength, drift, noise, size): _setting(sizes, strength, drift, noise, size)
        for strength, drift, noise, size in itertools.product(
            (0.0, *sizes.strengths, np.inf), sizes.drifts, sizes.noises, sizes.sizes
        )
    }
    names = ("strength", "d", "s", "N")
    runs = frames.train(lab, settings, names, plan.num_seeds, plan.first_seed)
    trivial = 1.0 + runs["s"] ** 2
    runs = count_lost(runs, {"test_loss": trivial, "validation_loss": np.inf})
    drifts = {
        (d, seed): drift_variance(sizes, d, seed)
        for d, seed in runs[["d", "seed"]].drop_duplicates().itertuples(index=False)
    }
    tau = [drifts[pair] for pair in zip(runs["d"], runs["seed"], strict=True)]
    return runs.assign(ratio=runs["s"] ** 2 / np.array(tau))


def drift_variance(sizes: Soft, drift: float, split: int) -> float:
    """Returns tau^2 of a task, in units of the inputs' variance and the targets'."""
    weights = np.asarray(
        tasks.drift_stream(split, **_options(sizes, drift)).step_weights
    )
    return float(weights[sizes.num_lags :].var(0, ddof=1).mean())


def _options(sizes: Soft, drift: float) -> dict[str, Any]:
    return {
        "amount": drift,
        "num_steps": sizes.num_steps,
        "num_lags": sizes.num_lags,
    }


def _setting(
    sizes: Soft, strength: float, drift: float, noise: float, size: int
) -> Setting:
    options = _options(sizes, drift) | {"noise": noise, "num_examples": size}
    recipe = to_the_end(
        sizes.num_updates,
        4,
        optimizer=Call(annealed_adam, num_steps=sizes.num_updates),
        keep="last",
    )
    fields: dict[str, Any] = {
        "cell": GRUCell,
        "hidden_features": sizes.hidden_features,
        "learning_rate": sizes.rate,
        "recipe": recipe,
    }
    if strength == np.inf:
        make_task = Call(tasks.drift_stream, **options)
        return Setting(make_task, sharing=Tied(), **fields)
    make_task = Call(soft_drift, strength=strength, **options)
    untied = Untied(sizes.num_steps, same_init=True)
    return SoftSetting(make_task, sharing=untied, **fields)
