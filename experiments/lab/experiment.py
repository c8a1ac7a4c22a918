"""The frame of an experiment: what is measured, and the claims that are judged by it.

An experiment is `plan <- measure <- claims`. `measure(plan, lab)` is free code that
asks the `Lab` for trainings and other measurements, all of which are kept as rows; a
claim's `judge(plan, measured)` is a pure function of them, so every verdict can be
judged again from the rows alone. Nobody but `Experiment.findings` builds a `Finding`.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from rnnshare.analysis.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.lab.trials import Lab

Table = tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a claim's judge says.

    Attributes:
      verdict: 'supported', 'refuted' or 'inconclusive'.
      effect: the number that the verdict rests on, with its 95 % interval.
      label: what that number is, with its unit.
      summary: what follows, in two sentences.
      count: how many repeats are behind the effect.
      details: more paragraphs, parted by blank lines.
      repeats: what is counted: 'seeds', 'rounds' of a race, 'cells'; '' where exact.
      data: what the claim's `draw` and `table` need of the judgement.
      related: the same claim by other means; their findings are shown after it.
    """

    verdict: str
    effect: Interval
    label: str
    summary: str
    count: int
    details: str = ""
    repeats: str = "seeds"
    data: Any = None
    related: "tuple[Half, ...]" = ()


@dataclasses.dataclass(frozen=True)
class Half:
    """A claim as another experiment judges it, to be told beside a verdict.

    Attributes:
      experiment: whose claim it is; its figure is drawn into its own folder.
      claim: one of the experiment's.
      plan: what was measured by.
      measured: what the experiment measured.
      verdict: what the claim's judge made of it.
    """

    experiment: "Experiment"
    claim: "Claim"
    plan: Any
    measured: Any
    verdict: Verdict


def decide(supported: Any, refuted: Any) -> str:
    """Returns the verdict of a rule, by whether it says the one or the other."""
    return "supported" if supported else "refuted" if refuted else "inconclusive"


def _no_figure(plan: Any, measured: Any, verdict: Verdict) -> None:
    return None


