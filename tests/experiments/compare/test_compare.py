"""`compare` as a user runs it: a file in, a recommendation and a model out."""

import numpy as np
import pandas as pd
import pytest

from tests.experiments.scripts import run_here, strict_json

N, T = 80, 8
OLD = (  # of another comparison in its folder
    "report.html", "report.md", "compare.json", "model.npz", "scaling.npz",
    "figures/arms.png", "figures/reading.png", "figures/weights.png",
)  # fmt: skip


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The folder of a comparison of a few seconds."""
    folder = tmp_path_factory.mktemp("compared")
    x = np.random.default_rng(0).standard_normal((N, T))
    table = pd.DataFrame(x, columns=[f"h{t}" for t in range(T)])
    table["up"] = np.where(x[:, 2] > x[:, 5], "yes", "no")
    table.to_csv(folder / "hours.csv", index=False)
    for name in OLD:
        (folder / "compare" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "compare" / name).write_text("old")
    flags = ["--target=up", "--budget_minutes=0.1", "--hidden_features=4"]
    done = run_here("compare", f"--data={folder / 'hours.csv'}", *flags,
               f"--workdir={folder}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "compare", done


def test_it_tells_what_to_use(compared):
    folder, done = compared
    found = strict_json((folder / "compare.json").read_text())
    assert set(found["arms"]) >= {"tied", "un-shared"}
    assert not {*found["arms"]} & {*found["left_out"]}
    for arm in found["arms"].values():
        low, high = arm["interval"]
        assert low <= arm["metric"] <= high
    told = [arm["sharing"] for arm in found["arms"].values()]
    assert found["recommendation"] in ("cannot tell", *told)
    assert found["law"]["side"] in ("tied", "untied", "cannot tell")
    assert found["metric"] == "accuracy" and found["seeds"] >= 4
    assert "The report is" in done.stdout
    assert "compare: the law" in done.stderr


def test_nothing_is_left_of_another_comparison(compared):
    folder, _ = compared
    found = strict_json((folder / "compare.json").read_text())
    left = [name for name in OLD if (folder / name).exists()]
    assert not any((folder / name).read_bytes() == b"old" for name in left)
    recommended = found["recommendation"] != "cannot tell"
    assert ("model.npz" in left, "scaling.npz" in left) == (recommended, recommended)


def test_the_page_shows_what_the_file_says(compared):
    folder, _ = compared
    found = strict_json((folder / "compare.json").read_text())
    page = (folder / "report.md").read_text()
    for arm in found["arms"].values():
        assert f"{arm['parameters']:,}" in page
    assert (folder / "figures" / "arms.png").stat().st_size > 10_000
    assert "data:image/png;base64" in (folder / "report.html").read_text()


def test_the_snippet_builds_the_recommended_model(compared, monkeypatch):
    folder, _ = compared
    found = strict_json((folder / "compare.json").read_text())
    page = (folder / "report.md").read_text()
    if found["recommendation"] == "cannot tell":
        assert "## The model" not in page
        return
    code = page.partition("## The model\n\n")[2].partition("\n\n##")[0]
    code = code.partition("\n\n")[2]
    monkeypatch.chdir(folder)
    names = {}
    exec("\n".join(line.removeprefix("    ") for line in code.splitlines()), names)
    outputs = names["model"](np.zeros((3, T, 1), np.float32))
    assert outputs.shape == (3, 2)
    table = pd.read_csv(folder.parent / "hours.csv")
    told = names["predict"](table.to_numpy()[:, :T].astype(np.float64)[..., None])
    assert set(told) <= {"yes", "no"} and (told == table["up"]).mean() > 0.5
