"""XLA's options for programs that are compiled often and run briefly."""

import os

import jax

LEVEL = "xla_backend_optimization_level"  # of XLA


def short_compilation() -> dict[str, str]:
    """Returns options of XLA under which programs compile sooner.

    They are for `jax.jit(function, compiler_options=short_compilation())`, and pay off
    where compiling takes longer than running: on a CPU a study of small models takes
    about two thirds of the time; a step may take a tenth longer. Results are rounded
    otherwise. What stands in `XLA_FLAGS` is left to it.

    They are level 1 of XLA's optimisation, and, in the one XLA that has the choice, no
    MLIR emitters of fusions: XLA refuses options that it does not know.
    """
    options = {LEVEL: "1"}
    if jax.__version__.startswith("0.10."):
        options["xla_cpu_use_fusion_emitters"] = "False"
    given = os.environ.get("XLA_FLAGS", "")
    return {name: value for name, value in options.items() if name not in given}
