"""Memory stays between steps where glibc is asked to keep it, and is given back."""

import functools
import gc
import platform
import subprocess
import sys

import jax
import optax
import pytest

from rnnshare.training import Recipe, fit, fitting, memory, programs
from tests.library.training.test_nonfinite import NONE, RATE, Line, Planted

# 64 MB at a time, each page of it touched; without JAX, whose threads do the same.
CODE = """
import resource, runpy, sys
memory = runpy.run_path(sys.argv[1])
took = sys.argv[2] == "keep" and memory["keep_memory"]()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def held():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

bytearray(b"1" * 2**25)
before = faults()
for _ in range(4):
    bytearray(b"1" * 2**25)
made = faults() - before
blocks = [bytearray(b"1" * 2**12) for _ in range(2**14)]
del blocks[:-1]
before = held()
print(took, made, memory["release_memory"](), before - held())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")
def test_pages_are_touched_once_and_given_back():
    found = {}
    for how in ("keep", "leave"):
        done = subprocess.run(
            [sys.executable, "-c", CODE, memory.__file__, how],
            capture_output=True,
            text=True,
            check=True,
        )
        took, faults, released, freed = done.stdout.split()
        assert (took, released) == (str(how == "keep"), "True")
        found[how] = int(faults), int(freed)
    assert found["keep"][0] < 100 < 8_000 < found["leave"][0]
    assert found["keep"][1] > 2**25


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    assert not memory.keep_memory()
    assert not memory.release_memory()


def test_it_is_not_released_again_so_soon(monkeypatch):
    collected = []
    monkeypatch.setattr(memory.gc, "collect", lambda: collected.append(1))
    memory.release_memory()
    assert not memory.release_memory(at_most_every=600.0)
    assert len(collected) == 1
    memory.release_memory()
    assert len(collected) == 2


@pytest.mark.slow
def test_models_that_are_not_trained_any_more_are_let_go_of(monkeypatch):
    """Of the programs of many models, those of the last few are held."""
    few = functools.lru_cache(2)(programs.compile_programs.__wrapped__)
    monkeypatch.setattr(fitting, "compile_programs", few)
    client, counts = jax.devices()[0].client, []
    for size in range(1, 5):
        recipe = Recipe(1, size, 1, None, None, optax.sgd)
        fit(Line, recipe, [(Planted(NONE), 0, RATE)])
        gc.collect()
        counts.append(len(client.live_executables()))
    assert counts[0] < counts[1] >= max(counts[2:])
