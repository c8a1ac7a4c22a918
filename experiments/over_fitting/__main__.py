"""Does an RNN without sharing over-fit, and how much does it hold (B7, Ac2a, Ac2b)?

Question: is the train-test gap of untied weights the larger one, and the more so the
          more steps there are an example (B7); does sharing close it where both are
          tuned (Ac2b); how many bits of random labels do both hold (Ac2a)?
Command:  python -m experiments.over_fitting
Time:     two minutes on 2 cores (quick); about a quarter of an hour (full).
Expect:   a larger gap of untied weights, and more bits, in every cell.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "B7": (
        "Without early stopping and weight decay, in nats of cross entropy, a cell at "
        "a time: (i) untied's train-test gap less tied's, its mean over the grid of T, "
        "N and label noise, has a 95 % interval above 0; (ii) the rank correlation "
        "over the grid of that difference, its mean over the label noise, with T / N "
        "has one above 0. Supported if both hold in most cells, refuted if neither "
        "does in most cells, else inconclusive. A supported claim is 'over-fits unless "
        "regularised' if, with early stopping, and rate and weight decay tuned for "
        "each model, the interval of the difference, the mean over the cells, includes "
        "0 or its mean is below a tenth of that without."
    ),
    "Ac2a": (
        "Bits of random labels that are memorised, the largest over the training-set "
        "sizes N, untied less tied at equal width, a cell and width at a time; one "
        "whose tied model memorises all of the largest set decides nothing. Supported "
        "if the 95 % interval is above 0 in every cell and width; refuted if its high "
        "end is at most 0 in most of them; else inconclusive."
    ),
    "Ac2b": (
        "With early stopping, and rate and weight decay tuned for each model on equal "
        "budgets, a cell at a time, the mean over the grid of T, N and label noise: "
        "untied's train-test gap less tied's. Supported if its 95 % interval is above "
        "0 and that of untied's test loss less tied's is too, in most cells; refuted "
        "if the interval of the gaps is below 0, or includes 0 with a mean within 0.02 "
        "nats of it, in most cells; else inconclusive."
    ),
}


def findings(preset, folder):
    """Returns the findings; draws their figures. Restarted, it goes on."""
    from experiments.over_fitting.capacity import capacity_finding
    from experiments.over_fitting.claims import gap_findings

    over_fits, closed = gap_findings(preset, folder, RULES)
    return [over_fits, capacity_finding(preset, folder, RULES["Ac2a"]), closed]


def main() -> None:
    """Trains, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude

    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
