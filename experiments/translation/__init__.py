"""Who solves what none of the other kind does: a definition, applied (Cc2).

Question: "more powerful" asks whether some network solves what none of another kind
          does. Of tied and untied ones, at equal size, at any size and at unbounded
          length: what is proven? Beside it: what is trained to translate number words?
Command:  python -m experiments.translation
Time:     half a minute on 2 cores (quick); about half an hour (full).
Expect:   at equal size untied networks solve what no tied one does, and at any size
          none do; both kinds exist that translate 95 % of 1,000 held-out numbers.
"""
