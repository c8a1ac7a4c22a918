"""Your data in, an answer out: which sharing to use, by how much, and how sure.

Question: of weights that are shared across time, un-shared, or partly shared, which do
          better on this data?
Command:  python -m experiments.compare --data=FILE.csv --target=COLUMN
Time:     as --budget_minutes says, 5 by default.
Expect:   WORKDIR/compare/report.html, report.md and compare.json, with the
          recommendation, 'cannot tell' among them, and the model that it is of.
"""
