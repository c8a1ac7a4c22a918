"""Imports point one way: sharing <- cells, rnn <- models <- training <- experiments."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
LAYERS = (
    {
        "sharing", "unseen", "unrolling", "time_functions", "combinations",
        "corrections", "partition", "conversion", "soft_tying", "drawing", "fused",
        "cudnn", "stepping", "products",
    },
    {"blueprint", "cells", "rnn", "state_cells", "sizing", "power",
     "ablated_cells"},
    {"models", "encoder_decoder"},
    {"loop", "training", "study", "score_test", "untying", "truncation"},
)  # fmt: skip
BESIDE = {
    "data", "texts", "tasks", "statistics", "runs", "figures", "figure_style", "report",
    "report_pages", "report_style", "measures", "weight_figures", "curve_figures",
    "decomposition_figures", "map_figures", "gap_figures", "truncation_figures",
    "depth_figures", "memory_figures", "number_words",
    "translation_figures", "clock_figures", "resource_figures",
}  # fmt: skip
HEAVY = (
    "matplotlib", "pandas", "sktime", "mnist1d", "mlxtend", "faker", "music21",
    "num2words",
    "scipy.stats",
)  # fmt: skip


def imports(source):
    """Returns the dotted names that a source imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def own_imports(source):
    """Returns what a source imports of rnnshare: modules, or names of the package."""
    names = {name for name in imports(source) if name.split(".")[0] == "rnnshare"}
    return {[*name.split("."), "__init__"][1] for name in names}


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
            assert own_imports(path.read_text()) <= allowed, path


def test_what_stands_beside_imports_no_model():
    for module in BESIDE:
        for path in files(module):
            draws = module in ("figures", "measures", "weight_figures", "curve_figures")
            allowed = BESIDE | ({"sharing"} if draws else set())
            assert own_imports(path.read_text()) <= allowed, path


def test_every_module_has_its_layer():
    found = {path.stem for path in (ROOT / "rnnshare").glob("*.py")} - {"__init__"}
    found |= {"tasks", "power"}
    assert found == set().union(*LAYERS, BESIDE)


def test_the_core_knows_no_flax_and_the_library_no_flags():
    for path in (ROOT / "rnnshare").rglob("*.py"):
        tops = {name.split(".")[0] for name in imports(path.read_text())}
        # A relative import has an empty first part; imports are absolute here.
        assert not tops & {"absl", "experiments", "notebooks", ""}, path
        if path.stem in LAYERS[0]:
            assert "flax" not in tops, path


def test_the_import_is_light():
    """It adds nothing heavy to what Flax brings along."""
    code = (
        "import sys, flax.nnx; before = set(sys.modules); import rnnshare; "
        f"print(sorted((set(sys.modules) - before) & set({HEAVY})), "
        "len(set(sys.modules) - before) > 5)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True
    )
    assert out.stdout.decode().strip() == "[] True"


def test_heavy_packages_are_imported_in_functions_only():
    for path in (ROOT / "rnnshare").rglob("*.py"):
        top = ast.parse(path.read_text())
        # `if TYPE_CHECKING:` runs nothing.
        lazy = (ast.FunctionDef, ast.ClassDef, ast.If)
        top.body = [node for node in top.body if not isinstance(node, lazy)]
        tops = {name.split(".")[0] for name in imports(ast.unparse(top))}
        assert not tops & {name.split(".")[0] for name in HEAVY}, path


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import rnnshare", {"__init__"}),
        ("from rnnshare import RNN, sharing", {"RNN", "sharing"}),
        ("import rnnshare.models.rnn as r", {"rnn"}),
        ("def f():\n    from rnnshare.tasks.base import Task", {"tasks"}),
        ("import jax, rnnshared.models", set()),
    ],
)
def test_the_parser_sees_every_kind_of_import(source, expected):
    assert own_imports(source) == expected
    assert imports("from .rnn import RNN") == {".rnn.RNN"}
