"""Does an RNN pay because data have temporal structure (Q4)?

Question: is what a tied RNN gains over a bag of steps the temporal dependence: does it
          grow with it, and is it gone when the time of each example is shuffled?
Command:  python -m experiments.temporal_structure
Time:     about a minute on 2 cores (quick), four (full); both estimates.
Expect:   on the dial the two as good as each other at 0, and up to 0.21 apart.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "Q4": (
        "The gap is the test accuracy of a tied RNN less that of a bag of steps, over "
        "paired seeds. On rotation, dialled, it grows if the 95 % interval of the gap "
        "at the highest dial less that at 0 is above 0, and so is the interval of the "
        "gap's rank correlation with the dial. On MNIST-1D it counts as grown if the "
        "plain gap's interval is above 0. It vanishes if, with the steps of each "
        "example shuffled by itself (at the highest dial), it is at most 0.05; it "
        "stays if it is then more than half of the plain gap. Supported if it grows "
        "and vanishes on both data in every cell; refuted if on both, in every cell, "
        "it does not grow (the first interval is not above 0) or stays; else "
        "inconclusive."
    ),
}


def findings(preset, folder):
    """Returns the finding of Q4; draws its figure. Started again, it goes on."""
    from experiments.temporal_structure.measure import temporal_structure_finding

    return [temporal_structure_finding(preset, folder, RULES["Q4"])]


def main() -> None:
    """Trains, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude
    from rnnshare import tasks

    with common.user_errors():
        tasks.mnist1d()
    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
