"""The score test of tied weights: should they be un-shared, and which of them?

From one trained *tied* model. Where tied weights are right, the gradient with respect
to any weights that differ between the steps has mean zero over examples; the test asks
whether it has. The directions are those of a `Combination` whose first function is
constant, such as `Basis`: its templates after the first are contrasts over time.

Shape letters: N examples, K templates, P tied parameters, Q contrasts.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

Path = tuple[str, ...]
_AT_ONCE = 64  # examples whose gradients are taken side by side
_MOST_DIRECTIONS = 20  # of the tied scores, which a contrast is made orthogonal to


class ScoreTest(NamedTuple):
    """What the test of one group of parameters found.

    Attributes:
      statistic: the squared length of the mean score, whitened and without its
        expectation under tied weights; in standard deviations of its sign flips.
      p_value: one-sided, by sign flips; at least 1 / (num_flips + 1).
      predicted_gain: by how much un-sharing would lower the loss of an example, in the
        loss's unit, by one Newton step along one direction, found on one half of the
        examples and measured on the other; negative where the halves disagree.
    """

    statistic: float
    p_value: float
    predicted_gain: float


def example_gradients(
    loss: Callable[[Any, Any], jax.Array], params: Any, examples: Any
) -> Any:
    """Returns each example's gradient, leaves [N, ...] of the params' structure.

    Args:
      loss: `loss(params, example)`, the loss of one example, without its batch axis.
      params: any pytree, such as a tied model's with the weights of a layer converted,
        `convert(weights, Tied(), Basis(4, 'chebyshev', period=T))`.
      examples: a pytree of leaves [N, ...].
    """

    def one(example: Any) -> Any:
        return jax.grad(loss)(params, example)

    count = len(jax.tree.leaves(examples)[0])
    # What is left over by a batch size would be a second program to compile.
    size = max(n for n in range(1, _AT_ONCE + 1) if count % n == 0)
    size = size if size >= _AT_ONCE // 4 else _AT_ONCE
    return jax.jit(lambda xs: jax.lax.map(one, xs, batch_size=size))(examples)


def map_and_kind(path: Path, leaf: Any) -> str:
    """Returns 'bias', or the map that a kernel stands in, as 'recurrent'."""
    return "bias" if leaf.ndim <= 3 else path[0]


def score_test(
    scores: Any,
    *,
    nuisance: Any = None,
    group_of: Callable[[Path, Any], str] = map_and_kind,
    num_flips: int = 999,
    seed: int = 0,
    dispersion: float = 1.0,
) -> dict[str, ScoreTest]:
    """Tests `W_t = W` for each group of parameters, and for 'all' of them.

    A contrast's score is made orthogonal to the scores of the tied parameters (the
    effective score: what the estimation of the tied weights takes up), along 20 of
    their principal directions. Its mean is then tested by flipping the sign of each
    example's score, which needs no variance and holds with few examples. It supposes a
    model at its optimum; a network stopped early, or of another form than the data,
    rejects by little things too, of which `predicted_gain` tells.

    Args:
      scores: leaves [N, K, ...], `example_gradients` of the templates of a
        `Combination` at the tied model; template 0 is the tied part.
      nuisance: leaves [N, ...], scores of other parameters that were trained, such as
        the read-out's.
      group_of: `group_of(path, leaf)` names the group of a leaf of the scores.
      num_flips: sign flips.
      seed: of the flips and halves.
      dispersion: that of the loss, for `predicted_gain`: 1 for cross entropies in nats;
        twice the mean loss for squared errors; where an example's loss is the mean over
        several answers, that by their number. See `dispersion_of`.

    Raises:
      ValueError: with fewer than 20 examples, or only one template.

    References: Rao, 1948, "Large sample tests of statistical hypotheses"; Hemerik,
    Goeman, Finos, 2020, "Robust testing in generalized linear models by sign flipping
    score contributions".
    """
    found = jax.tree_util.tree_leaves_with_path(scores)
    count, templates = found[0][1].shape[:2]
    if count < 20 or templates < 2:
        raise ValueError(
            f"score_test got {count} examples and {templates} templates. Use at least "
            "20 examples, and a Combination of at least 2 templates."
        )
    tied = [np.asarray(leaf, np.float64)[:, 0].reshape(count, -1) for _, leaf in found]
    tied += [np.asarray(leaf, np.float64).reshape(count, -1)
             for leaf in jax.tree.leaves(nuisance)]  # fmt: skip
    groups: dict[str, list[np.ndarray]] = {}
    for path, leaf in found:
        keys = tuple(str(getattr(key, "key", key)) for key in path)
        columns = np.asarray(leaf, np.float64)[:, 1:].reshape(count, -1)
        groups.setdefault(group_of(keys, leaf), []).append(columns)
    groups["all"] = [columns for group in list(groups.values()) for columns in group]
    directions = _principal(np.concatenate(tied, axis=1), _MOST_DIRECTIONS)
    rng = np.random.default_rng(seed)
    flips = rng.integers(0, 2, (num_flips, count)) * 2.0 - 1.0
    half = rng.permutation(count) < count // 2
    return {
        name: _test(np.concatenate(group, axis=1), directions, flips, half, dispersion)
        for name, group in groups.items()
    }


def _principal(columns: np.ndarray, most: int) -> np.ndarray:
    """Returns an orthonormal basis [N, q] of the leading directions, q <= most."""
    scale = np.sqrt(np.mean(columns**2, axis=0))
    scaled = columns[:, scale > 0] / scale[scale > 0]
    u, s, _ = np.linalg.svd(scaled, full_matrices=False)
    return u[:, : min(most, int(np.sum(s > 1e-8 * s[0])))] if len(s) else u


def _test(
    contrasts: np.ndarray,
    directions: np.ndarray,
    flips: np.ndarray,
    half: np.ndarray,
    dispersion: float,
) -> ScoreTest:
    count = len(contrasts)
    residual = contrasts - directions @ (directions.T @ contrasts)
    scale = np.sqrt(np.mean(residual**2, axis=0))
    residual = residual[:, scale > 0] / scale[scale > 0]
    gram = residual @ residual.T
    # The sum of residuals has less variance than their flips where the tied scores sum
    # to something, and more where they took degrees of freedom.
    ones = np.ones(count)
    left = ones - directions @ (directions.T @ ones)
    factor = float(left @ left) / (count - directions.shape[1])
    expected = float(np.trace(gram))
    observed = float(ones @ gram @ ones) - factor * expected
    flipped = factor * (np.einsum("fn,fn->f", flips @ gram, flips) - expected)
    spread = float(flipped.std()) or 1.0
    p_value = (1 + int(np.sum(flipped >= observed))) / (len(flips) + 1)
    gains = [_gain(residual[a], residual[~a]) for a in (half, ~half)]
    return ScoreTest(observed / spread, p_value, dispersion * float(np.mean(gains)))


def _gain(first: np.ndarray, second: np.ndarray) -> float:
    """Returns what a Newton step along the mean of `first` gains on `second`."""
    along = second @ first.mean(0)
    variance = float(along.var())  # the scores' own: a large effect is none of it
    return float(0.5 * along.mean() * abs(along.mean()) / variance) if variance else 0.0
