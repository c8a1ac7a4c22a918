"""Ends a training and a study in every way, again and again: nothing is lost.

    python -m tests.soak --mode=kills --cycles=200

kills        SIGKILL at a random moment, or at a random call inside a save, an append, a
             rename or a removal; of what was being written a part is cut off
signals      SIGTERM and SIGINT at random moments
disk         a disk that is full or read-only from a random call on, or a limit of
             the size of files
damage       a kill, and then damage to one of the files
races        two starts on one folder
corruptions  damage to files of every kind that is read, by loading alone

After each the same command goes on, until it comes to its end. Rows, parameters, the
optimiser's state and metrics are then compared with an uninterrupted run's, by their
bits.
"""
