"""Strict JAX for every test, and two devices, as the scripts have on two cores."""

import os

# Compiling takes most of a test's time, and the laws hold at any level of it.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)
