"""Does an LSTM whose weights are not shared still have its cell state (Bc1)?

Question: untied, a recurrent network is a feed-forward one with an input a layer. Does
          it remember the longer for the cell state, and do its gradients last longer?
Command:  python -m experiments.cell_state
Time:     a minute on 2 cores (quick); half an hour (full).
Expect:   the untied LSTM solves the longest sequences; without its cell state it does
          not.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "Bc1": (
        "Adding and copy memory, every weight untied, each model trained at every "
        "length by itself. Adding is solved at a test loss below 1/24, a quarter of "
        "that without memory (half is what remembering one number gives); copy memory "
        "at an accuracy of at least 0.9 on the recalled symbols. A task at a time, the "
        "LSTM against two rivals, the Elman network and the LSTM whose cell path is "
        "cut: (i) the longest length solved, the median over the seeds, is above both "
        "rivals'; (ii) after training at one middle length, the slope per step back of "
        "the log gradient norm of the last output at the carry, less the rival's, has "
        "a 95 % interval above 0 for both. Supported if (i) and (ii) hold in both "
        "tasks; refuted if neither does in either; else inconclusive."
    )
}


def findings(preset, folder):
    """Returns the finding of Bc1; draws its figure. Restarted, it goes on."""
    from experiments.cell_state.claims import cell_state_finding

    return [cell_state_finding(preset, folder, RULES["Bc1"])]


def main() -> None:
    """Trains, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude

    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
