"""What is shared in a model: which parameters are read at which steps of which loop.

    print(audit(model, x))                      # flax.nnx, Equinox
    print(audit_function(f, params, x))         # linen, Haiku, functions
    audit(model, x).tying("cell/kernel")        # bool[T, T]: steps that read the same

The program is traced and walked through; nothing is compiled or run.
"""

from rnnshare.auditing.entries import audit, audit_function
from rnnshare.auditing.parts import Part, Unknown
from rnnshare.auditing.report import Audit, Loop, Parameter, Read

__all__ = [
    "Audit",
    "Loop",
    "Parameter",
    "Part",
    "Read",
    "Unknown",
    "audit",
    "audit_function",
]
