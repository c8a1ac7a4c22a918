"""`python -m experiments.drift_map`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("drift_map")
