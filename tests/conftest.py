"""Strict JAX for every test, and two devices, as the scripts have on two cores."""

import gc
import itertools
import os
import pathlib

from tests.xla_flags import with_those_of_tests

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # scripts share what Python compiles
# Before JAX is imported, which reads them.
os.environ["XLA_FLAGS"] = with_those_of_tests(os.environ.get("XLA_FLAGS", ""))

import chex
import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory):
    """What is compiled is kept for the other tests, of all workers, and not longer."""
    shared = tmp_path_factory.getbasetemp().parent / "cache"
    os.environ["XDG_CACHE_HOME"] = str(shared)  # of scripts
    jax.config.update("jax_compilation_cache_dir", str(shared / "tests"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


@pytest.fixture(autouse=True)
def trace_counter():
    """`chex.assert_max_traces` counts by the source: each test counts for itself."""
    chex.clear_trace_counter()


# JAX's traces are many objects, and few of them garbage: the default looks too often.
gc.set_threshold(50_000, 20, 50)
_MAPS = pathlib.Path("/proc/self/maps")
_tests = itertools.count(1)


@pytest.fixture(autouse=True)
def memory_maps():
    """Lets go of compiled programs in time: Linux grants a process 65,530 maps."""
    yield
    if next(_tests) % 20 == 0 and _MAPS.exists():
        with _MAPS.open("rb") as maps:
            count = sum(1 for _ in maps)
        if count > 35_000:
            jax.clear_caches()
