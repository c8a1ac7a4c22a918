"""`python -m experiments.cell_state`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("cell_state")
