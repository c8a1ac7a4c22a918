"""`python -m experiments.core_claim`; see the package."""

from experiments.lab import script

if __name__ == "__main__":
    script.launch("core_claim")
