"""Weights shared over depth, beside weights shared over time (D1, D2, D3).

Question: does sharing over depth cost less than over time (D1), what is a recurrence
          worth (D2), and do low-rank corrections win the cost back (D3)?
Command:  python -m experiments.depth
Time:     five minutes on 2 cores (quick), an hour (full), both estimates.
Expect:   a transformer's and a mixer's test loss over sharing, and phi of both axes.
"""
