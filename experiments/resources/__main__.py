"""`python -m experiments.resources`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("resources")
