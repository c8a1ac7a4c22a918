"""What holds by construction: parameter counts, and what unrolling is.

Question: are weights shared by default (Q1), what does sharing save (Q3, B4), and is an
          unrolled RNN a feed-forward network (B1 tied, B2 untied)?
Command:  python -m experiments.identities
Time:     about a minute on 2 cores.
Expect:   all five supported: counts exact, functions and gradients equal to rounding.
"""

from absl import flags

from experiments.lab import flags as common

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")

COMMAND = "python -m experiments.identities"
STEPS = {
    "smoke": (1, 2, 4),
    "quick": (1, 4, 16, 64, 256, 512),
    "full": tuple(2**k for k in range(13)),
}
NUM_SEEDS = {"smoke": 2, "quick": 5, "full": 10}
TOLERANCE = 1e-5  # of the largest reference value; float32 rounding is 1.2e-7 a step

RULES = {
    "Q1": "Supported if the parameters of every library's recurrent layer have slope 0 "
    "against T; refuted if one has another slope.",
    "Q3": "Supported if every count equals its formula, and untied to tied is T to 1 "
    "for every cell at every T; refuted otherwise.",
    "B1": f"Supported if outputs and gradients of the scan equal those of the unrolled "
    f"network with aliased weights, and the tied gradient the sum of the untied ones, "
    f"to {TOLERANCE:g} of the largest value; refuted otherwise.",
    "B2": f"Supported if outputs and gradients of the untied scan equal those of an "
    f"explicit T-layer network with an input at each layer, to {TOLERANCE:g} of the "
    "largest value; refuted otherwise.",
    "B4": "Supported if the regression of the count on T has one cell's parameters as "
    "its slope, and R2 = 1; refuted otherwise.",
}


def findings(preset, folder):
    """Returns the findings of Q1, Q3, B1, B2 and B4; draws their figures."""
    from experiments.identities.measure import count_findings, unrolling_findings

    steps, num_seeds = STEPS[preset], NUM_SEEDS[preset]
    command = f"{COMMAND} --preset={preset}"
    return [
        *count_findings(steps, num_seeds, folder, RULES, command),
        *unrolling_findings(num_seeds, folder, RULES, TOLERANCE, command),
    ]


def main() -> None:
    """Runs the checks and prints what came of them."""
    for finding in findings(common.PRESET.value, common.workdir("identities")):
        print(f"{finding.id}: {finding.verdict}. {finding.effect_label}: ", end="")
        print(f"{finding.effect:.3g}. {finding.meaning}")


if __name__ == "__main__":
    common.run(main)
