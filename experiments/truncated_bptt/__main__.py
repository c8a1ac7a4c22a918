"""What does truncated back-propagation cost, and what does it miss (B8, B9, B9b)?

Question: what do windows of k steps save and lose (B8); is structure beyond the window
          learnt, since units store memory (B9); when does the truncated gradient point
          the wrong way (B9b)?
Command:  python -m experiments.truncated_bptt
Time:     two minutes on 2 cores (quick); about two hours (full).
Expect:   memory in proportion to the window, and wrong signs up to 40 steps.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "B8": (
        "A tied LSTM on the folk tunes; windows k up to the sequence, T. (i) The "
        "memory that one update needs beside its arguments fits a line in k with "
        "R2 >= 0.99, and is at least 3 times as much at k = T as at T / 4; (ii) at an "
        "equal number of characters, rates tuned for each window, the test loss with "
        "k = T / 4 less that with k = T has a 95 % interval that ends at 0.05 bits a "
        "character or below. Supported if "
        "both hold: people lose little by it. Refuted if (i) fails, or the interval of "
        "(ii) begins above 0.05; else inconclusive."
    ),
    "B9": (
        "Recall after a lag L, trained through windows of k steps with the carry "
        "handed on, lags mixed from 1 to 4 k, a cell at a time: tied weights learn "
        "lags L >= 2 k if the 95 % interval of their test accuracy begins above half "
        "way from chance to 1; they are at chance if it ends below chance + 0.1. "
        "Supported if they learn in most cells, refuted if they are at chance in most; "
        "else inconclusive. Reported apart: with the carry reset at chance, the carry "
        "is the mechanism; trained on lags > k alone at chance, the claim rests on "
        "short lags that share their weights with long ones; with the recurrent "
        "weights frozen, or all but the read-out, what the memory of random weights "
        "does."
    ),
    "B9b": (
        "Influence balancing, windows of 1 to 200 steps: the derivative of the loss at "
        "the window's end, the carry handed on, has the sign of the true one, or not. "
        "Supported if a window has the wrong sign, refuted if none has."
    ),
}


def findings(preset, folder):
    """Returns the findings; draws their figures. Restarted, it goes on."""
    from experiments.truncated_bptt.cost import cost_finding
    from experiments.truncated_bptt.influence import influence_finding
    from experiments.truncated_bptt.lags import lag_finding

    return [
        cost_finding(preset, folder, RULES["B8"]),
        lag_finding(preset, folder, RULES["B9"]),
        influence_finding(preset, folder, RULES["B9b"]),
    ]


def main() -> None:
    """Trains, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude

    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
