"""The study behind B9: what is learnt beyond the window of truncated gradients."""

import dataclasses
import functools
import time

import jax
import numpy as np
import optax

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.lab.trials import column, replicates, run, tune
from experiments.truncated_bptt import figure as truncation_figures
from rnnshare import Cyclic, ElmanCell, GRUCell, LSTMCell, Sharing, Tied
from rnnshare.analysis.statistics import bootstrap_interval
from rnnshare.plotting import panels as figures
from rnnshare.tasks import LagRecall
from rnnshare.training.fitting import Recipe
from rnnshare.training.rows import JsonLines
from rnnshare.training.study import Setting
from rnnshare.training.truncation import Truncation

TUNING_SEED = 1_000
NUM_SYMBOLS = 4
CHANCE = 1 / NUM_SYMBOLS
HALF_WAY = (1 + CHANCE) / 2
NEAR = 0.1  # of chance, see the rule
FOLD = 4  # the longest lag, in windows


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      cells: {name: cell class}.
      num_seeds: paired seeds.
      num_tuning: tuning seeds of each rate.
      rates: learning rates to choose from.
      window: k.
      num_windows: in a sequence.
      hidden_features: H.
      num_batches: of training.
    """

    cells: dict
    num_seeds: int
    num_tuning: int
    rates: tuple[float, ...]
    window: int
    num_windows: int
    hidden_features: int
    num_batches: int


_RATES = (3e-3, 1e-2)
PLANS = {
    "smoke": Plan({"LSTM": LSTMCell}, 2, 1, (1e-2,), 2, 8, 4, 2),
    "quick": Plan({"LSTM": LSTMCell}, 5, 1, _RATES, 8, 16, 32, 300),
    "full": Plan({"Elman": ElmanCell, "GRU": GRUCell, "LSTM": LSTMCell},
                 10, 2, (1e-3, *_RATES), 16, 16, 64, 1_000),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
      sharing: of the weights.
      carry: what a window begins with; None: full back-propagation.
      beyond_only: train on lags > k alone.
      frozen: what is not trained: parameters whose path has this word.
    """

    sharing: Sharing
    carry: str | None = "hand_on"
    beyond_only: bool = False
    frozen: str | None = None


MAIN = "Tied, carry handed on"
RESET = "Tied, carry reset"
FROZEN = "Tied, recurrent weights frozen"
RESERVOIR = "Tied, all but the read-out frozen"
LONG = "Tied, trained on lags > k only"
CONTROL = "Tied, lags > k only, gradients not truncated"
PHASES = "Cyclic, weights of their own at each phase of the window"


def arms_of(plan):
    """Returns {name: arm}."""
    return {
        MAIN: Arm(Tied()),
        RESET: Arm(Tied(), "reset"),
        FROZEN: Arm(Tied(), frozen="recurrent"),
        RESERVOIR: Arm(Tied(), frozen="layers"),
        LONG: Arm(Tied(), beyond_only=True),
        CONTROL: Arm(Tied(), None, beyond_only=True),
        PHASES: Arm(Cyclic(plan.window, same_init=True)),
    }


@functools.cache  # one object a word, or each would be compiled again
def adam_without(word):
    """Returns a maker of Adam that leaves alone what has a word in its path."""
    return functools.partial(_adam_without, word=word)


def _adam_without(rate, word):
    def label(path, _):
        return "rest" if f"'{word}'" in jax.tree_util.keystr(path) else "train"

    def labels(params):
        return jax.tree_util.tree_map_with_path(label, params)

    return optax.partition(
        {"train": optax.adam(rate), "rest": optax.set_to_zero()}, labels
    )


@dataclasses.dataclass(frozen=True)
class MakeLags:
    """`make_task` of recall after a lag."""

    num_steps: int
    window: int
    beyond_only: bool

    def __call__(self, split):  # noqa: D102
        del split
        k = self.window
        return LagRecall(
            self.num_steps,
            FOLD * k,
            k + 1 if self.beyond_only else 1,
            num_symbols=NUM_SYMBOLS,
            bounds=(1, *(n * k for n in range(1, FOLD + 1))),
        )


