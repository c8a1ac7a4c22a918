"""Where do un-shared weights do better: a map over drift, data and steps (Q5, B5)?

Question: on a rule that drifts by d a step, with N examples of T steps, does an RNN
          with un-shared weights do better (Q5), and with unlimited data (B5)?
Command:  python -m experiments.drift_map
Time:     about three minutes on 2 cores (quick), half an hour (full).
Expect:   tied better at d = 0 (by 0.13 at T = 20, N = 200, quick), untied at d = 0.2
          (by 0.07 there), N* between; quick is too few seeds for either verdict.
"""
