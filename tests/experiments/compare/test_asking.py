"""What a tied model is asked: a signal at two steps is seen step by step."""

import re

import numpy as np

from experiments.compare.asking import LEAST, ask, in_words
from experiments.compare.contest import Arm
from rnnshare import Tied
from rnnshare.tasks import from_arrays

T = 8
ARM = Arm("tied", Tied(), 8)


def test_a_signal_at_two_steps_is_seen():
    x = np.random.default_rng(0).standard_normal((600, T, 1)).astype(np.float32)
    make_task = from_arrays(x, np.where(x[:, 2, 0] > x[:, 5, 0], "up", "down"))
    told = ask(make_task, ARM, seconds=1e6)
    smooth, each = told["smooth"], told["step by step"]
    assert each["p_value"] < 0.05
    assert each["predicted_gain"] > max(0.0, smooth["predicted_gain"])
    words = in_words(told)
    assert re.search(r"smooth, p [01]\.\d+, gain .*; step by step, p 0\.0", words)


def test_a_short_budget_leaves_it_out():
    told = ask(None, ARM, seconds=LEAST - 1)
    assert in_words(told).endswith("4 minutes and more have time for it.")
    left = {"loss": 1.0, "smooth": {"p_value": 0.5, "predicted_gain": 0.0},
            "step by step": {"why": "there was no time for it"}}  # fmt: skip
    assert "step by step, there was no time for it." in in_words(left)
