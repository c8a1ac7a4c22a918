"""Where does the gap between tied and untied weights come from (Ac1, Ac2d)?

Question: at what share of unseen steps in use is "the same rule, at any length" as
          much of the gap as resources and estimation are (Ac1), and do over-fitting
          and failing at steps that were never shown go together (Ac2d)?
Command:  python -m experiments.gap_decomposition
Time:     two minutes on 2 cores (quick); an hour (full, an estimate).
Expect:   untied at chance at unseen steps and lengths, and behind tied at shown ones
          where examples are few.
"""
