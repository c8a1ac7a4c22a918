"""What does truncated back-propagation cost, and what does it miss (B8, B9, B9b)?

Question: what do windows of k steps save and lose (B8); is structure beyond the window
          learnt, since units store memory (B9); when does the truncated gradient point
          the wrong way (B9b)?
Command:  python -m experiments.truncated_bptt
Time:     two minutes on 2 cores (quick); about two hours (full).
Expect:   memory in proportion to the window, and wrong signs up to 40 steps.
"""
