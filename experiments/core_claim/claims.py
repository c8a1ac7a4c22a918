"""What is concluded from the map of drift and from real data together (Q5).

An experiment imports of another its `measure` only. This module is the one exception:
Q5 is judged by the claims of `drift_map` and `real_data`, and joined here.
"""

from experiments.core_claim.measure import Measured, Plan, measure
from experiments.drift_map import claims as drift_map
from experiments.drift_map.telling import joint_sentence
from experiments.lab.experiment import Claim, Experiment, Half, Verdict
from experiments.real_data import claims as real_data
from rnnshare.plotting.style import say_what_refutes

HALVES = (
    (drift_map.EXPERIMENT, drift_map.MAP),
    (real_data.EXPERIMENT, real_data.DATA),
)
PLANS = {
    preset: Plan(plan, real_data.EXPERIMENT.plans[preset])
    for preset, plan in drift_map.EXPERIMENT.plans.items()
}


def judge(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Q5, joined from those of the halves."""
    on_map, on_data = (
        Half(experiment, claim, *of, claim.judge(*of))
        for (experiment, claim), of in zip(
            HALVES, zip(plan, found, strict=True), strict=True
        )
    )
    return join(on_map, on_data, joint_sentence(on_map.verdict.data))


def join(on_map: Half, on_data: Half, where: str) -> Verdict:
    """Returns Q5 of its two halves: the one that decides it first, else the map's.

    Args:
      on_map: the map of drift.
      on_data: real data.
      where: on the map untied, tied and partly untied weights win, in a sentence.
    """
    halves = [on_map, on_data]
    verdicts = [half.verdict.verdict for half in halves]
    if "supported" in verdicts:
        verdict = "supported"
    else:
        verdict = "refuted" if set(verdicts) == {"refuted"} else "inconclusive"
    if verdicts.count(verdict) == 1:
        halves.sort(key=lambda half: half.verdict.verdict != verdict)
    first, second = halves
    told = first.verdict
    return Verdict(
        verdict,
        told.effect,
        told.label,
        f"On the map {where}. {told.summary} The other half is "
        f"{second.verdict.verdict}.",
        told.count,
        told.details,
        data=first,
        related=(second,),
    )


def draw(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of the half that is told first."""
    half = verdict.data
    figure = half.claim.draw(half.plan, half.measured, half.verdict)
    if half.claim.refuted_if:
        say_what_refutes(figure, half.claim.refuted_if)
    return figure


def table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the table of the half that is told first."""
    half = verdict.data
    return half.claim.table(half.plan, half.measured, half.verdict)


CORE = Claim(
    id="Q5",
    rule=(
        "Two halves. Supported if either is supported, refuted if both are refuted, "
        f"else inconclusive. On a rule that drifts: {drift_map.MAP.rule} On real data: "
        f"{real_data.DATA.rule}"
    ),
    judge=judge,
    draw=draw,
    table=table,
)
EXPERIMENT = Experiment(
    "core_claim", PLANS, measure, (CORE,), check=real_data.EXPERIMENT.check
)
