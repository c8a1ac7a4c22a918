"""Tied against un-shared weights on real data (Q5, A2), and the gap of train and test.

Question: where the length is fixed and compute is free, do un-shared weights do better?
Command:  python -m experiments.real_data
Time:     about six minutes on 2 cores (quick), 25 minutes (full, an estimate).
Expect:   tied far better on MNIST-1D (0.9 nats), untied a little on its shuffled time.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "Q5": (
        "For each data set and cell, untied wins if its test loss is below the tied "
        "model's over paired seeds and resampled splits (the 95 % interval leaves out "
        "0, paired t test with Holm's correction over the map below 0.05), and does so "
        "again on fresh seeds; a tied win is the same without the second run. "
        "Supported if untied wins somewhere; refuted if nowhere, and tied wins in at "
        "least half of the map; else inconclusive."
    ),
    "A2": (
        "Tied and untied train until their validation loss no longer falls, whatever "
        "that takes, on equal training sets. A pair of data set and cell goes to the "
        "one with the lower test loss over paired seeds and resampled splits (the 95 % "
        "interval of the difference leaves out 0, paired t test with Holm's "
        "correction over the map below 0.05). Supported if at least half of the pairs "
        "go to tied; refuted if at least half go to untied; else, or if both, "
        "inconclusive. How many runs were at their best before the last step is told."
    ),
}


def findings(preset, folder):
    """Returns the findings of Q5 and A2; draws the figures. Restarted, it goes on."""
    from experiments.real_data.claims import both_findings

    return both_findings(preset, folder, RULES)


def main() -> None:
    """Trains, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude
    from experiments.real_data.measure import load_all

    with common.user_errors():
        load_all()
    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
