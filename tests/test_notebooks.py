"""The notebooks: paired with their text copies, executed, small, and they still run.

`python -m tests.test_notebooks` executes the text copies and writes the notebooks anew.
"""

import os
import pathlib
import re
from typing import Any

import jupytext
import nbclient
import nbformat
import pytest

ROOT = pathlib.Path(__file__).parents[1]
TEXTS = sorted((ROOT / "notebooks").glob("*.py"))
METADATA = {
    "jupytext": {"formats": "ipynb,py:percent"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MOST_BYTES = 300_000
# Cells of their own, so that the notebook itself need not say it. The kernel warns, of
# itself, when it is shut down.
STRICT = """
import warnings
import jax
warnings.simplefilter("error")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
"""
LENIENT = "warnings.simplefilter('ignore')"

by_text = pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)


def read_text(text: pathlib.Path) -> Any:
    """Returns the text copy as a notebook without outputs."""
    return jupytext.read(text)


def read_notebook(text: pathlib.Path) -> Any:
    """Returns the executed notebook that the text copy is paired with."""
    return nbformat.read(text.with_suffix(".ipynb"), as_version=4)


def execute(notebook: Any, folder: pathlib.Path) -> Any:
    """Runs a notebook in a folder and returns it; the first error is raised."""
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute()


def cells_of(notebook: Any) -> list[tuple[str, str]]:
    """Returns kind and source of the cells."""
    return [(cell.cell_type, cell.source.strip()) for cell in notebook.cells]


def images_of(notebook: Any) -> list[str]:
    """Returns the pictures among the outputs."""
    outputs = (out for cell in notebook.cells for out in cell.get("outputs", []))
    return [o.data["image/png"] for o in outputs if "image/png" in o.get("data", {})]


def test_there_are_notebooks():
    assert TEXTS
    paired = {text.with_suffix(".ipynb") for text in TEXTS}
    assert set((ROOT / "notebooks").glob("*.ipynb")) == paired


@by_text
def test_the_pair_is_in_step(text):
    assert cells_of(read_notebook(text)) == cells_of(read_text(text))


@by_text
def test_every_code_cell_was_executed_in_order_and_without_error(text):
    code = [cell for cell in read_notebook(text).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [out for out in outputs if out.output_type == "error"]
    assert not [out for out in outputs if out.get("name") == "stderr"]


@by_text
def test_it_is_short_and_small(text):
    notebook = read_notebook(text)
    assert 8 <= len(notebook.cells) <= 14
    assert images_of(notebook)
    assert text.with_suffix(".ipynb").stat().st_size < MOST_BYTES


@by_text
def test_it_says_nothing_of_the_machine_that_ran_it(text):
    notebook = read_notebook(text)
    assert notebook.metadata == METADATA
    assert not [cell.metadata for cell in notebook.cells if cell.metadata]
    written = text.with_suffix(".ipynb").read_text()
    paths = r"/(?:home|root|tmp|work|Users|usr|opt)/|site-packages"
    assert not re.search(paths, written)


@pytest.mark.docs
@by_text
def test_it_runs_without_a_warning_and_leaves_nothing_behind(
    text, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    notebook = read_text(text)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(STRICT))
    notebook.cells.append(nbformat.v4.new_code_cell(LENIENT))
    executed = execute(notebook, tmp_path)
    assert len(images_of(executed)) == len(images_of(read_notebook(text)))
    assert not list(tmp_path.iterdir())


def rewrite(text: pathlib.Path) -> None:
    """Executes a text copy and writes the notebook that it is paired with."""
    notebook = execute(read_text(text), text.parent)
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells, 1):
        cell.metadata = nbformat.from_dict({})
        cell.id = f"cell-{number:02}"  # equal runs leave equal files
    nbformat.write(notebook, text.with_suffix(".ipynb"))


if __name__ == "__main__":
    for path in TEXTS:
        rewrite(path)
