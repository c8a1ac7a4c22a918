"""The studies behind `position_generalisation.py`: positions, samples, word order."""

import dataclasses
import math

import numpy as np

from experiments.lab.trials import column, replicates, run, tune
from rnnshare import ElmanCell, GRUCell, LSTMCell, Tied, Untied
from rnnshare.models.sequence_model import BagOfSteps
from rnnshare.tasks import LocalRule, SignalPatch, WordOrder
from rnnshare.training.fitting import Recipe
from rnnshare.training.study import Setting

TUNING_SEED = 1_000


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      cells: {name: cell class} of the rule and of the grammar.
      num_seeds: paired seeds.
      num_tuning: tuning seeds of each rate (and start).
      rates: learning rates to choose from.
      starts: of untied weights, `same_init`, to choose from.
      hidden_features: H.
      rule_steps: T of the local rule.
      num_steps: of training.
      patch_steps: the T of signal patches.
      most_examples: where the search for a training-set size ends.
      accuracy: what it looks for.
      sentences: training-set size of the grammar.
    """

    cells: dict
    num_seeds: int
    num_tuning: int
    rates: tuple[float, ...]
    starts: tuple[bool, ...]
    hidden_features: int
    rule_steps: int
    num_steps: int
    patch_steps: tuple[int, ...]
    most_examples: int
    accuracy: float
    sentences: int


_CELLS = {"Elman": ElmanCell, "GRU": GRUCell, "LSTM": LSTMCell}
_FEW = {name: _CELLS[name] for name in ("Elman", "LSTM")}
PLANS = {
    "smoke": Plan({"Elman": ElmanCell}, 2, 1, (1e-2,), (True,), 4, 4, 8, (2, 3),
                  32, 0.45, 20),
    "quick": Plan(_FEW, 5, 1, (3e-3, 1e-2), (True,), 32, 16, 1_000, (4, 8, 16),
                  2**14, 0.9, 2_000),
    "full": Plan(_CELLS, 10, 2, (3e-3, 1e-2), (True, False), 32, 32, 2_000,
                 (4, 8, 16, 32, 64), 2**15, 0.9, 10_000),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class MakeLocalRule:
    """`make_task` of a local rule; a split has other steps shown."""

    num_steps: int

    def __call__(self, split):  # noqa: D102
        return LocalRule.of(self.num_steps, split)


@dataclasses.dataclass(frozen=True)
class MakePatches:
    """`make_task` of signal patches."""

    num_steps: int
    num_examples: int

    def __call__(self, split):  # noqa: D102
        return SignalPatch(self.num_examples, split, num_steps=self.num_steps)


@dataclasses.dataclass(frozen=True)
class MakeWordOrder:
    """`make_task` of the grammar; a split has other pairs held out."""

    num_examples: int
    num_facts: int

    def __call__(self, split):  # noqa: D102
        return WordOrder.of(self.num_examples, split, num_facts=self.num_facts)


@dataclasses.dataclass(frozen=True)
class _MakeBag:
    in_features: int
    hidden_features: int
    out_features: int
    num_tokens: int | None

    def __call__(self, *, rngs):
        return BagOfSteps(
            self.in_features,
            self.hidden_features,
            self.out_features,
            num_tokens=self.num_tokens,
            rngs=rngs,
        )


class BagSetting(Setting):
    """The control in the place of an RNN."""

    def make_model(self):
        """Returns the control's factory."""
        task = self.make_task(0)
        return _MakeBag(
            task.in_features, self.hidden_features, task.out_features, task.num_tokens
        )


