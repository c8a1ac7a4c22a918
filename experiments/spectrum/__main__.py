"""`python -m experiments.spectrum`; see the package."""

from experiments.lab import flags, script

_EXPLAIN = flags.define_bool(
    "explain",
    False,
    "Print what each sharing stores, and what it reads at steps it has no weights for.",
)
for _name in script.KEYS:
    flags.only(_name, {"explain": False})


def explain() -> None:
    """Prints the table of sharings."""
    from experiments.spectrum.explain import table

    print(table())


if __name__ == "__main__":
    script.launch("spectrum", instead=(_EXPLAIN, explain))
