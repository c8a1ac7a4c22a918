"""What tests tell XLA, beside what the caller of the tests does."""

import importlib.metadata

# Compiling takes most of a test's time, and the laws hold at any level of it. XLA ends
# a process whose flags it does not know: the second is given only where it was tried.
FLAGS = {"xla_backend_optimization_level": "0"}
if importlib.metadata.version("jaxlib").startswith("0.10."):
    FLAGS["xla_cpu_use_fusion_emitters"] = "false"


def with_those_of_tests(given: str) -> str:
    """Returns XLA_FLAGS: those given, and of the tests' what is not among them."""
    words = given.split()
    named = {word.lstrip("-").partition("=")[0] for word in words}
    own = [f"--{name}={value}" for name, value in FLAGS.items() if name not in named]
    return " ".join(words + own)
