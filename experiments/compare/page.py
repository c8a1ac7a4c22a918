"""The page of a comparison, its figures, its JSON, and the model that it recommends."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from experiments.compare import asking, figure, reading_law
from experiments.compare.contest import Outcome
from experiments.compare.snippet import MODEL, SCALING, scaling_of, snippet
from experiments.compare.verdict import Recommendation
from experiments.lab.given import Given
from experiments.lab.report import escape, format_number, format_seconds, html_page
from rnnshare.analysis import resampled_interval
from rnnshare.tasks import Arrays, Task
from rnnshare.training import environment, save_params, write_atomically
from rnnshare.training.files import replacing

_METRICS = {  # of a task: what a user reads, and its name
    "test_accuracy": "accuracy",
    "test_rmse": "root mean square error",
    "test_unexplained": "unexplained share of the variance",
}


class Compared(NamedTuple):
    """All that a page tells.

    Attributes:
      source: the file.
      given: what it holds.
      arrays: what made the tasks.
      task: of split 0.
      law: see `reading_law.read_law`.
      asked: see `asking.ask`.
      period: of the cyclic arm, or None.
      outcome: what was trained.
      overlap: see `verdict.recommend`.
      recommended: what came of it.
      command: that made it.
    """

    source: pathlib.Path
    given: Given
    arrays: Arrays
    task: Task
    law: Mapping[str, Any]
    asked: dict[str, Any]
    period: int | None
    outcome: Outcome
    overlap: float
    recommended: Recommendation
    command: str


def metric_of(outcome: Outcome) -> tuple[str, str]:
    """Returns the column of the metric that users read, and what it is called."""
    row = next(iter(outcome.rows.values()))[0]
    return next((key, text) for key, text in _METRICS.items() if key in row)


def as_json(found: Compared) -> dict[str, Any]:
    """Returns what `compare.json` holds."""
    outcome, recommended = found.outcome, found.recommended
    column, metric = metric_of(outcome)
    arms = {}
    for name, setting in outcome.settings.items():
        losses = outcome.losses(name)
        values = np.array([row[column] for row in outcome.rows[name]], np.float64)
        arms[name] = {
            "sharing": repr(setting.sharing),
            "width": setting.hidden_features,
            "parameters": setting.num_parameters(),
            "learning_rate": setting.learning_rate,
            "tuning_seconds": round(outcome.tuning[name], 2),
            "test_loss": _number(losses.mean()),
            "metric": _number(values.mean()),
            "interval": [*map(_number, resampled_interval(values, found.overlap)[1:])],
        }
    return {
        "recommendation": recommended.sharing,
        "width": recommended.width,
        "ratio": recommended.ratio and [*map(_number, recommended.ratio)],
        "reasons": reasons(found),
        "metric": metric,
        "seeds": len(next(iter(outcome.rows.values()))),
        "arms": arms,
        "left_out": list(outcome.left_out),
        "law": dict(found.law),
        "score_test": found.asked,
        "period": found.period,
        "updates": outcome.num_steps,
        "seconds": round(outcome.seconds, 1),
        "sequences": len(found.given.inputs),
        "steps": found.task.num_steps,
        "command": found.command,
        "environment": environment(),
    }


def write(found: Compared, folder: pathlib.Path, params: Any) -> pathlib.Path:
    """Writes `report.html`, `report.md`, `compare.json`, figures and the model.

    What an earlier comparison left there is removed first, and `report.html` comes
    last: whenever this is ended, no page stands beside the model of another.

    Args:
      found: what to tell.
      folder: where to.
      params: of the recommended model, or None.

    Returns:
      The path of `report.html`.
    """
    from rnnshare.plotting import save

    facts, figures = as_json(found), folder / "figures"
    pages = [folder / f"report.{ending}" for ending in ("html", "md")]
    arrays = [folder / name for name in ("compare.json", MODEL, SCALING)]
    for old in [*pages, *arrays, *figures.glob("*.png")]:
        old.unlink(missing_ok=True)
    save(figure.draw_arms(facts, found.recommended.arm), figures / "arms.png")
    blocks = _answer(found, facts)
    if params is not None:
        save_params(folder / MODEL, params)
        with replacing(folder / SCALING) as file:
            np.savez(file, **scaling_of(found.arrays))
        setting = found.outcome.settings[str(found.recommended.arm)]
        reads = figure.steps_read(setting, params, found.task)
        if reads is not None:
            save(
                figure.draw_reading(reads, found.given.steps),
                figures / "reading.png",
            )
            caption = (
                "Which steps the recommended model reads: how far its answer moves "
                f"with the input of each, over {figure.READ} test sequences at most."
            )
            blocks += [f"![{caption}](figures/reading.png)", f"*{caption}*"]
        weights = figure.weights_over_time(setting, params, found.task.num_steps)
        if weights is not None:
            drawn = figure.draw_weights(
                weights, found.recommended.sharing, found.given.steps
            )
            save(drawn, figures / "weights.png")
            caption = (
                "How alike the weights of any two steps are (cosine, of what they "
                "differ by from their mean): blocks are spans of one rule, an edge is "
                "where the rule changes."
            )
            blocks += [f"![{caption}](figures/weights.png)", f"*{caption}*"]
        told = (
            "It takes the file's own numbers, and answers in the file's own. Run it in "
            f"the folder of this page, which has {MODEL} and {SCALING}."
        )
        blocks += [
            "## The model",
            told,
            snippet(setting, found.task, found.arrays),
        ]
    blocks += _behind(found, facts)
    markdown = "\n\n".join(blocks) + "\n"
    write_atomically(folder / "compare.json", json.dumps(facts, indent=1) + "\n")
    write_atomically(folder / "report.md", markdown)
    title = f"Which sharing for {found.source.name}?"
    write_atomically(folder / "report.html", html_page(markdown, title, folder))
    return folder / "report.html"


def headline(found: Compared) -> str:
    """Returns the recommendation in a sentence."""
    recommended = found.recommended
    if recommended.arm is None:
        return "These data do not tell which sharing is better."
    return f"Use {recommended.sharing} at width {recommended.width}."


def still_falling(outcome: Outcome) -> bool:
    """Returns whether most trainings were best at their last validation."""
    ends = [r["best_step"] for rows in outcome.rows.values() for r in rows]
    return sum(step == outcome.num_steps for step in ends) > len(ends) / 2


def _answer(found: Compared, facts: Mapping[str, Any]) -> list[str]:
    """Returns the first screen: what to use, why, and the table of arms."""
    rows: list[tuple[str, ...]] = [
        ("arm", f"test {facts['metric']}", "sharing", "width", "parameters", "seconds")
    ]
    for name, arm in facts["arms"].items():
        chosen = name == found.recommended.arm
        low, high = arm["interval"]
        shown = f"{_shown(arm['metric'])} [{_shown(low)}, {_shown(high)}]"
        label = f"**{escape(name)}**" if chosen else escape(name)
        cells = (
            shown,
            arm["sharing"],
            str(arm["width"]),
            f"{arm['parameters']:,}",
            f"{arm['tuning_seconds']:.1f}",
        )
        rows.append((label, *map(escape, cells)))
    table = ["| " + " | ".join(row) + " |" for row in rows]
    table.insert(1, "|" + " --- |" * len(rows[0]))
    caption = (
        f"Test {facts['metric']} of each arm against its parameters; bars are 95 % "
        f"intervals over {facts['seeds']} paired seeds and splits."
        + (" The diamond is recommended." if found.recommended.arm else "")
    )
    return [
        f"# {escape(headline(found))}",
        escape(" ".join(reasons(found))),
        f"![{caption}](figures/arms.png)",
        f"*{escape(caption)}*",
        "\n".join(table),
    ]


def reasons(found: Compared) -> list[str]:
    """Returns the sentences that the recommendation rests on, warnings last."""
    told = list(found.recommended.reasons)
    if not still_falling(found.outcome):
        return told
    return [
        *told,
        f"Most losses were still falling after {found.outcome.num_steps:,} updates: a "
        "larger --budget_minutes trains longer, and may say otherwise.",
    ]


def _behind(found: Compared, facts: Mapping[str, Any]) -> list[str]:
    task, outcome = found.task, found.outcome
    law = reading_law.in_words(found.law, len(task.held_out("train").inputs))
    period = found.period and f" A rule of period {found.period} was asked for."
    left_out = ", ".join(f"'{name}'" for name in outcome.left_out)
    answers = "at every step" if task.readout == "every" else "at the end"
    return [
        "## What the law and a tied model say",
        escape(
            f"{law}{period or ''} {asking.in_words(found.asked)} The trained arms "
            "decide, not these."
        ),
        "## How it was done",
        escape(
            f"{found.source.name}: {facts['sequences']:,} sequences of up to "
            f"{task.num_steps} steps and {task.in_features} inputs a step; predicted "
            f"is {found.given.target}, {answers}. Every arm is a GRU; its learning "
            "rate was tuned by validation, with equal budgets, and falls to 0 by a "
            f"cosine over {outcome.num_steps:,} updates; the parameters of the least "
            "validation loss are kept. Seeds and splits are paired between the arms. "
            "The seconds of an arm are those of its tuning, compilation included. "
            "Intervals allow for splits of one data set that overlap (Nadeau and "
            "Bengio, 2003). "
            f"The trainings took {format_seconds(outcome.seconds)}."
            + (f" There was no time for: {left_out}." if left_out else "")
        ),
        f"    {found.command}",
    ]


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else format_number(float(value))
