"""What holds by construction: parameter counts, and what unrolling is.

Question: are weights shared by default (Q1), what does sharing save (Q3, B4), and is an
          unrolled RNN a feed-forward network (B1 tied, B2 untied)?
Command:  python -m experiments.identities
Time:     about a minute on 2 cores.
Expect:   all five supported: counts exact, functions and gradients equal to rounding.
"""
