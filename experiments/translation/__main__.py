"""Does a failure to train say that no such network exists (Cc2)?

Question: "more powerful" asks whether some network solves what none of another kind
          does. Tied and untied encoder-decoders learn to translate number words into
          digits: is what they are trained to solve what networks of their kind solve?
Command:  python -m experiments.translation
Time:     one minute on 2 cores (quick); about an hour (full).
Expect:   a tied LSTM translates German numbers that it never saw, at least 95 % of
          those below 10,000; none translates longer numbers than it was trained on.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "Cc2": (
        "The claim is a definition; what is tested is whether training can decide it. "
        "Weights trained in some way solve a language if the best seed's exact match "
        "on held-out numbers, decoded greedily, is at least 0.95; numbers below 1000 "
        "and below 10,000 count apart. A network of untied weights is exhibited, not "
        "trained as such: the best tied one with its weights copied to every step. "
        "Refuted if an exhibited network solves a language that no seed of its kind "
        "was trained to solve: training then missed what exists. Supported if every "
        "language that an exhibited network solves was also solved by training "
        "networks of its kind. Inconclusive if none solves any. Numbers longer than "
        "the trained ones are reported and decide nothing, and a failure to train "
        "never counts as non-existence."
    ),
}


def findings(preset, folder):
    """Returns the finding; draws its figure. Restarted, it goes on."""
    from experiments.translation.claims import translation_finding

    return [translation_finding(preset, folder, RULES["Cc2"])]


def main() -> None:
    """Trains, and prints what came of it."""
    common.use_devices()
    from experiments.lab.trials import conclude

    conclude(__name__, common.PRESET.value)


if __name__ == "__main__":
    common.run(main)
