"""Does an RNN pay because data have temporal structure (Q4)?

Question: is what a tied RNN gains over a bag of steps the temporal dependence: does it
          grow with it, and is it gone when the time of each example is shuffled?
Command:  python -m experiments.temporal_structure
Time:     three minutes on 2 cores (quick), a quarter of an hour (full), an estimate.
Expect:   on the dial the two as good as each other at 0, and up to 0.21 apart.
"""
