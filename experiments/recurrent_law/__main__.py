"""`python -m experiments.recurrent_law`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("recurrent_law")
