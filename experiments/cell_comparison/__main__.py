"""Is the LSTM another case than other recurrent networks (A6)?

Question: do unseen lengths (A3), unseen positions (A4) and over-fitting (B7) come out
          alike for Elman, GRU and LSTM?
Command:  python -m experiments.cell_comparison
Time:     none of its own in `answer`, whose runs it reads; alone, that of the runs of
          length_generalisation, position_generalisation and over_fitting.
Expect:   one sign for all cells.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "A6": (
        "Three effects, each for every cell by itself: the accuracy that literal "
        "untied loses just beyond the trained lengths, less what tied loses (A3, over "
        "the cases that untied learnt); the accuracy of tied less that of untied at "
        "steps never shown (A4); the train-test gap in loss of untied less that of "
        "tied, unregularised (B7). The cells agree in an effect if each one's 95 % "
        "interval is above 0 and the largest is at most twice the smallest. Supported "
        "if they agree in all three; refuted if in at most one; else inconclusive."
    )
}


def findings(preset, folder):
    """Returns the finding of A6; draws its figure. Runs what the folder lacks."""
    from experiments.cell_comparison.measure import finding

    return [finding(preset, folder, RULES["A6"])]


def main() -> None:
    """Trains what is missing, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude

    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
