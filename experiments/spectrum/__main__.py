"""Every sharing between tied and untied, over how much the rule drifts (Ac2c, B3).

Question: is sharing a prior that the same rule holds at each step (Ac2c), and do
          weights that are a function of time go on beyond the trained steps (B3)?
Command:  python -m experiments.spectrum, or with --explain for the table of sharings
Time:     about six minutes on 2 cores (quick).
Expect:   tied near the time-invariant linear oracle, low-rank corrections far below it.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

_EXPLAIN = flags.DEFINE_bool(
    "explain",
    False,
    "Print what each sharing stores, and what it reads at steps it has no weights for.",
)

RULES = {
    "Ac2c": (
        "Untied weights are drawn to their mean with strength s, from 0 (untied) to "
        "infinity (tied); the best s has the least validation loss, on each seed, "
        "drift d and training-set size N. Supported if at d = 0 the median best s is "
        "infinite at every N, and over the settings with d > 0 the rank correlation of "
        "best s with d N is negative (95 % interval of its mean over the seeds below "
        "0); refuted if at d = 0 the median best s is finite at every N, or that "
        "interval is above 0; else inconclusive."
    ),
    "B3": (
        "Models see steps below T and are scored on the steps from T to 4 T. On a "
        "path, weights that are a function of time win if the one of them with the "
        "least mean validation loss has a lower test loss than tied and than untied "
        "that holds its last weights (both 95 % intervals of the paired difference "
        "below 0, p of the paired t test below 0.05 by Holm's method over both paths). "
        "Supported if they win on the periodic and on the linear path; refuted if on "
        "neither; else inconclusive. On the random walk no gain is expected, and it "
        "is reported."
    ),
}


def findings(preset, folder):
    """Returns the findings of Ac2c and B3; draws the figures. Restarted, it goes on."""
    from experiments.spectrum.beyond import beyond_finding
    from experiments.spectrum.measure import draw_spectrum, soft_tying_finding

    draw_spectrum(preset, folder)
    return [
        soft_tying_finding(preset, folder, RULES["Ac2c"]),
        beyond_finding(preset, folder, RULES["B3"]),
    ]


def main() -> None:
    """Trains, and prints what came of it."""
    common.use_devices()
    if _EXPLAIN.value:
        from experiments.spectrum.explain import table

        print(table())
        return
    from experiments.lab.trials import conclude
    from experiments.real_data.measure import load_all

    with common.user_errors():
        load_all()
    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
