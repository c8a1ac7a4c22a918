"""Where do un-shared weights do better: a map over drift, data and steps (Q5, B5)?

Question: on a rule that drifts by d a step, with N examples of T steps, does an RNN
          with un-shared weights do better (Q5), and with unlimited data (B5)?
Command:  python -m experiments.drift_map
Time:     about three minutes on 2 cores (quick), half an hour (full).
Expect:   tied better at d = 0 (by 0.13 at T = 20, N = 200, quick), untied at d = 0.2
          (by 0.07 there), N* between; quick is too few seeds for either verdict.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "Q5": (
        "A map over drift d, training-set size N and steps T, at equal width (which is "
        "equal FLOPs too) and at equal parameters. Untied wins a cell if its test loss "
        "is below the tied model's over paired seeds (95 % interval below 0, paired t "
        "test with Holm's correction over the map below 0.05) and its interval is "
        "below 0 again on fresh seeds; a tied win is the same above 0, without the "
        "second run. Supported if untied wins in some cell with d > 0; refuted if it "
        "wins in no cell, the largest N included, and tied wins in at least half of "
        "the map; else inconclusive. An untied win at d = 0 is told as a surprise."
    ),
    "B5": (
        "Every example is met once, in long training; untied less tied test loss at "
        "equal width, over paired seeds. Supported if at every d > 0 the 95 % interval "
        "is below 0 and the paired t test, with Holm's correction over these d, below "
        "0.05; refuted if at the largest d the mean is above -0.005 (of the target's "
        "variance) and the interval's high end at least 0; else inconclusive. At d = 0 "
        "equality is expected, and the difference is told."
    ),
}


def findings(preset, folder):
    """Returns the map's finding of Q5 and that of B5. Restarted, it goes on."""
    from experiments.drift_map.claims import limit_finding, map_finding

    return [
        map_finding(preset, folder, RULES["Q5"]),
        limit_finding(preset, folder, RULES["B5"]),
    ]


def main() -> None:
    """Trains, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude

    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
