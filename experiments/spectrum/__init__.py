"""Every sharing between tied and untied, over how much the rule drifts (Ac2c, B3).

Question: is sharing a prior that the same rule holds at each step (Ac2c), and do
          weights that are a function of time go on beyond the trained steps (B3)?
Command:  python -m experiments.spectrum, or with --explain for the table of sharings
Time:     five minutes on 2 cores (quick).
Expect:   tied near the time-invariant linear oracle, low-rank corrections far below it.
"""
