"""Where does the gap between tied and untied weights come from (Ac1, Ac2d)?

Question: is "the same rule, at any length" more of the gap than resources and
          over-fitting are (Ac1), and do over-fitting and failing at steps that were
          never shown go together (Ac2d)?
Command:  python -m experiments.gap_decomposition
Time:     about three minutes on 2 cores (quick); half an hour (full, an estimate).
Expect:   untied at chance at unseen steps and lengths: with tied perfect, that alone is
          a gap of 0.35 nats.
"""
