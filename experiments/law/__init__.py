"""Does the law of sharing hold: when to untie, and how strongly to tie (L1)?

Question: do linear rules trained by the library's loop cross from tied to untied at the
          predicted N*, and do they do best at the predicted strength of soft tying?
Command:  python -m experiments.law
Time:     about a minute on 2 cores (quick), a quarter of an hour (full).
Expect:   a line of slope 1 through predicted and measured N* - p - 1, from 4 to 160.
"""
