"""Running a step function over time under any sharing. No Flax here."""

from rnnshare.unrolling.scan import map_steps, unroll

__all__ = ["map_steps", "unroll"]
