"""What each preset of `law` runs."""

import dataclasses

from rnnshare.analysis import law

PILOT_SEEDS = 10_000  # seeds below were seen while the rule was written
ROWS = (72, 336, 640)


@dataclasses.dataclass(frozen=True)
class Case:
    """A setting of the law: how far a rule drifts, and in how much noise.

    Attributes:
      num_steps: T.
      num_weights: p.
      ratio: `(N* - p - 1) / (p + 1)` of independent rows.
      noise_variance: s^2.
      correlation: of inputs and of noise, from one step to the next.
    """

    num_steps: int
    num_weights: int
    ratio: float
    noise_variance: float
    correlation: float = 0.0

    @property
    def bias(self) -> float:
        """b, which follows from the ratio and the noise."""
        p, steps = self.num_weights, self.num_steps
        return self.noise_variance * p * (1 - 1 / steps) / (self.ratio * (p + 1))

    @property
    def effective_steps(self) -> float:
        """T_eff."""
        lags = range(self.num_steps)
        correlations = [[self.correlation ** abs(t - u) for t in lags] for u in lags]
        return law.effective_steps(correlations, correlations)

    @property
    def predicted(self) -> float:
        """`N* - p - 1`."""
        star = law.crossover(
            num_weights=self.num_weights,
            num_steps=self.num_steps,
            noise_variance=self.noise_variance,
            bias=self.bias,
            effective_steps=self.effective_steps,
        )
        return star - self.num_weights - 1

    @property
    def strength(self) -> float:
        """The best strength of soft tying, `s^2 / tau^2`."""
        drift = self.bias / self.num_weights / (1 - 1 / self.num_steps)
        return law.best_strength(
            noise_variance=self.noise_variance, drift_variance=drift
        )

    def size(self, part: float) -> int:
        """Returns the N at such a part of `N* - p - 1`, at least p + 3."""
        least = self.num_weights + 1
        return max(least + 2, least + round(self.predicted * part))


@dataclasses.dataclass(frozen=True)
class Plan:
    """The settings, and where each is measured.

    Attributes:
      num_seeds: each with rules and data of its own.
      cases: the settings.
      parts: of N* - p - 1, at which tied and untied are trained.
      strength_parts: of it, at which soft tying is, of cases without correlation.
      strengths: factors of the predicted strength.
      num_outputs: rules that a training learns at once, from the same inputs.
      num_steps: of gradient descent.
      first_seed: none below was ever trained for the claim.
    """

    num_seeds: int
    cases: tuple[Case, ...]
    parts: tuple[float, ...] = (0.5, 2**-0.5, 1.0, 2**0.5, 2.0)
    strength_parts: tuple[float, ...] = (0.5, 2.0)
    strengths: tuple[float, ...] = (0.1, 0.316, 0.562, 1.0, 1.78, 3.16, 10.0)
    num_outputs: int = 8
    num_steps: int = 500
    first_seed: int = PILOT_SEEDS

    def num_rows(self, case: Case) -> int:
        """Returns R: cases of few sizes share programs."""
        largest = case.size(max(*self.parts, *self.strength_parts))
        return next(rows for rows in ROWS if rows >= largest)


def _cases(*ratios: float, steps: int, weights: int, correlation: float = 0.0) -> tuple:
    """Returns cases of one shape, their noise in turn of variance 1 and 1/4."""
    return tuple(
        Case(steps, weights, ratio, (1.0, 0.25)[i % 2], correlation)
        for i, ratio in enumerate(ratios)
    )


_SHORT = _cases(0.5, 1.25, 3.2, 8.0, 20.0, steps=6, weights=7)
_LONG = _cases(1.0, 2.5, 6.3, 16.0, steps=16, weights=4)
_CORRELATED = _cases(1.5, 5.0, 15.0, steps=16, weights=4, correlation=0.8)
PLANS = {
    "smoke": Plan(
        2, (*_SHORT[1:3], *_LONG[:1]), (0.5, 2.0), (1.0,), (0.1, 1.0, 10.0), 2, 100,
    ),
    "quick": Plan(5, (*_SHORT, *_LONG, *_CORRELATED)),
    "full": Plan(
        10,
        (
            *_SHORT,
            *_LONG,
            *_CORRELATED,
            *_cases(0.5, 2.0, 8.0, 20.0, steps=24, weights=12),
            *_cases(1.5, 6.0, 20.0, steps=24, weights=12, correlation=0.9),
        ),
    ),
}  # fmt: skip
