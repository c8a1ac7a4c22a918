"""Tied against un-shared weights on real data (Q5, A2), and the gap of train and test.

Question: where the length is fixed and compute is free, do un-shared weights do better?
Command:  python -m experiments.real_data
Time:     seven minutes on 2 cores (quick); two hours (full), an estimate.
Expect:   nine sources, each with tied and untied weights, and LowRank(2) in the full
          preset.
"""
