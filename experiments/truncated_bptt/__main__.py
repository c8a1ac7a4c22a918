"""`python -m experiments.truncated_bptt`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("truncated_bptt")
