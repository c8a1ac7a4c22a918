"""Experiments import by the rooms `plan <- measure <- claims`, each its own.

The rules are functions of a root with `experiments`; each returns what breaks it.
"""

import ast
import pathlib

import pytest

from tests.imports import ROOT, circle, functions_named_as_modules, graph, modules

ROOMS = ("plan", "measure", "claims")  # each may import those before it
NO_EXPERIMENTS = {"lab", "results"}


def rooms_of(module):
    """Returns ('drift_map', 'measure') of `experiments.drift_map.measure`."""
    return ([*module.split(".")[1:], "", ""])[:2]


def experiments_of(root):
    folders = {path.parent.name for path in (root / "experiments").glob("*/*.py")}
    return folders - NO_EXPERIMENTS


def imports_of(root):
    return graph(modules("experiments", root=root))


def reach(edges, module):
    """Returns the modules of a folder that one of them needs, itself left out."""
    folder, found, left = module.rpartition(".")[0], set(), [module]
    while left:
        for other in edges.get(left.pop(), ()):
            if other.startswith(f"{folder}.") and other not in found:
                found.add(other)
                left.append(other)
    return found - {module}


def of_another(root):
    """An experiment imports of another its `measure` only.

    The core claim joins the verdicts of two halves, which are their claims'.
    """
    names = experiments_of(root) - {"core_claim"}
    return [
        f"{module} imports {other}"
        for module, others in imports_of(root).items()
        for other in sorted(others)
        if rooms_of(module)[0] in names
        and rooms_of(other)[0] in experiments_of(root) - {rooms_of(module)[0]}
        and rooms_of(other)[1] != "measure"
    ]


def against_the_order(root):
    """`plan <- measure <- claims`, by whatever other modules of the folder."""
    edges = imports_of(root)
    return [
        f"{module} needs {other}"
        for module in edges
        if rooms_of(module)[0] in experiments_of(root) and rooms_of(module)[1] in ROOMS
        for other in sorted(reach(edges, module))
        if rooms_of(other)[1] in ROOMS[ROOMS.index(rooms_of(module)[1]) + 1 :]
    ]


def of_figures(root):
    """`figure` draws what it is given: it imports no experiment, its own neither."""
    names = experiments_of(root)
    return [
        f"{module} imports {other}"
        for module, others in imports_of(root).items()
        for other in sorted(others)
        if rooms_of(module)[1] == "figure" and rooms_of(other)[0] in names
    ]


def of_the_lab(root):
    """`lab` imports itself and the claims' sentences."""
    return [
        f"{module} imports {other}"
        for module, others in imports_of(root).items()
        for other in sorted(others)
        if rooms_of(module)[0] == "lab" and rooms_of(other)[0] not in ("lab", "claims")
    ]


def findings_made(root):
    """A `Finding` is made in one place, beside the module that reads them back."""
    places = []
    for path in modules("experiments", root=root).values():
        tree = ast.parse(path.read_text())
        names = [n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
        places += [
            f"{path.relative_to(root)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func).rpartition(".")[2] == "Finding"
            and "Finding" not in names
        ]
    return places[1:] and sorted(places)


def named_as_modules(root):
    """No module is named as a function that its folder exports."""
    folders = [root / "experiments" / n for n in (*experiments_of(root), "lab")]
    return [name for folder in folders for name in functions_named_as_modules(folder)]


def circles(root):
    """No circle among modules."""
    return circle(graph(modules("experiments", root=root), at_top=True))


RULES = (
    of_another, against_the_order, of_figures, of_the_lab, findings_made,
    named_as_modules, circles,
)  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_experiment_breaks_the_rule(rule):
    assert rule(ROOT) == []


WRONG = {
    of_another: {"a/claims.py": "from experiments.b.claims import x"},
    against_the_order: {
        "a/plan.py": "from experiments.a import cases",
        "a/cases.py": "def f():\n    from experiments.a.measure import x",
    },
    of_figures: {"a/figure.py": "import experiments.a.plan"},
    of_the_lab: {"lab/trials.py": "from experiments.b.measure import x"},
    findings_made: {"a/claims.py": "Finding(1)", "b/claims.py": "finding.Finding(2)"},
    circles: {"a/measure.py": "from experiments.b import measure",
              "b/measure.py": "from experiments.a import measure"},
}  # fmt: skip
RIGHT = {
    "a/claims.py": "import experiments.b.measure, experiments.a.plan",
    "a/plan.py": "from experiments.lab import flags",
    "lab/flags.py": "from experiments import claims",
    "lab/finding.py": "class Finding: ...\nFinding(0)",
    "lab/experiment.py": "Finding(1)",
}


def write(root: pathlib.Path, sources):
    for name, source in (dict.fromkeys(FILES, "") | sources).items():
        path = root / "experiments" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


FILES = [f"{x}/{room}.py" for x in "ab" for room in (*ROOMS, "figure", "__init__")]
FILES += ["lab/__init__.py", "claims.py", "__init__.py"]


@pytest.mark.parametrize("rule", WRONG, ids=lambda rule: rule.__name__)
def test_what_breaks_a_rule_is_found(rule, tmp_path):
    write(tmp_path / "wrong", WRONG[rule])
    assert rule(tmp_path / "wrong")
    write(tmp_path / "right", RIGHT)
    assert not rule(tmp_path / "right")
