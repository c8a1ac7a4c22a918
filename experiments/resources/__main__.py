"""What do un-shared weights cost: time, memory, the longest sequence (Q6, A1, B6)?

Question: how much longer does a training step take with untied weights (Q6); how do
          parameters, optimiser and activations grow with T and H, and which of them is
          the largest when (A1); how long may a sequence be within a budget (B6)?
Command:  python -m experiments.resources
Time:     a minute and a half on 2 cores (quick); about an hour (full).
Expect:   untied several times slower where its weights leave the processor's cache;
          stored bytes in proportion to T; small untied models fit long sequences.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")

RULES = {
    "Q6": (
        "The time of a training step (gradient, clipping, Adam; scanned) untied over "
        "tied, at T = 100, equal width and batch 32, interleaved round by round: the "
        "geometric mean over the grid of cells and widths, its median over the rounds. "
        "Supported if its 95 % interval over rounds lies above 1.5, refuted if below "
        "1.2, else inconclusive."
    ),
    "A1": (
        "The log-log slope against T of the bytes of parameters and Adam's averages, "
        "for every cell and width. Supported if each is within 0.05 of 1 untied and "
        "within 0.05 of 0 tied; refuted if untied's is less than 0.05 above tied's in "
        "most; else inconclusive."
    ),
    "B6": (
        "The largest T whose training step needs at most 1 GiB and one second, batch "
        "32, for every cell and width tried. Supported, without conditions, if "
        "untied's is at most a tenth of tied's at every one, by the high end of the "
        "95 % interval over rounds. Refuted as an unconditional claim if at some width "
        "untied's is at least 1,000 steps (a long sequence) and at least half of "
        "tied's, by the low ends. Else inconclusive."
    ),
}


def findings(preset, folder):
    """Returns the findings; draws their figures. Nothing is kept between runs."""
    from experiments.resources.claims import findings

    return findings(preset, folder, RULES)


def main() -> None:
    """Measures, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude

    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
