"""Running a step function over time under any sharing. No Flax here."""

from rnnshare.unrolling.convergence import newton_convergence
from rnnshare.unrolling.newton import Convergence, Newton
from rnnshare.unrolling.scan import map_steps, unroll

__all__ = ["Convergence", "Newton", "map_steps", "newton_convergence", "unroll"]
