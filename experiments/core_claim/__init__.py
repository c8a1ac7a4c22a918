"""Would un-shared weights do better (Q5)? On a map of drifting rules, and on real data.

Question: giving up variable length and accepting the compute, would untied do better?
Command:  python -m experiments.core_claim
Time:     that of drift_map and real_data, whose rows it joins: nine minutes on 2 cores
          (quick).
Expect:   untied better where the rule moves from step to step, tied where it does not,
          and where partly untied weights beat both.
"""
