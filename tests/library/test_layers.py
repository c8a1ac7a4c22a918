"""Imports point one way: sharing <- unrolling <- cells <- models <- training <- ...

What is tested is read from the folders of `rnnshare`.
"""

import subprocess
import sys

import pytest

from tests.imports import (
    ROOT,
    circle,
    functions_named_as_modules,
    graph,
    imports,
    modules,
)

LAYERS = ("sharing", "unrolling", "cells", "models", "training", "analysis")
MAY_IMPORT = (
    {wing: {*LAYERS[:i]} for i, wing in enumerate(LAYERS)}
    | {
        "auditing": set(),  # of anybody's models
        "bridge": {"cells", "training"},  # what is not ours
        "tasks": set(),  # samplers, which know no model
        "machines": set(LAYERS[: 1 + LAYERS.index("models")]),
        "plotting": {"sharing", "analysis"},
    }
)
MAY_IMPORT["training"] |= {"tasks"}
MAY_IMPORT["analysis"] |= {"tasks"}
WITHOUT_FLAX = ("sharing", "unrolling")
HEAVY = {
    "matplotlib", "pandas", "sktime", "mnist1d", "mlxtend", "faker", "music21",
    "num2words", "scipy",
}  # fmt: skip
LIBRARY = modules("rnnshare")


def wing_of(module):
    """Returns `sharing` of `rnnshare.sharing.base`; '' of the package itself."""
    return [*module.split("."), ""][1]


def tops(path, **options):
    """Returns the packages that a file imports; '' of a relative import."""
    return {name.split(".")[0] for name in imports(path.read_text(), **options)}


def test_every_folder_has_its_layer():
    folders = {path.parent.name for path in (ROOT / "rnnshare").glob("*/__init__.py")}
    assert folders == MAY_IMPORT.keys()
    assert {m for m in LIBRARY if m.count(".") == 1} == {
        f"rnnshare.{wing}" for wing in MAY_IMPORT
    }


@pytest.mark.parametrize("wing", MAY_IMPORT)
def test_nothing_points_back(wing):
    """Nor in a function: a layer that is needed late is needed all the same."""
    allowed = MAY_IMPORT[wing] | {wing}
    for module, others in graph(LIBRARY).items():
        if wing_of(module) == wing:
            wrong = {other for other in others if wing_of(other) not in allowed}
            assert not wrong, module


def test_plotting_takes_statistics_alone_from_the_analysis():
    for module, others in graph(LIBRARY).items():
        if wing_of(module) == "plotting":
            taken = {other for other in others if wing_of(other) == "analysis"}
            assert taken <= {"rnnshare.analysis.statistics"}, module


def test_no_circle():
    assert circle(graph(LIBRARY, at_top=True)) == []


def test_no_module_is_named_as_a_function_of_its_folder():
    for wing in MAY_IMPORT:
        assert functions_named_as_modules(ROOT / "rnnshare" / wing) == [], wing


def test_the_core_knows_no_flax_and_the_library_no_flags():
    for module, path in LIBRARY.items():
        # A relative import has an empty first part; imports are absolute here.
        assert not tops(path) & {"absl", "experiments", "notebooks", ""}, path
        if wing_of(module) in WITHOUT_FLAX:
            assert "flax" not in tops(path), path


def test_heavy_packages_are_imported_in_functions_and_figures_in_plotting():
    for module, path in LIBRARY.items():
        assert not tops(path, at_top=True) & HEAVY, path
        if wing_of(module) != "plotting":
            assert "matplotlib" not in tops(path), path


def test_the_import_is_light():
    """It adds nothing heavy to what Flax brings along."""
    code = (
        "import sys, flax.nnx; before = set(sys.modules); import rnnshare; "
        "new = set(sys.modules) - before; "
        f"print(sorted(new & {HEAVY - {'scipy'} | {'scipy.stats'}}), len(new) > 5)"
    )
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert out.stdout.strip() == "[] True"


@pytest.mark.parametrize(
    ("source", "anywhere", "at_top"),
    [
        ("import rnnshare", {"rnnshare"}, {"rnnshare"}),
        ("from rnnshare import RNN", {"rnnshare.RNN"}, {"rnnshare.RNN"}),
        ("from .rnn import RNN", {".rnn.RNN"}, {".rnn.RNN"}),
        ("def f():\n    import a.b", {"a.b"}, set()),
        ("class C:\n    import a", {"a"}, {"a"}),
        ("if TYPE_CHECKING:\n    import a", {"a"}, set()),
        ("try:\n    import a\nexcept ImportError:\n    import b", *[{"a", "b"}] * 2),
    ],
)
def test_the_parser_sees_every_kind_of_import(source, anywhere, at_top):
    assert imports(source) == anywhere
    assert imports(source, at_top=True) == at_top


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
