"""How fast is it? rnnshare against the field's RNN layers, side by side in one run.

Question: how long does a train step take against other libraries and against its matrix
          products alone, tied and untied; a study against a conventional loop; and how
          do compile time and memory grow with T?
Command:  make bench
Time:     20 minutes on 2 quiet cores.
Expect:   fused at least as fast as the best peer at every shape; untied 1.3 times
          faster than a stacked axis in Flax.

Contenders are interleaved round by round; figures are medians, ratios are of medians.
torch is raced where it is installed. On a GPU, cuDNN's LSTM is one of ours.
"""
