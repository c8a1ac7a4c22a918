"""Does a failure to train say that no such network exists (Cc2)?

Question: "more powerful" asks whether some network solves what none of another kind
          does. Tied and untied encoder-decoders learn to translate number words into
          digits: is what they are trained to solve what networks of their kind solve?
Command:  python -m experiments.translation
Time:     one minute on 2 cores (quick); about an hour (full).
Expect:   a tied LSTM translates German numbers that it never saw, at least 95 % of
          those below 10,000; none translates longer numbers than it was trained on.
"""