def setting_of(plan, cell, arm, rate):
    """Returns an arm's setting."""
    truncation = None if arm.carry is None else Truncation(plan.window, arm.carry)
    recipe = Recipe(
        num_steps=plan.num_batches,
        validate_every=max(1, plan.num_batches // 10),
        patience=None,
        optimizer=adam_without(arm.frozen) if arm.frozen else optax.adam,
        truncation=truncation,
    )
    task = MakeLags(plan.window * plan.num_windows, plan.window, arm.beyond_only)
    return Setting(task, cell, arm.sharing, plan.hidden_features, rate, recipe)


def measure(plan, folder):
    """Trains; returns {cell: {arm: accuracies float64[S, parts]}}, and the parts' lags.

    The parts are lags below k, below 2 k, below 3 k, and to 4 k.
    """
    rows = JsonLines(folder / "truncation_lags.jsonl")
    parts = MakeLags(plan.window * plan.num_windows, plan.window, False)(0).parts
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, cell in plan.cells.items():
        found[name] = {}
        for label, arm in arms_of(plan).items():
            candidates = [setting_of(plan, cell, arm, rate) for rate in plan.rates]
            best = tune(candidates, replicates(plan.num_tuning, TUNING_SEED), rows)
            got = run([best], replicates(plan.num_seeds), rows)
            found[name][label] = np.stack(
                [column(got, f"test_{part}", missing=CHANCE) for part in parts], 1
            )
    return found, parts


def far(accuracies):
    """Returns the interval of the accuracy at lags of 2 k and more, of [S, parts]."""
    return bootstrap_interval(accuracies[:, 2:].mean(1))


def learnt(interval):
    """Returns 'learnt', 'chance' or 'between', as the rule has it."""
    if interval.low > HALF_WAY:
        return "learnt"
    return "chance" if interval.high < CHANCE + NEAR else "between"


def judge(found):
    """Returns the verdict of B9, of {cell: {arm: [S, parts]}}."""
    came = [learnt(far(arms[MAIN])) for arms in found.values()]
    if 2 * came.count("learnt") > len(came):
        return "supported"
    return "refuted" if 2 * came.count("chance") > len(came) else "inconclusive"


def lag_finding(preset, folder, rule):
    """Returns the finding of B9; draws its figure."""
    plan, began = PLANS[preset], time.perf_counter()
    found, parts = measure(plan, folder)
    path = "figures/B9.png"
    lags = [f"{low}-{high}" for low, high in parts.values()]
    figure = truncation_figures.draw_lags(found, lags, CHANCE, HALF_WAY)
    figures.save(figure, folder / path)
    mean = bootstrap_interval(
        np.mean([arms[MAIN][:, 2:].mean(1) for arms in found.values()], axis=0)
    )
    table = [("cell", "training", *(f"lags {lag}" for lag in lags), "lags >= 2 k")]
    for cell, arms in found.items():
        for label, values in arms.items():
            _, low, high = far(values)
            told = f"[{low:.2f}, {high:.2f}] {learnt(far(values))}"
            each = [f"{value:.2f}" for value in values.mean(0)]
            table.append((cell, label, *each, told))
    return Finding(
        id="B9",
        claim=CLAIMS["B9"],
        verdict=judge(found),
        effect=mean.estimate,
        effect_label="test accuracy at lags of 2 k to 4 k, carry handed on (chance "
        f"{CHANCE:g})",
        interval=(mean.low, mean.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.truncated_bptt --preset={preset}",
        figure=path,
        seconds=time.perf_counter() - began,
        meaning=_meaning(plan, found),
        details=(
            f"k = {plan.window}, lags to {FOLD * plan.window}, sequences of "
            f"{plan.window * plan.num_windows} steps, H = {plan.hidden_features}, "
            f"{plan.num_batches:,} batches of 32, an update a window; gradients that "
            f"are not truncated take one update where windows take {plan.num_windows}. "
            "A question whose symbol stands in an earlier window sends no gradient "
            "back to it. All networks are measured "
            "over whole sequences, and on all lags; one whose carry is reset while it "
            "is asked has nothing to answer from: at chance by construction."
        ),
        table=tuple(table),
    )


def _meaning(plan, found):
    """Returns what each arm came to."""
    told = []
    for label, text in (
        (MAIN, "with the carry handed on"),
        (RESET, "with it reset"),
        (LONG, "trained on lags > k alone"),
        (CONTROL, "on these with gradients that are not truncated"),
        (FROZEN, "with the recurrent weights frozen"),
        (RESERVOIR, "with all but the read-out frozen"),
        (PHASES, "with weights of their own at each phase"),
    ):
        values = np.mean([arms[label][:, 2:].mean() for arms in found.values()])
        told.append(f"{values:.2f} {text}")
    return (
        f"Tied weights trained through {plan.window} steps answer questions of "
        f"{2 * plan.window} to {FOLD * plan.window} steps with accuracy {told[0]}. "
        f"The others: {', '.join(told[1:])}; chance is {CHANCE:g}."
    )
