"""Does the law, read from real data, say whether a GRU is better un-shared (L3)?

Question: fitted on the training part of a source, does the law of linear rules predict
          the winner of tied and untied GRUs, better than the size of the set does?
Command:  python -m experiments.real_law
Time:     half a minute on 2 cores after real_data (quick), about an hour more (full).
Expect:   each source at its predicted N* and its N, coloured by which GRU won.
"""
