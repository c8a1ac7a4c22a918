"""README's code runs block by block, its commands exist, and its tree is the tree."""

import re
import shlex
import subprocess
import sys

import pytest

from tests.imports import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
PYTHON = [text for language, text in BLOCKS if language == "python"]
LINES = [
    line.partition(" #")[0].strip()
    for language, text in BLOCKS
    if language == "bash"
    for line in text.replace("\\\n", " ").splitlines()
]
COMMANDS = sorted({line for line in LINES if line and not line.startswith("#")})

# What a table says of scripts: their names, `one`, `another`, in the first column.
TABLE = README.partition("| script |")[2].partition("\n\n")[0]
SCRIPTS = [
    name
    for row in TABLE.splitlines()[2:]
    for name in re.findall(r"`(\w+)`", row.split("|")[1])
]


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_every_block_runs_by_itself(number):
    """In a namespace of its own: what a reader copies is what is run."""
    exec(compile(PYTHON[number], f"README.md, block {number}", "exec"), {})


def test_there_are_blocks_and_commands():
    assert PYTHON and COMMANDS and SCRIPTS


def check(command):
    """Raises unless a command exists and knows its flags; runs no more than that."""
    words = [w for w in shlex.split(command) if not re.fullmatch(r"[A-Z_]+=.*", w)]
    program = words[0].rpartition("/")[2]
    if program == "make":
        done = run("make", "--dry-run", *words[1:])
    elif program.startswith("python") and words[1:2] == ["-m"]:
        module = words[2].split(".")
        places = [ROOT.joinpath(*module).with_suffix(".py"),
                  ROOT.joinpath(*module, "__main__.py")]  # fmt: skip
        assert any(place.is_file() for place in places), f"there is no {words[2]}"
        done = run(sys.executable, *words[1:], "--only_check_args")
    else:
        assert program in ("pip", "cd", "git"), f"no test knows {program!r}"
        return
    assert done.returncode == 0, done.stderr


def run(*words):
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_exist(command):
    check(command)


def test_the_scripts_of_the_text_exist():
    """Those of the table, and those of the text but for a NAME to be filled in."""
    named = set(re.findall(r"python -m experiments\.([a-z_.]+)", README))
    for name in sorted(named | set(SCRIPTS)):
        check(f"python -m experiments.{name}")


def test_every_experiment_has_its_row():
    folders = {p.parent.name for p in (ROOT / "experiments").glob("*/__main__.py")}
    assert folders - set(SCRIPTS) == set()


@pytest.mark.parametrize(
    "command",
    ["python -m experiments.none", "make none", "python -m experiments.train --non=1",
     "python -m experiments.train none", "brew install rnnshare"],
)  # fmt: skip
def test_wrong_commands_are_found(command):
    with pytest.raises(AssertionError):
        check(command)


def entries(tree):
    """Returns the paths that a drawn tree names in its first column, from the root.

    An entry stands under the last one that is less indented; several are parted by
    commas; what describes them comes after two spaces.
    """
    above, found = [], []  # above: (indent, path) of the folders that are open
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        names = re.split(r"\s{2,}", line.strip())[0].split(", ")
        if not all(re.fullmatch(r"[\w./-]+(/|\.\w+)", name) for name in names):
            continue  # a line of description goes on
        while above and above[-1][0] >= indent:
            above.pop()
        parent = above[-1][1] if above else ""
        found += [parent + name for name in names]
        above.append((indent, found[-1]))
    return found


def wrong_in(tree):
    """Returns what a tree names that is not there, and the wings that it leaves out."""
    wrong = []
    for path in entries(tree):
        is_there = (
            (ROOT / path).is_dir() if path[-1] == "/" else (ROOT / path).is_file()
        )
        wrong += [] if is_there else [f"no {path}"]
    files = {p.name for top in TOPS for p in (ROOT / top).rglob("*.py")}
    named = re.findall(r"\b\w+\.py\b", tree)
    wrong += [f"no {name}" for name in named if name not in files]
    wings = {p.parent.name for p in (ROOT / "rnnshare").glob("*/__init__.py")}
    left_out = wings - {path.split("/")[1] for path in entries(tree) if "/" in path}
    return wrong + [f"rnnshare/{wing}/ is left out" for wing in sorted(left_out)]


TOPS = ("rnnshare", "experiments")
TREES = [text for _, text in BLOCKS if text.startswith("rnnshare/")]


def test_the_tree_is_the_tree():
    (tree,) = TREES
    assert wrong_in(tree) == []


def test_a_wrong_tree_is_found():
    wings = [p.parent.name for p in (ROOT / "rnnshare").glob("*/__init__.py")]
    others = ", ".join(f"{wing}/" for wing in wings if wing != "sharing")
    right = (
        "rnnshare/        the library\n"
        "  sharing/       base.py and others, some on\n"
        "                 another line\n"
        f"  {others}   the others\n"
        "experiments/     a folder a question\n"
        "  answer.py      the report\n"
    )
    assert wrong_in(right) == []
    assert entries(right)[:2] == ["rnnshare/", "rnnshare/sharing/"]
    assert entries(right)[-1] == "experiments/answer.py"
    for old, new, text in [
        ("  sharing/ ", "  shearing/", "no rnnshare/shearing/"),
        ("  answer.py", "  answers.py", "no experiments/answers.py"),
        ("base.py", "basis.py", "no basis.py"),
        ("training/, ", "", "rnnshare/training/ is left out"),
    ]:
        assert text in wrong_in(right.replace(old, new))
