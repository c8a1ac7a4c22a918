"""Is what was learnt at one step known at another (A4, A5)?

Question: does sharing save learning the same rule again at each step (A4), and is a
          word that was met in one order understood in the other (A5)?
Command:  python -m experiments.position_generalisation
Time:     three minutes on 2 cores (quick); twenty (full).
Expect:   untied at chance where no answer was shown; its examples grow with T faster
          than tied's.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "A4": (
        "(i) A rule whose answers are shown at half of the steps: in every cell the "
        "tied model's median accuracy at the others is within 0.05 of that at "
        "the shown "
        "ones, and the untied model's at most 0.6 (chance 0.5). (ii) Training "
        "examples that "
        "bring an LSTM to 90 % on a signal in one of T steps: the slope of their "
        "logarithm on log T, untied less tied, is at least 0.5 and its 95 % interval "
        "above 0. Supported if both hold; refuted if (i) holds in no cell and the "
        "interval of (ii) is below 0.5; else inconclusive."
    ),
    "A5": (
        "One fact, weathers in the order that was held out for them, over the cells of "
        "which tied and untied both reach 0.95 as trained. Supported if tied is above "
        "untied by at least 0.2, its 95 % interval above 0, in each; refuted if by "
        "less than 0.05 in each; else, or if there are none, inconclusive."
    ),
}


def findings(preset, folder):
    """Returns the findings of A4 and A5; draws their figures. Restarted, it goes on."""
    from experiments.position_generalisation.claims import (
        rule_and_patches,
        word_order_finding,
    )

    return [
        rule_and_patches(preset, folder, RULES["A4"]),
        word_order_finding(preset, folder, RULES["A5"]),
    ]


def main() -> None:
    """Trains, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude

    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
