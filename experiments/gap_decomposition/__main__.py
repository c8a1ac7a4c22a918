"""`python -m experiments.gap_decomposition`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("gap_decomposition")
