"""Imports point one way: sharing <- cells, rnn <- models <- training <- experiments."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
LAYERS = (
    {"sharing", "unseen", "unrolling"},
    {"blueprint", "cells", "rnn"},
    {"models"},
    {"loop", "training", "study"},
)
BESIDE = {
    "data", "tasks", "statistics", "runs", "figures", "figure_style", "report",
    "report_pages", "report_style",
}  # fmt: skip


def imports(path):
    """Returns the dotted names that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own_imports(path):
    """Returns the modules of rnnshare that a file imports."""
    parts = {name.split(".")[1] for name in imports(path) if name.count(".")
             and name.startswith("rnnshare.")}  # fmt: skip
    known = set().union(*LAYERS, BESIDE)
    return parts & known


def files(module):
    folder = ROOT / "rnnshare" / module
    return sorted(folder.glob("*.py")) if folder.is_dir() else [
        ROOT / "rnnshare" / f"{module}.py"
    ]  # fmt: skip


@pytest.mark.parametrize("level", range(len(LAYERS)))
def test_nothing_points_back(level):
    allowed = set().union(*LAYERS[: level + 1])
    if level == len(LAYERS) - 1:
        allowed |= BESIDE
    for module in LAYERS[level]:
        for path in files(module):
            assert own_imports(path) <= allowed, path


def test_what_stands_beside_imports_no_model():
    for module in BESIDE:
        for path in files(module):
            assert own_imports(path) <= BESIDE | {"sharing"}, path


def test_every_module_has_its_layer():
    found = {path.stem for path in (ROOT / "rnnshare").glob("*.py")} - {"__init__"}
    found |= {"tasks"}
    assert found == set().union(*LAYERS, BESIDE)


def test_the_core_knows_no_flax_and_the_library_no_flags():
    for path in (ROOT / "rnnshare").rglob("*.py"):
        tops = {name.split(".")[0] for name in imports(path)}
        assert not tops & {"absl", "experiments", "None"}, path
        if path.stem in LAYERS[0]:
            assert "flax" not in tops, path


def test_the_import_is_light():
    heavy = "matplotlib", "pandas", "sktime", "mnist1d", "scipy.stats"
    code = f"import sys, rnnshare; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True
    )
    assert out.stdout.decode().strip() == "[]"
