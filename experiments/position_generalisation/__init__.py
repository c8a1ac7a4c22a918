"""Is what was learnt at one step known at another (A4, A5)?

Question: does sharing save learning the same rule again at each step (A4), and is a
          word that was met in one order understood in the other (A5)?
Command:  python -m experiments.position_generalisation
Time:     three minutes on 2 cores (quick); twenty minutes (full).
Expect:   untied at chance where no answer was shown; its examples grow with T faster
          than tied's; tied above .9 on words in an order that was held out.
"""
