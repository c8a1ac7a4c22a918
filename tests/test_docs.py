"""The documentation: each block of code runs by itself, as a reader copies it."""

import ast
import importlib
import re
import runpy

import jax
import pytest

from tests.imports import ROOT

PAGES = sorted(
    page
    for page in (ROOT / "docs").rglob("*.md")
    if not page.relative_to(ROOT / "docs").parts[0].startswith("_")
)
FENCE = re.compile(r"^```python\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
BLOCKS = [
    pytest.param(page, number, id=f"{page.stem}-{number}")
    for page in PAGES
    for number in range(len(FENCE.findall(page.read_text())))
]


@pytest.mark.docs
@pytest.mark.parametrize(("page", "number"), BLOCKS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:orbax")
@pytest.mark.filterwarnings("ignore::UserWarning:orbax")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_block_runs_by_itself(page, number, tmp_path, monkeypatch):
    """In a namespace and a folder of its own: what a reader copies is what is run."""
    monkeypatch.chdir(tmp_path)
    code = FENCE.findall(page.read_text())[number]
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        exec(compile(code, f"{page.name}, block {number}", "exec"), {})


WINGS = ("sharing", "unrolling", "cells", "models", "training", "tasks", "analysis",
         "analysis.law", "auditing", "bridge", "machines", "plotting")  # fmt: skip


@pytest.mark.parametrize("wing", WINGS)
def test_every_public_name_has_an_example_that_runs(wing):
    used = set()  # to import a name is not to use it
    for page in PAGES:
        for code in FENCE.findall(page.read_text()):
            for node in ast.walk(ast.parse(code)):
                used.add(getattr(node, "id", None) or getattr(node, "attr", None))
    module = importlib.import_module(f"rnnshare.{wing}")
    assert not set(module.__all__) - used


def test_there_are_pages_and_blocks():
    assert {page.stem for page in PAGES} >= {"index", "recipes", "extend", "data"}
    assert len(BLOCKS) > 12


def test_the_answer_links_to_its_figures_alone():
    """Other files of the repository are no pages of the site, whose build refuses."""
    made = runpy.run_path(str(ROOT / "docs" / "conf.py"))["answer_page"]
    page = made(
        (ROOT / "README.md").read_text(),
        (ROOT / "experiments" / "results" / "README.md").read_text(),
    )
    links = re.findall(r"\]\((?!https?:)([^)]*)\)", page)
    assert len(links) >= 2 and page.count("\n| ") > 40
    assert all(re.fullmatch(r"experiments/.*\.png", link) for link in links), links
