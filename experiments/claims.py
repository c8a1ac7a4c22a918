"""The claims that the project puts to the test, in the order of the report.

They come from the question "Why are the weights of RNN/LSTM networks shared across
time?", its three answers (A, B, C) and their comments (c); L is the law behind
them, and D asks the same of weights shared over depth.
"""

CLAIMS = {
    "Q1": "LSTM weights are shared across time.",
    "Q2": "Sharing lets the input have variable length.",
    "Q2b": "Un-shared weights cannot take variable length.",
    "Q3": "Shared weights mean far fewer parameters.",
    "Q4": "One uses an LSTM because data have temporal structure.",
    "Q5": (
        "Giving up variable length and accepting the compute, an RNN with un-shared "
        "weights would do better."
    ),
    "Q6": "Un-shared weights cost more computing time.",
    "A1": "Un-shared parameters need many resources.",
    "A2": "Compute is not the main reason for sharing.",
    "A3": "Different parameters per step do not generalise to unseen lengths.",
    "A3b": "Conversely, sharing makes a network generalise to unseen lengths.",
    "A4": (
        "Sequences follow the same rule everywhere; sharing avoids learning it again "
        "at each point."
    ),
    "A5": '"On Monday it was snowing" is learnt with "It was snowing on Monday".',
    "A6": "The LSTM is no different from other RNNs in this respect.",
    "Ac1": '"The same rule, at any length" is the much more important reason.',
    "Ac2a": "The un-shared model is far more flexible.",
    "Ac2b": "So it over-fits, and sharing overcomes that.",
    "Ac2c": "Sharing is a prior that the same rule holds at each step.",
    "Ac2d": "The two answers agree.",
    "B1": "Sharing comes from unrolling an RNN into a feed-forward network.",
    "B2": "With a different weight at each moment it is a feed-forward network.",
    "B3": (
        "Or it is an RNN whose weights are a function of time, which could keep "
        "variable length."
    ),
    "B4": "The number of parameters of an un-shared RNN grows linearly with the steps.",
    "B5": "It would be more powerful, given massive compute and data.",
    "B6": "For long sequences it is infeasible.",
    "B7": "And it would over-fit.",
    "B8": "People truncate back-propagation instead.",
    "B9": "Structure beyond the truncation is still learnt, as units store memory.",
    "B9b": "Truncation can mislead: the truncated gradient may point the wrong way.",
    "Bc1": "An un-shared LSTM still has its cell state.",
    "C1": "One RNN with shared weights can simulate any Turing machine.",
    "C2": "So weights per step are not more powerful.",
    "Cc1": '"Powerful" is ambiguous.',
    "Cc2": "A model is more powerful if it solves what none of the other kind does.",
    "L1": (
        "Sharing is a bias against a variance: from N* sequences on a rule is better "
        "un-shared, and the best strength of tying is s^2 / tau^2."
    ),
    "L2": "The same law says when a recurrent network is better un-shared.",
    "L3": "Read from real data, the law says which of two networks will win.",
    "D1": "Sharing weights over depth costs less than sharing them over time.",
    "D2": "A recurrence over depth is worth something, but less than its own weights.",
    "D3": "Over depth, low-rank corrections recover half of what tying costs.",
}

# Claims that no sample decides, and what does; a report tallies them apart.
EXACT = {
    **dict.fromkeys(("Q1", "Cc1", "Cc2"), "definition"),
    **dict.fromkeys(("Q3", "B1", "B2", "B4"), "identity"),
    **dict.fromkeys(("B9b", "C1"), "construction"),
    "C2": "construction and proof",
}

# The six questions under which a report tells them.
QUESTIONS = {
    "Why are the weights shared: does one rule hold at every step?": (
        *("Q1", "Q4", "A4", "A5", "A6", "Ac1", "Ac2c", "Ac2d", "L1"),
    ),
    "Would un-shared weights do better?": (
        *("Q5", "A2", "B5", "B7", "Ac2a", "Ac2b", "L2", "L3"),
    ),
    "What happens at steps and lengths that were never trained?": (
        *("Q2", "Q2b", "A3", "A3b", "B3"),
    ),
    "What do they cost, and what do people do instead?": (
        *("Q3", "Q6", "A1", "B4", "B6", "B8", "B9", "B9b", "Bc1"),
    ),
    "What can each of them compute?": ("B1", "B2", "C1", "C2", "Cc1", "Cc2"),
    "Is it the same over depth as over time?": ("D1", "D2", "D3"),
}
