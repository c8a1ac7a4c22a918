"""`python -m experiments.universality`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("universality")
