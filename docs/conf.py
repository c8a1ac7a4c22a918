"""The documentation's build: `make docs`, into docs/_build."""

import inspect
import pathlib
import re
import shutil

import rnnshare

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent

project = "rnnshare"
author = "The rnnshare developers"
copyright = author  # noqa: A001 - Sphinx's name
version = release = rnnshare.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
html_theme = "sphinx_book_theme"
html_title = "rnnshare"
html_theme_options = {"show_navbar_depth": 2}

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # they are kept executed, and the tests run them
suppress_warnings = ["mystnb.unknown_mime_type", "ref.python"]

default_role = "code"  # as Markdown has it
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True


def copy_what_lives_elsewhere() -> None:
    """Copies notebooks and kept figures beside the pages that show them."""
    made = HERE / "_made"
    shutil.rmtree(made, ignore_errors=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        _copy(path, made / "notebooks" / path.name)
    readme = (ROOT / "README.md").read_text()
    for figure in re.findall(r"!\[[^]]*\]\(([^)]*)\)", readme):
        _copy(ROOT / figure, made / figure)
    table = (ROOT / "experiments" / "results" / "README.md").read_text()
    (made / "answer.md").write_text(answer_page(readme, table))


def answer_page(readme: str, results: str) -> str:
    """Returns README's answer as a page, with the table of the kept results' README."""
    answer = readme.partition("## The answer\n")[2].partition("\n## ")[0]
    lead = re.search(r"!\[[^]]*\]\([^)]*\)", readme.partition("\n## ")[0])
    assert lead is not None, "README's lead has no figure"
    table = "\n|" + results.partition("\n|")[2].partition("\n\n")[0]
    page = f"# The answer\n\n{lead[0]}\n\n{answer}\n\n## Every verdict\n{table}\n"
    # Files of the repository that are no pages of the site are named.
    return re.sub(r"(?<!!)\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", page)


def _copy(source: pathlib.Path, to: pathlib.Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, to)


def as_restructured_text(app, what, name, obj, options, lines: list[str]) -> None:
    """Makes our docstrings, which say code by indenting it, what Sphinx reads.

    An indented block after a blank line is code; `*B` in a shape is no emphasis.
    """
    del app, what, name, obj, options
    made: list[str] = []
    in_code = False
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        before = next((x for x in reversed(lines[:number]) if x.strip()), "")
        started = line.strip() and indent >= 4 and not lines[number - 1].strip()
        if started and not in_code and _opens_code(before, indent):
            made += ["::", ""]
            in_code, level = True, indent
        elif line.strip() and in_code and indent < level:
            in_code = False
        if not in_code:
            # Of `*batch` in a shape, of |Q|, the number of states.
            line = re.sub(r"(?<![`\\*\w])\*(?=\w+[],])|\|(?=\w+\|)", r"\\\g<0>", line)
            line = re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", line)  # `x`s
        made.append(line)
    lines[:] = made


def _opens_code(before: str, indent: int) -> bool:
    """Whether a block indented by so much is one of code, by the line before it."""
    is_field = before.lstrip().startswith((":", ".."))
    return indent >= len(before) - len(before.lstrip()) + 4 and not is_field


def signature_of_init(app, what, name, obj, options, signature, returns):
    """Returns what `__init__` takes, where a metaclass of Flax's hides it."""
    del app, name, options
    own = getattr(obj, "__init__", None)
    if what != "class" or signature != "(*args, **kwargs)" or own is object.__init__:
        return signature, returns
    taken = inspect.signature(own)
    shown = [p.replace(annotation=p.empty) for p in taken.parameters.values()]
    bare = taken.replace(parameters=shown[1:], return_annotation=taken.empty)
    return re.sub(r" at 0x\w+", "", str(bare)), returns


def setup(app) -> None:
    """Makes the pages that are copies, and registers what translates docstrings."""
    copy_what_lives_elsewhere()
    app.connect("autodoc-process-signature", signature_of_init)
    app.connect(
        "autodoc-process-docstring", as_restructured_text, priority=900
    )  # after napoleon
