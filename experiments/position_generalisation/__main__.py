"""`python -m experiments.position_generalisation`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("position_generalisation")
