"""Tied against un-shared weights on real data (Q5, A2), and the gap of train and test.

Question: where the length is fixed and compute is free, do un-shared weights do better?
Command:  python -m experiments.real_data
Time:     about six minutes on 2 cores (quick), 25 minutes (full, an estimate).
Expect:   tied far better on MNIST-1D (0.9 nats), untied a little on its shuffled time.
"""
