"""What the package says of itself."""

from importlib import metadata

import rnnshare
from tests.imports import ROOT


def test_the_version_is_one():
    assert metadata.version("rnnshare") == rnnshare.__version__
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert f"## {rnnshare.__version__}" in changes
    assert f"version: {rnnshare.__version__}" in (ROOT / "CITATION.cff").read_text()


def test_ci_elsewhere_runs_what_ci_here_runs():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "run: .ci/run" in workflow and '"3.11"' in workflow
