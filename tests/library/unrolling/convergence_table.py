"""How many iterations Newton's method takes, by cell and sharing.

    python -m tests.library.unrolling.convergence_table

prints the table that stands in docs/api/sharing.md.
"""

import functools

import jax
from flax import nnx

from rnnshare import RNN, ElmanCell, GRUCell, LowRank, LSTMCell, Segments, Tied, Untied
from rnnshare.models.rnn import step_of
from rnnshare.unrolling import Convergence, Newton, newton_convergence

CELLS = {"Elman": ElmanCell, "GRU": GRUCell, "LSTM": LSTMCell}
STEPS = (64, 256)
D, H, B = 8, 16, 4


def sharings(num_steps):
    """Returns {name: sharing of T steps}."""
    every = (Tied(), Untied(num_steps), Segments(num_steps, 4), LowRank(num_steps, 2))
    return {type(sharing).__name__: sharing for sharing in every}


def convergence(cell: str, sharing: str, num_steps: int, jacobian: str) -> Convergence:
    """Returns how the iterations end at the default initialisation, on noise."""
    chosen = sharings(num_steps)[sharing]
    rnn = RNN(functools.partial(CELLS[cell], D, H), chosen, rngs=nnx.Rngs(0))
    inputs = jax.random.normal(jax.random.key(1), (num_steps, B, D))
    solver = Newton(jacobian=jacobian, max_iterations=num_steps)

    @jax.jit
    def run(stored, inputs, carry):
        return newton_convergence(
            step_of(rnn.cell), chosen, stored, inputs, carry, solver=solver
        )

    return run(rnn.stored, inputs, rnn.initialize_carry(inputs))


def table() -> str:
    """Returns the iterations in Markdown: with the full Jacobian, and its diagonal."""
    names = list(sharings(STEPS[0]))
    lines = [f"| cell, T | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for cell in CELLS:
        for num_steps in STEPS:
            entries = []
            for sharing in names:
                ends = (
                    convergence(cell, sharing, num_steps, jacobian)
                    for jacobian in ("full", "diagonal")
                )
                entries.append(
                    ", ".join(str(e.iterations) if e.converged else "-" for e in ends)
                )
            lines.append(f"| {cell}, {num_steps} | {' | '.join(entries)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