def _no_table(plan: Any, measured: Any, verdict: Verdict) -> Table:
    return ()


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim: its rule, with how it was amended, and the functions that tell it.

    Attributes:
      id: as in `experiments.claims.CLAIMS`.
      rule: what counts as support and as refutation, in words; an f-string of the
        constants that `judge` reads.
      judge: `judge(plan, measured) -> Verdict`.
      draw: `draw(plan, measured, verdict) -> Figure`, saved as figures/ID.png; or the
        name of one of the experiment's `figures`, where claims share one.
      table: `table(plan, measured, verdict)`, rows of strings, the first names columns.
      refuted_if: what the figure would have shown had the claim been wrong; it is
        written above it.
      full_decides: whether an inconclusive verdict can be decided by the full preset.
    """

    id: str
    rule: str
    judge: Callable[[Any, Any], Verdict]
    draw: "Callable[[Any, Any, Verdict], Figure | None] | str" = _no_figure
    table: Callable[[Any, Any, Verdict], Table] = _no_table
    refuted_if: str = ""
    full_decides: bool = True


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One question: its presets, what is measured, and the claims judged by it.

    Attributes:
      name: of its folder, and of its command.
      plans: {preset: plan}.
      measure: `measure(plan, lab) -> measured`.
      claims: in the order to tell them in.
      figures: {name: `draw(plan, measured) -> Figure`}, figures beside the claims';
        None where the plan has nothing to draw.
      check: called before anything is compiled or created; raises what a user must
        mend, such as a missing data set.
      take_times: `take_times(plan, lab)` does that part of `measure` which takes times,
        and wants the machine for itself; None where there is none.
    """

    name: str
    plans: Mapping[str, Any]
    measure: "Callable[[Any, Lab], Any]"
    claims: tuple[Claim, ...]
    figures: Mapping[str, Callable[[Any, Any], Any]] = dataclasses.field(
        default_factory=dict
    )
    check: Callable[[], object] = tuple
    take_times: "Callable[[Any, Lab], Any] | None" = None

    def __post_init__(self) -> None:
        unknown = [claim.id for claim in self.claims if claim.id not in CLAIMS]
        if unknown:
            raise ValueError(
                f"{self.name} judges {unknown}, which have no sentence. Add it, and "
                "its question, to experiments/claims.py."
            )

    def findings(
        self,
        preset: str,
        root: pathlib.Path,
        *,
        plan: Any = None,
        judge_only: bool = False,
    ) -> list[Finding]:
        """Measures what is not yet kept, judges, draws; returns a finding a claim.

        Started again, it goes on. `root/preset/name` holds rows and figures.

        Args:
          preset: its name.
          root: the workdir.
          plan: in place of the preset's.
          judge_only: raise instead of measuring what the rows lack.
        """
        from experiments.lab.trials import Lab

        plan = self.plans[preset] if plan is None else plan
        folder = pathlib.Path(root) / preset / self.name
        lab = Lab(folder, judge_only=judge_only)
        with lab.clock():
            measured = self.measure(plan, lab)
        # Of what was read of others, too.
        seconds = sum(each.seconds for each in (lab, *lab.asked.values()))
        for name, draw in self.figures.items():
            if (figure := draw(plan, measured)) is not None:
                _save(figure, folder / "figures" / f"{name}.png", "")
        return [
            self._finding(claim, plan, measured, preset, folder, seconds)
            for claim in self.claims
        ]

    def only_times(self, preset: str, root: pathlib.Path) -> None:
        """Measures what takes times, and no more; what is kept of it is not repeated.

        Args:
          preset: its name.
          root: the workdir.
        """
        from experiments.lab.trials import Lab

        assert self.take_times is not None
        lab = Lab(pathlib.Path(root) / preset / self.name)
        with lab.clock():
            self.take_times(self.plans[preset], lab)

    def judge_again(self, preset: str, folder: pathlib.Path) -> dict[str, Verdict]:
        """Returns {id: verdict} of the kept rows of a folder alone; trains nothing.

        Raises:
          MissingRowError: if the folder lacks a row.
        """
        from experiments.lab.trials import Lab

        plan = self.plans[preset]
        measured = self.measure(plan, Lab(folder, judge_only=True))
        return {claim.id: claim.judge(plan, measured) for claim in self.claims}

    def command(self, preset: str) -> str:
        """Returns the command that reproduces the findings."""
        return f"python -m experiments.{self.name} --preset={preset}"

    def _finding(
        self,
        claim: Claim,
        plan: Any,
        measured: Any,
        preset: str,
        folder: pathlib.Path,
        seconds: float,
        verdict: Verdict | None = None,
    ) -> Finding:
        verdict = verdict or claim.judge(plan, measured)
        if isinstance(claim.draw, str):
            path = f"figures/{claim.draw}.png"
        else:
            drawn = claim.draw(plan, measured, verdict)
            path = "" if drawn is None else f"figures/{claim.id}.png"
            if drawn is not None:
                _save(drawn, folder / path, claim.refuted_if)
        undecided = verdict.verdict == "inconclusive" and preset != "full"
        return Finding(
            id=claim.id,
            claim=CLAIMS[claim.id],
            verdict=verdict.verdict,
            effect=float(verdict.effect.estimate),
            effect_label=verdict.label,
            interval=(float(verdict.effect.low), float(verdict.effect.high)),
            num_seeds=int(verdict.count),
            repeats=verdict.repeats,
            rule=claim.rule,
            command=self.command(preset),
            figure=path,
            seconds=seconds,
            summary=verdict.summary,
            details=verdict.details,
            table=tuple(claim.table(plan, measured, verdict)),
            related=tuple(
                _related(half, preset, folder.parent) for half in verdict.related
            ),
            preset=preset,
            folder=f"{preset}/{self.name}",
            decides=self.command("full") if undecided and claim.full_decides else "",
        )


def _related(half: Half, preset: str, root: pathlib.Path) -> Finding:
    """Returns the finding of a half, whose figure is in the folder of its experiment.

    Args:
      half: see `Half`.
      preset: its name.
      root: the folder that holds those of the experiments.
    """
    from experiments.lab.trials import Lab

    claim, name = half.claim, half.experiment.name
    finding = half.experiment._finding(
        claim, half.plan, half.measured, preset, root / name,
        Lab(root / name).seconds, half.verdict,
    )  # fmt: skip
    figure = finding.figure and f"../{name}/{finding.figure}"
    return dataclasses.replace(finding, figure=figure)


def _save(figure: Any, path: pathlib.Path, refuted_if: str) -> None:
    from rnnshare.plotting import save
    from rnnshare.plotting.style import say_what_refutes

    if refuted_if:
        say_what_refutes(figure, refuted_if)
    save(figure, path)
