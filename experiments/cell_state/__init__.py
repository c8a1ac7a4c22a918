"""Does an LSTM whose weights are not shared still have its cell state (Bc1)?

Question: untied, a recurrent network is a feed-forward one with an input a layer. Does
          it remember the longer for the cell state, and do its gradients last longer?
Command:  python -m experiments.cell_state
Time:     a minute on 2 cores (quick); half an hour (full).
Expect:   the untied LSTM solves the longest sequences; without its cell state it does
          not.
"""
