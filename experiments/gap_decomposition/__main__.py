"""Where does the gap between tied and untied weights come from (Ac1, Ac2d)?

Question: is "the same rule, at any length" more of the gap than resources and
          over-fitting are (Ac1), and do over-fitting and failing at steps that were
          never shown go together (Ac2d)?
Command:  python -m experiments.gap_decomposition
Time:     about three minutes on 2 cores (quick); half an hour (full, an estimate).
Expect:   untied at chance at unseen steps and lengths: with tied perfect, that alone is
          a gap of 0.35 nats.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "Ac1": (
        "The gap in loss, untied less tied, on a mixture of the training examples, "
        "fresh ones at shown steps, at unseen steps, and at steps past T (untied read "
        "literally), is split into resources (what 4 times the steps remove), "
        "in-distribution estimation, unseen positions and unseen lengths. The effect "
        "is the last two less the first two, mean over T and N. Supported if its 95 % "
        "interval is above 0 for the mean over the cells and in more than half of the "
        "cells; refuted if below 0 in both; else inconclusive."
    ),
    "Ac2d": (
        "Pearson's correlation, over at least 20 settings, of the unseen-position gap "
        "(loss at unseen less shown steps) with the train-test gap (loss on fresh less "
        "training examples, at shown steps). Supported if above 0.8 and the low end of "
        "its 95 % interval over the seeds above 0.3; refuted if below 0.3 and the high "
        "end below 0.8; else inconclusive."
    ),
}


def findings(preset, folder):
    """Returns the findings of Ac1 and Ac2d; draws their figures. Restarted, goes on."""
    from experiments.gap_decomposition.agreement import agreement_finding
    from experiments.gap_decomposition.claims import gap_finding

    return [
        gap_finding(preset, folder, RULES["Ac1"]),
        agreement_finding(preset, folder, RULES["Ac2d"]),
    ]


def main() -> None:
    """Trains, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude

    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
