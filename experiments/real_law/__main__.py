"""`python -m experiments.real_law`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("real_law")
