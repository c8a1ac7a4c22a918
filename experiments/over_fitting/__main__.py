"""`python -m experiments.over_fitting`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("over_fitting")
