"""Does an RNN without sharing over-fit, and how much does it hold (B7, Ac2a, Ac2b)?

Question: is the train-test gap of untied weights the larger one, and the more so the
          more steps there are an example (B7); does sharing close it where both are
          tuned (Ac2b); how many bits of random labels do both hold (Ac2a)?
Command:  python -m experiments.over_fitting
Time:     two minutes on 2 cores (quick); about a quarter of an hour (full).
Expect:   a larger gap of untied weights, and more bits, in every cell.
"""
