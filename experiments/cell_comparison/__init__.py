"""Is the LSTM another case than other recurrent networks (A6)?

Question: do unseen lengths (A3), unseen positions (A4) and over-fitting (B7) come out
          alike for Elman, GRU and LSTM?
Command:  python -m experiments.cell_comparison
Time:     none of its own in `answer`, whose runs it reads; alone, that of the runs of
          length_generalisation, position_generalisation and over_fitting.
Expect:   one sign for all cells.
"""
