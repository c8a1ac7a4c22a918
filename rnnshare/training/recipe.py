"""How to train: the recipe, which is a part of a setting's identity."""

import dataclasses
from collections.abc import Callable
from typing import Any

import optax

from rnnshare.training import optimizers
from rnnshare.training.nonfinite import ON_NONFINITE
from rnnshare.training.truncation import Truncation


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
      num_steps: batches at most, each an optimiser step (with a truncation, one a
        window); a multiple of validate_every.
      batch_size: sequences a step.
      validate_every: steps in a chunk; after each the model is validated, and the best
        parameters so far are kept.
      patience: stop after this many validations without a better loss; None: never.
      clip_norm: gradients are scaled down to this global norm; None: not at all.
      optimizer: `optimizer(learning_rate)` makes any optax optimiser, its schedule
        included; see `rnnshare.training.optimizers` for what its update is given.
      stop_loss: stop when the validation loss is below; None: never.
      keep: which parameters are returned and measured: 'best', of the least validation
        loss, or 'last', of the last step, as where nothing is to stop over-fitting.
      truncation: how far gradients flow back; None: through the whole sequence.
      on_nonfinite: what is done where a loss, a gradient or a metric is not finite.
        'stop': the replica has diverged, and rests. 'skip': the step is not taken;
        after `nonfinite.MOST_IN_ROW` (10) such in a row it has diverged. 'rollback': it
        goes back to the state before the last validation, with the same learning rate;
        batch i is from then on a function of (seed, i, how often it went back), so that
        the same step is not met again; after 3 times in a row it has diverged.
    """

    num_steps: int = 2_000
    batch_size: int = 32
    validate_every: int = 100
    patience: int | None = 10
    clip_norm: float | None = 1.0
    optimizer: Callable[[Any], optax.GradientTransformation] = optax.adam
    stop_loss: float | None = None
    keep: str = "best"
    truncation: Truncation | None = None
    on_nonfinite: str = "stop"

    def __post_init__(self):
        for name in ("num_steps", "batch_size", "validate_every", "patience"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise ValueError(f"Recipe: {name} is {count}. Use at least 1.")
        if self.num_steps % self.validate_every:
            raise ValueError(
                f"Recipe: num_steps={self.num_steps} is not a multiple of "
                f"validate_every={self.validate_every}, so the last chunk would be cut."
            )
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(
                f"Recipe: clip_norm is {self.clip_norm}. Use a positive norm, or None."
            )
        if not callable(self.optimizer):
            raise TypeError(
                f"Recipe: optimizer is {self.optimizer!r}. Use a function of the "
                "learning rate, such as optax.adam."
            )
        if not isinstance(self.truncation, Truncation | None):
            raise TypeError(
                f"Recipe: truncation is {self.truncation!r}. Use a Truncation, such as "
                "Truncation(window=32), or None."
            )
        if self.keep not in ("best", "last"):
            raise ValueError(f"Recipe: keep is {self.keep!r}. Use 'best' or 'last'.")
        if self.on_nonfinite not in ON_NONFINITE:
            raise ValueError(
                f"Recipe: on_nonfinite is {self.on_nonfinite!r}. Use 'stop', 'skip' or "
                "'rollback'."
            )

    def make_optimizer(
        self, learning_rate: Any
    ) -> optax.GradientTransformationExtraArgs:
        """Returns the optimiser, behind the clipping."""
        optimizer = optimizers.as_transformation(self.optimizer(learning_rate))
        if self.clip_norm is None:
            return optimizer
        return optax.chain(optax.clip_by_global_norm(self.clip_norm), optimizer)
