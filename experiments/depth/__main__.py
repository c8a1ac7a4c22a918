"""`python -m experiments.depth`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("depth")
