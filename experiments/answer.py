"""Runs the claims and writes the report: the answer to the project's question.

Question: why are the weights shared across time, and would un-shared ones do better?
Command:  make answer, or python -m experiments.answer --preset=quick
Time:     about half an hour on 2 cores (quick); hours (full).
Expect:   results/answer/report.html, with a verdict for every claim tested so far.
"""

import time

from absl import flags

from experiments.cell_comparison import __main__ as cell_comparison
from experiments.cell_state import __main__ as cell_state
from experiments.claims import CLAIMS
from experiments.core_claim import __main__ as core_claim
from experiments.gap_decomposition import __main__ as gap_decomposition
from experiments.identities import __main__ as identities
from experiments.lab import flags as common
from experiments.length_generalisation import __main__ as length_generalisation
from experiments.over_fitting import __main__ as over_fitting
from experiments.position_generalisation import __main__ as position_generalisation
from experiments.resources import __main__ as resources
from experiments.spectrum import __main__ as spectrum
from experiments.temporal_structure import __main__ as temporal_structure
from experiments.translation import __main__ as translation
from experiments.truncated_bptt import __main__ as truncated_bptt
from experiments.universality import __main__ as universality

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

QUESTION = (
    "Why are the weights of an RNN shared across time, and would un-shared ones do "
    "better?"
)
SPECTRUM = (
    "figures/spectrum.png",
    "Every sharing by its parameters and its test loss, as the rule drifts from step "
    "to step (drift task) and on ItalyPowerDemand; GRU, rate tuned, 95 % intervals.",
)
# In the order in which they run; each returns findings, and draws their figures.
EXPERIMENTS = (
    identities,
    resources,  # before the process is large, since it takes times
    *(core_claim, temporal_structure, spectrum),
    *(length_generalisation, position_generalisation, over_fitting, gap_decomposition),
    cell_comparison,  # after the three whose runs it reads
    *(truncated_bptt, cell_state, universality, translation),
)


def main() -> None:
    """Runs every experiment of the preset, and writes report and figures."""
    common.use_devices()
    import jax

    from experiments.lab import finding as report
    from experiments.lab.trials import decided, environment
    from experiments.real_data.measure import load_all

    folder = common.workdir("answer")
    with common.user_errors():
        load_all()
    began = time.perf_counter()
    findings = []
    for experiment in EXPERIMENTS:
        # Each compiled program holds memory maps, of which Linux grants 65,530.
        jax.clear_caches()
        print((experiment.__doc__ or "").splitlines()[0], flush=True)
        for finding in experiment.findings(common.PRESET.value, folder):
            print(f"  {finding.id}: {finding.verdict}", flush=True)
            findings.append(decided(finding, common.PRESET.value))
    findings.sort(key=lambda finding: list(CLAIMS).index(finding.id))
    tested = {finding.id for finding in findings}
    page = report.write(
        findings,
        [(key, claim) for key, claim in CLAIMS.items() if key not in tested],
        folder,
        question=QUESTION,
        lead=lead(findings),
        figures=[tying_matrices(folder), SPECTRUM],
        environment=environment(
            f"python -m experiments.answer --preset={common.PRESET.value}",
            time.perf_counter() - began,
        ),
    )
    print(f"The report is {page}")


def lead(findings) -> str:
    """Returns the answer in one paragraph, made of the findings."""
    by_id = {finding.id: finding for finding in findings}
    core = by_id["Q5"]
    answer = {
        "supported": "On some data, yes: un-shared weights do better at equal width.",
        "refuted": "On the data tried, no: un-shared weights nowhere do better.",
        "inconclusive": "Not decided at this budget.",
    }[core.verdict]
    return (
        f"{answer} {core.meaning} Sharing is a choice of the model and not a law: an "
        "unrolled RNN is a feed-forward network whose layers alias one set of weights, "
        "and the scan that runs it need not be told whether they do."
    )


def tying_matrices(folder):
    """Draws the tying matrix of each sharing; returns its path and caption."""
    from rnnshare import Cyclic, Segments, Tied, Untied
    from rnnshare.plotting import panels as figures

    path, num_steps = "figures/tying.png", 12
    sharings = [Tied(), Segments(12, 3), Cyclic(4), Untied(12)]
    figures.save(figures.draw_tying_matrices(sharings, num_steps), folder / path)
    return path, (
        f"Which of {num_steps} steps read the same weights (dark) under each sharing. "
        "Tied and untied are the ends of one axis."
    )


if __name__ == "__main__":
    common.run(main)
