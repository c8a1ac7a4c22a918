"""Is one weight set as powerful as many, and what is "powerful" (C1, C2, Cc1)?

Question: does one tied network simulate any machine (C1); does it compute what untied
          weights do, in more units or, by proof, in as many (C2); do units, training
          and data agree on which of two models is the more powerful (Cc1)?
Command:  python -m experiments.universality
Time:     some two minutes on 2 cores (quick); an hour and a half (full).
Expect:   exact machines; compiled networks that are exact, and strings that an untied
          unit puts out and provably no tied one.
"""
