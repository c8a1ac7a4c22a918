"""What the law says of data before anything is trained: noise, drift, and the side."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.lab.report import format_number
from rnnshare.analysis.law import estimate
from rnnshare.tasks import Batch, Task


def read_law(task: Task) -> dict[str, Any]:
    """Returns the law's numbers of a task's training set.

    The rule that it reads is linear: at each step the answer from that step's inputs,
    or, with one answer a sequence, from those of all steps. Classes are read as 1 for
    the commonest and 0 for the others.

    Returns:
      `side` ('tied', 'untied' or 'cannot tell') and `confidence`; and, where it can
      be read, the fields of `rnnshare.analysis.law.Estimate`; else `why` it cannot.
    """
    batch = task.held_out("train")
    if task.num_tokens is not None:
        return _untold("the inputs are tokens, and the law reads numbers")
    if batch.lengths is not None:
        return _untold("the sequences differ in length, and the law reads equal ones")
    targets = answers_of(task, batch)
    inputs = np.asarray(batch.inputs, np.float64)
    varies = (inputs.std(0) > 1e-9).all(0)
    try:
        found = estimate(inputs[..., varies], targets)
    except ValueError as error:
        return _untold(str(error))
    if math.isnan(found.bias):
        return _untold("there are too few sequences for weights of every step's own")
    finite = {k: v for k, v in found._asdict().items() if v == v}
    return {k: "infinite" if v == math.inf else v for k, v in finite.items()}


def in_words(law: Mapping[str, Any], num_train: int) -> str:
    """Returns what the law's numbers say, in sentences.

    Args:
      law: see `read_law`.
      num_train: sequences that it was read from.
    """
    if "why" in law:
        return f"The law cannot be read here: {law['why']}."
    star = law["crossover"]
    crossing = (
        "at no number of sequences"
        if isinstance(star, str)
        else f"from some {math.ceil(star):,} training sequences on"
    )
    numbers = ("bias", "bias_error", "noise_variance")
    bias, error, noise = (format_number(law[name]) for name in numbers)
    return (
        f"By linear weights of each step's own the law says '{law['side']}' (the other "
        f"side has a probability of {max(1 - law['confidence'], 0.01):.2f}). One rule "
        f"for all steps leaves a squared error of {bias} (standard error {error}) "
        f"beside that of the noise, {noise}; so weights of a step's own pay "
        f"{crossing}, and here are {num_train:,}."
    )


def answers_of(task: Task, batch: Batch) -> np.ndarray:
    """Returns the answers as numbers, [N] or [N, T]; of several outputs the first."""
    targets = np.asarray(batch.targets)
    if targets.dtype.kind == "f":
        return targets[..., 0].astype(np.float64)
    commonest = np.bincount(targets.ravel()).argmax()
    return (targets == commonest).astype(np.float64)


def find_period(task: Task, least: float = 0.5) -> int | None:
    """Returns the period after which the rule comes back, if it does.

    Weights of each step's own are fitted by ridge regression. Of the periods up to half
    of the steps it is the shortest of those whose correlation of weights so many steps
    apart is within 0.05 of the largest, if that is at least `least`, and 0.1 more than
    that of neighbouring steps: a slow change is no period.
    """
    batch, num_steps = task.held_out("train"), task.num_steps
    if task.num_tokens is not None or batch.lengths is not None or num_steps < 6:
        return None
    inputs = np.asarray(batch.inputs, np.float64)
    weights = _step_weights(inputs, answers_of(task, batch))
    apart = weights - weights.mean(0)

    def correlation(period: int) -> float:
        first, second = apart[period:], apart[:-period]
        sizes = np.linalg.norm(first) * np.linalg.norm(second)
        return float(np.sum(first * second) / sizes) if sizes else 0.0

    alike = {p: correlation(p) for p in range(2, num_steps // 2 + 1)}
    most = max(alike.values())
    if most < max(least, correlation(1) + 0.1):
        return None
    return min(p for p, value in alike.items() if value > most - 0.05)


def _step_weights(inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns [T, D], ridge weights of every step; 0 of inputs that never vary."""
    count, num_steps, features = inputs.shape
    x = inputs - inputs.mean(0)
    y = targets - targets.mean(0)
    if y.ndim == 1:
        flat = x.reshape(count, -1)
        gram = flat.T @ flat
        gram += 0.01 * np.trace(gram) / len(gram) * np.eye(len(gram)) * num_steps**0.5
        return _solved(gram, flat.T @ y).reshape(num_steps, features)
    found = []
    for step in range(num_steps):
        gram = x[:, step].T @ x[:, step]
        gram += 0.01 * np.trace(gram) / features * np.eye(features)
        found.append(_solved(gram, x[:, step].T @ y[:, step]))
    return np.array(found)


def _solved(gram: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Returns the least weights w of `gram w = along`, of any rank."""
    return np.linalg.lstsq(gram, along, rcond=None)[0]


def _untold(why: str) -> dict[str, Any]:
    return {"side": "cannot tell", "confidence": 0.5, "why": why}
