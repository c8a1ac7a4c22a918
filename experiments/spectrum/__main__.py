"""`python -m experiments.spectrum`; see the package."""

from absl import flags

from experiments.lab import script

_EXPLAIN = flags.DEFINE_bool(
    "explain",
    False,
    "Print what each sharing stores, and what it reads at steps it has no weights for.",
)


def explain() -> bool:
    """Prints the table of sharings if --explain asks for it; returns whether it did."""
    if _EXPLAIN.value:
        from experiments.spectrum.explain import table

        print(table())
    return _EXPLAIN.value


if __name__ == "__main__":
    script.launch("spectrum", instead=explain)
