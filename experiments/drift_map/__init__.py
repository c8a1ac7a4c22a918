"""Where do un-shared weights do better: a map over drift, data and steps (Q5, B5)?

Question: on a rule that drifts by d a step, with N examples of T steps, does an RNN
          with un-shared weights do better than one with shared weights of any width, do
          partly shared ones do better than both (Q5), and with unlimited data (B5)?
Command:  python -m experiments.drift_map
Time:     about five minutes on 2 cores (quick), hours (full).
Expect:   with every example met once a test loss of 0.004 untied against 0.038 tied
          (0.016 three times as wide) at d = 0.2, and of 0.003 against 0.0003 at d = 0,
          where quick is too short for the limit.
"""
