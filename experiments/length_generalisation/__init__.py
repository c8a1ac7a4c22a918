"""Strings of every length: what is read at steps that were never trained (Q2, A3)?

Question: does sharing let the length vary (Q2, Q2b), do un-shared weights fail at
          unseen lengths (A3), and is sharing enough to reach them (A3b)?
Command:  python -m experiments.length_generalisation, or a part of it:
          python -m experiments.length_generalisation --task=parity \
              --eval_max_length=500
Time:     two and a half minutes on 2 cores (quick); about an hour (full).
Expect:   tied flat at any length on even pairs and parity, and falling on cycle
          navigation (quick); literal untied gone one step past its training; no
          control learnt where it was trained, so that A3b is open.

Protocol after Deletang et al., 2023, "Neural networks and the Chomsky hierarchy":
trained on lengths U(1, N) with N = 40, measured at every length beyond.
"""