def setting(plan, make_task, cell, sharing=Tied()):
    """Returns the setting of an arm, at the first rate."""
    kind = BagSetting if cell is BagOfSteps else Setting
    return kind(
        make_task,
        cell,
        sharing,
        plan.hidden_features,
        plan.rates[0],
        Recipe(
            num_steps=plan.num_steps,
            batch_size=32,
            validate_every=max(1, plan.num_steps // 20),
            patience=None,
            stop_loss=1e-3,
        ),
    )


def tuned(plan, make_task, cell, sharings, rows):
    """Returns the best of some sharings and rates, on seeds of its own."""
    candidates = [
        dataclasses.replace(setting(plan, make_task, cell, s), learning_rate=rate)
        for s in sharings
        for rate in plan.rates
    ]
    return tune(candidates, replicates(plan.num_tuning, TUNING_SEED), rows)


def untied(plan, num_steps):
    """Returns untied sharings, one for each start."""
    return [Untied(num_steps, same_init=same) for same in plan.starts]


def local_rule(plan, rows):
    """Returns {cell: {arm: (accuracy at shown, at unseen steps), each [S]}}."""
    make_task, found = MakeLocalRule(plan.rule_steps), dict[str, dict]()
    for name, cell in plan.cells.items():
        found[name] = {}
        for arm, choices in (
            ("Tied", [Tied()]),
            ("Untied", untied(plan, plan.rule_steps)),
        ):
            chosen = tuned(plan, make_task, cell, choices, rows)
            measured = run([chosen], replicates(plan.num_seeds), rows)
            found[name][arm] = tuple(
                column(measured, key, missing=0.0)
                for key in ("test_accuracy", "test_accuracy_unseen")
            )
    return found


def samples_to_threshold(plan, chosen, num_steps, first, rows):
    """Returns float64[S], the training examples that reach the accuracy; inf for none.

    N goes up and down by factors of two from `first` until the mean over the seeds is
    bracketed. A seed's number is where the line through its own accuracies, over log N,
    first comes to the threshold.
    """
    measured: dict[int, np.ndarray] = {}

    def reaches(exponent):
        if exponent not in measured:
            at = dataclasses.replace(
                chosen, make_task=MakePatches(num_steps, 2**exponent)
            )
            found = run([at], replicates(plan.num_seeds), rows)
            measured[exponent] = column(found, "test_accuracy", missing=0.5)
        return measured[exponent].mean() >= plan.accuracy

    last = int(math.log2(plan.most_examples))
    at = min(first, last)
    if reaches(at):
        while at > 1 and reaches(at - 1):
            at -= 1
    else:
        while not reaches(at) and at < last:
            at += 1
    # One further point on each side, for the seeds that cross early or late.
    for beside in (at - 2, at + 1):
        if 1 <= beside <= last:
            reaches(beside)
    exponents = sorted(measured)
    curves = np.array([measured[e] for e in exponents]).T  # [S, X]
    return np.array([_crossing(exponents, row, plan.accuracy) for row in curves])


def _crossing(exponents, accuracies, threshold):
    """Returns the N at which a line through points first reaches the threshold."""
    # A larger set can do no worse than chance has it: what was reached stays reached.
    best = np.maximum.accumulate(accuracies)
    above = np.flatnonzero(best >= threshold)
    if not len(above):
        return np.inf
    i = above[0]
    if i == 0:
        return 2.0 ** exponents[0]
    low, high = best[i - 1], best[i]
    part = (threshold - low) / (high - low)
    return 2.0 ** (exponents[i - 1] + part * (exponents[i] - exponents[i - 1]))


def signal_patches(plan, rows):
    """Returns {arm: [S, X]}, the examples needed at each T of the plan."""
    cell, needed = LSTMCell, dict[str, list](Tied=[], Untied=[])
    for arm, columns in needed.items():
        first = 6
        for num_steps in plan.patch_steps:
            make_task = MakePatches(num_steps, min(2**12, plan.most_examples))
            choices = [Tied()] if arm == "Tied" else untied(plan, num_steps)
            chosen = tuned(plan, make_task, cell, choices, rows)
            found = samples_to_threshold(plan, chosen, num_steps, first, rows)
            columns.append(found)
            if np.isfinite(found).any():
                first = round(math.log2(np.median(found[np.isfinite(found)])))
    return {arm: np.array(columns).T for arm, columns in needed.items()}


def word_order(plan, rows, num_facts):
    """Returns {cell: {arm: (accuracy as trained, of held-out pairs), each [S]}}."""
    make_task, found = MakeWordOrder(plan.sentences, num_facts), dict[str, dict]()
    num_steps = make_task(0).num_steps
    for name, cell in (*plan.cells.items(), ("bag of words", BagOfSteps)):
        if cell is BagOfSteps:
            choices = {"Bag": [Tied()]}
        else:
            choices = {"Tied": [Tied()], "Untied": untied(plan, num_steps)}
        found[name] = {}
        for arm, sharings in choices.items():
            chosen = tuned(plan, make_task, cell, sharings, rows)
            measured = run([chosen], replicates(plan.num_seeds), rows)
            found[name][arm] = tuple(
                column(measured, f"{split}_accuracy", missing=0.0)
                for split in ("validation", "test")
            )
    return found
