"""Does an RNN without sharing over-fit, and how much does it hold (B7, Ac2a, Ac2b)?

Question: does untied's held-out loss rise more along training, the more so at many
          steps and few examples (B7); has tied the lower test loss where both are
          tuned (Ac2b); how many bits of random labels do both hold (Ac2a)?
Command:  python -m experiments.over_fitting
Time:     four minutes on 2 cores (quick); an hour (full, an estimate).
Expect:   a larger rise of the Elman network's loss untied, and more bits in every cell.
"""
