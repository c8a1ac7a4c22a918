"""What the modules of this repository import, read from their sources."""

import ast
import functools
import itertools
import pathlib
from collections.abc import Iterator, Mapping

ROOT = pathlib.Path(__file__).parent.parent


def modules(*folders: str, root: pathlib.Path = ROOT) -> dict[str, pathlib.Path]:
    """Returns {dotted name: file} of all Python files in folders at the root."""
    found = {}
    for path in itertools.chain(*((root / f).rglob("*.py") for f in folders)):
        parts = path.relative_to(root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        found[".".join(parts)] = path
    return found


@functools.cache  # the rules of the layers ask for the same sources
def imports(source: str, *, at_top: bool = False) -> frozenset[str]:
    """Returns the dotted names that a source imports, `module.name` where it says so.

    Args:
      source: of a module.
      at_top: only those that run when the module is imported: none in functions, nor
        under `if TYPE_CHECKING`.
    """
    names: set[str] = set()
    for node in _statements(ast.parse(source), at_top):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def _statements(node: ast.AST, at_top: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        skipped = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.If):
            skipped = ast.unparse(child.test).endswith("TYPE_CHECKING")
        if not (at_top and skipped):
            yield child
            yield from _statements(child, at_top)


def graph(
    files: Mapping[str, pathlib.Path], *, at_top: bool = False
) -> dict[str, set[str]]:
    """Returns {module: the modules among these that it imports}."""

    def module_of(name: str) -> str:
        while name and name not in files:
            name = name.rpartition(".")[0]
        return name

    return {
        module: {module_of(name) for name in imports(path.read_text(), at_top=at_top)}
        - {"", module}
        for module, path in files.items()
    }


def circle(edges: Mapping[str, set[str]]) -> list[str]:
    """Returns modules that import one another in a circle; [] if there is none."""
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module not in done:
            for other in sorted(edges.get(module, ())):
                if found := visit(other, [*way, module]):
                    return found
            done.add(module)
        return []

    for module in edges:
        if found := visit(module, []):
            return found
    return []


def functions_named_as_modules(folder: pathlib.Path) -> list[str]:
    """Returns what a package's `__init__` imports under the name of its own module.

    `from package import name` would be the function or the module, by what was
    imported first.
    """
    siblings = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    siblings |= {path.parent.name for path in folder.glob("*/__init__.py")}
    package = ".".join(folder.parts[-2:])
    init = folder / "__init__.py"
    return sorted(
        name
        for name in imports(init.read_text() if init.exists() else "")
        if name.rpartition(".")[2] in siblings and name.rpartition(".")[0] != package
    )
