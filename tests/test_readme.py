"""README's code runs as it stands, and its commands exist."""

import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_code_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 4
    namespace: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Tied() (32, 28, 64) 19712")
    assert lines[1].startswith("Untied(num_steps=28) (32, 28, 64) 551936")
    assert lines[-1] == "35 units; Agreement(first_error=None, num_steps=108)"
    assert namespace["every_step"]["rec"].shape == (28, 8, 8)


def test_the_commands_exist():
    for script in re.findall(r"python -m experiments\.(\w+)", README):
        assert (ROOT / "experiments" / f"{script}.py").is_file(), script
    targets = set(re.findall(r"^make (\w+)", README, flags=re.MULTILINE))
    assert targets == {"answer", "test", "bench"}
    for target in sorted(targets):
        dry = ["make", "--dry-run", target]
        subprocess.run(dry, cwd=ROOT, check=True, capture_output=True)


def test_the_tree_is_the_tree():
    tree = README.split("```\nrnnshare/\n")[1].split("```")[0]
    for name in re.findall(r"^  (\w+\.py)", tree, flags=re.MULTILINE):
        assert (ROOT / "rnnshare" / name).is_file(), name


def test_the_claims_are_those_of_the_kept_results():
    row = r"^\| (\w+) \| .* \| (\w+) \| .* \| (\d+) \| \[([\w/]+)\]"
    rows = re.findall(row, README, flags=re.MULTILINE)
    assert len(rows) > 20
    for key, verdict, seeds, source in rows:
        kept = ROOT / "experiments/results" / source / "claims.json"
        (claim,) = (c for c in json.loads(kept.read_text()) if c["id"] == key)
        assert (claim["verdict"], claim["num_seeds"]) == (verdict, int(seeds)), key
