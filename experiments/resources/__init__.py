"""What do un-shared weights cost: time, memory, the longest sequence (Q6, A1, B6)?

Question: how much longer does a training step take with untied weights (Q6); how do
          parameters, optimiser and activations grow with T and H, and which of them is
          the largest when (A1); how long may a sequence be within a budget (B6)?
Command:  python -m experiments.resources
Time:     five minutes on 2 cores (quick); about an hour (full). Run it alone.
Expect:   untied several times slower where its weights leave the processor's cache;
          stored bytes in proportion to T; small untied models fit long sequences.
"""
