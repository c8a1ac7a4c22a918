"""Would un-shared weights do better (Q5)? On a map of drifting rules, and on real data.

Question: giving up variable length and accepting the compute, would untied do better?
Command:  python -m experiments.core_claim
Time:     that of drift_map and real_data, whose findings it joins: nine minutes on
          2 cores (quick).
Expect:   untied better where the rule moves from step to step; tied where it does not.
"""

import dataclasses

from absl import flags

from experiments.drift_map import __main__ as drift_map
from experiments.lab import flags as common
from experiments.real_data import __main__ as real_data

flags.declare_key_flag("preset")
flags.declare_key_flag("workdir")
flags.declare_key_flag("replicas_per_device")

RULES = {
    "Q5": (
        "Two halves. Supported if either is supported, refuted if both are refuted, "
        f"else inconclusive. On a rule that drifts: {drift_map.RULES['Q5']} On real "
        f"data: {real_data.RULES['Q5']}"
    )
}


def findings(preset, folder):
    """Returns the findings of Q5, A2 and B5; draws figures. Restarted, it goes on."""
    on_map, limit = drift_map.findings(preset, folder)
    on_data, compute = real_data.findings(preset, folder)
    return [join(on_map, on_data, preset), compute, limit]


def join(on_map, on_data, preset):
    """Returns Q5 of its two halves: the one that supports it first, else the map's."""
    halves = [on_map, on_data]
    verdicts = [half.verdict for half in halves]
    if "supported" in verdicts:
        verdict = "supported"
    else:
        verdict = "refuted" if set(verdicts) == {"refuted"} else "inconclusive"
    if verdicts.count(verdict) == 1:
        halves.sort(key=lambda half: half.verdict != verdict)
    first, second = halves
    return dataclasses.replace(
        first,
        verdict=verdict,
        rule=RULES["Q5"],
        command=f"python -m experiments.core_claim --preset={preset}",
        meaning=f"{first.meaning} The other half is {second.verdict}.",
        seconds=first.seconds + second.seconds,
        also=(second,),
    )


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
