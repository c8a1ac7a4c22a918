"""The local rule from N examples: losses and accuracies of all arms on four sets.

A pair is measured on four sets: the training examples at shown steps, fresh ones at
shown steps, at unseen steps before T, and at steps T..2T-1. Untied weights are read
*literally* there: the model holds weights for 2T steps, and those past T, which no
training sequence reads, get no gradient and stay at their initial values.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.gap_decomposition.plan import SHARINGS, Plan
from experiments.lab.choices import cells
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import (
    Lab,
    column,
    grid,
    replicates,
    tune_each,
)
from rnnshare import Cyclic, Segments, Sharing, Tied, Untied
from rnnshare.tasks import Batch, LocalRule
from rnnshare.tasks.base import as_pytree
from rnnshare.tasks.draws import bernoulli
from rnnshare.training import Call, Setting
from rnnshare.training.rows import Row

LONGER = 4  # times the steps: what removes the 'resources' part of a gap
GUESSING = {"loss": math.log(2.0), "accuracy": 0.5}  # the metrics, and of who guesses
SIGN = {"loss": 1.0, "accuracy": -1.0}  # gaps are those of 1 - accuracy
SETS = ("train_{}", "test_{}", "test_{}_unseen", "test_{}_later")
# Two gaps that share no example: fresh less train, and unseen less the other fresh.
HALVES = ("train_{}", "test_{}_first", "test_{}_second", "test_{}_unseen_second")
ByCase = Mapping[str, Mapping[tuple, np.ndarray]]


class Measured(NamedTuple):
    """What was trained: {metric: {case: values}}, NaN where a run diverged.

    Attributes:
      pairs: a case is (cell, T, N), its values [model, budget, seed, set]; models are
        tied, untied; budgets s, 4 s; sets as in `SETS`.
      agreement: a case is (sharing's label, cell, T, N, label noise), its values
        [seed, set] on the sets of `HALVES`.
    """

    pairs: ByCase
    agreement: ByCase


@as_pytree("num_examples", "seed", "shown", "label_noise")
@dataclasses.dataclass(frozen=True, eq=False)
class NoisyRule(LocalRule):
    """The local rule with labels that may be flipped, measured on halves of a set too.

    Attributes:
      label_noise: float32[], the probability that an answer is flipped, in every split.
    """

    __public_name__ = "experiments.NoisyRule"  # in keys, wherever it stands
    label_noise: Any = dataclasses.field(kw_only=True)

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the rule, and the label noise."""
        return f"{super().name}_noise{float(self.label_noise):g}"

    def example(self, key: jax.Array, split: str) -> Batch:  # noqa: D102
        batch = super().example(key, split)
        shape = jnp.shape(batch.targets)
        flips = bernoulli(jax.random.fold_in(key, 1), self.label_noise, shape)
        return batch._replace(
            targets=jnp.where(flips, 1 - batch.targets, batch.targets)
        )

    def metrics(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        """Returns those of the rule, and apart those of both halves of the examples."""
        found, half = super().metrics(outputs, batch), len(outputs) // 2
        for name, part in (("first", slice(half)), ("second", slice(half, None))):
            own = jax.tree.map(lambda leaf, part=part: leaf[part], batch)
            measured = super().metrics(outputs[part], own)
            found |= {f"{metric}_{name}": value for metric, value in measured.items()}
        return found


def noisy_rule(
    num_steps: int, split: int, *, num_examples: int, label_noise: float
) -> LocalRule:
    """Returns the `NoisyRule`; those of other sizes and noise share one compilation."""
    return NoisyRule.of(
        num_steps, split, num_examples=num_examples, label_noise=np.float32(label_noise)
    )


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept, and returns the losses and accuracies."""
    return Measured(measure_pairs(plan, lab), measure_agreement(plan, lab))


def measure_pairs(plan: Plan, lab: Lab) -> ByCase:
    """Returns `Measured.pairs`."""
    cases = [*itertools.product(plan.cells, plan.lengths, plan.sizes)]
    arms = {}
    for case in cases:
        cell, num_steps, size = case
        sizes = {"num_examples": size, "test_steps": 2 * num_steps}
        make_task = Call(LocalRule.of, num_steps, **sizes)
        untied = [Untied(2 * num_steps, same_init=same) for same in plan.starts]
        for arm, sharings in (("Tied", [Tied()]), ("Untied", untied)):
            arms[case, arm] = candidates(
                plan, make_task, cell, sharings, plan.num_steps, plan.rates
            )
    chosen = tune_each(lab, arms, plan.tuning).values()
    settings = [setting for one in chosen for setting in (one, longer(one))]
    rows = lab.train(settings, replicates(plan.num_seeds, plan.first_seed))
    return _by_case(rows, cases, (2, 2, plan.num_seeds), SETS)


def measure_agreement(plan: Plan, lab: Lab) -> ByCase:
    """Returns `Measured.agreement`."""
    arms = {}
    for cell, num_steps, size, noise in itertools.product(
        plan.cells, plan.lengths, plan.agreement_sizes, plan.noises
    ):
        make_task = Call(noisy_rule, num_steps, num_examples=size, label_noise=noise)
        for label in plan.agreement_sharings:
            sharings = [between(num_steps)[label]]
            arms[label, cell, num_steps, size, noise] = candidates(
                plan, make_task, cell, sharings, plan.agreement_steps,
                plan.agreement_rates,
            )  # fmt: skip
    settings = [*tune_each(lab, arms, plan.tuning).values()]
    rows = lab.train(settings, replicates(plan.num_seeds, plan.first_seed))
    return _by_case(rows, [*arms], (plan.num_seeds,), HALVES)


def between(num_steps: int) -> dict[str, Sharing]:
    """Returns {label: sharing} from tied to untied, as `SHARINGS`.

    Stacks start as copies of one initialisation, that of the tied model.
    """
    sharings = (
        Tied(),
        Segments(num_steps, 2, same_init=True),
        Segments(num_steps, 4, same_init=True),
        Cyclic(num_steps // 2, same_init=True),
        Untied(num_steps, same_init=True),
    )
    return dict(zip(SHARINGS, sharings, strict=True))


def candidates(
    plan: Plan, make_task: Call, cell: str, sharings: Sequence, num_steps: int, rates
) -> list[Setting]:
    """Returns the settings that an arm's is chosen from: sharings by rates."""
    recipe, width = to_the_end(num_steps, 10), plan.hidden_features
    base = Setting(make_task, cells()[cell], Tied(), width, recipe=recipe)
    return grid(base, rates, sharings)


def longer(setting: Setting) -> Setting:
    """Returns the setting trained for 4 times the steps, the first of them the same."""
    steps = LONGER * setting.recipe.num_steps
    recipe = dataclasses.replace(setting.recipe, num_steps=steps)
    return dataclasses.replace(setting, recipe=recipe)


def _by_case(rows: list[Row], cases: list, shape: tuple, sets: tuple) -> ByCase:
    """Returns {metric: {case: [*shape, set]}} of rows in this order."""
    found = {}
    for metric in GUESSING:
        columns = [column(rows, name.format(metric), np.nan) for name in sets]
        values = np.stack(columns, axis=-1).reshape(len(cases), *shape, len(sets))
        found[metric] = dict(zip(cases, values, strict=True))
    return found


def without_lost(found: ByCase) -> tuple[ByCase, np.ndarray]:
    """Lets the runs that diverged count as guessing.

    Args:
      found: {metric: {case: [..., set]}}, NaN where a run diverged.

    Returns:
      The same without NaN, and which runs diverged, bool[R].
    """
    lost = np.isnan([*found["loss"].values()]).any(-1).ravel()
    filled = {
        metric: {k: np.nan_to_num(v, nan=GUESSING[metric]) for k, v in by_case.items()}
        for metric, by_case in found.items()
    }
    return filled, lost
