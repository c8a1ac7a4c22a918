"""Where do un-shared weights do better: a map over drift, data and steps (Q5, B5)?

Question: on a rule that drifts by d a step, with N examples of T steps, does an RNN
          with un-shared weights do better than one with shared weights of any width, do
          partly shared ones do better than both (Q5), and with unlimited data (B5)?
Command:  python -m experiments.drift_map
Time:     about five minutes on 2 cores (quick), hours (full).
Expect:   EXPECT
"""
