"""`python -m experiments.temporal_structure`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("temporal_structure")
