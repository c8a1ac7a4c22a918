"""Does the law of sharing hold for Elman, GRU and LSTM networks (L2)?

Question: does the training-set size from which un-shared weights do better grow with
          noise over drift as the law says, and is there none where nothing drifts?
Command:  python -m experiments.recurrent_law
Time:     about two minutes on 2 cores (quick), hours (full).
Expect:   the measured N* against the predicted one, a line of slope 1 if the law holds.
"""
