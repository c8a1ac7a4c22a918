"""The command; the package says what it does."""

import argparse
import os
import pathlib
import tempfile

import tests.soak
from tests.soak import corruptions
from tests.soak.cycles import SCRIPTS, WAYS, Soak

# Of each kind of work; of corruptions, in all.
COUNTS = {"kills": 200, "signals": 20, "disk": 100, "damage": 50, "races": 25}
COUNTS["corruptions"] = 1_000


def main():
    parser = argparse.ArgumentParser(
        description=tests.soak.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mode", choices=tuple(COUNTS), action="append")
    parser.add_argument("--only", choices=tuple(SCRIPTS), action="append")
    parser.add_argument("--cycles", type=int, help=f"by default {COUNTS}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="a new one by default")
    options = parser.parse_args()
    folder = pathlib.Path(options.folder or tempfile.mkdtemp(prefix="soak_"))
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("XDG_CACHE_HOME", str(folder / "cache"))
    modes = options.mode or COUNTS
    if "corruptions" in modes:
        count = options.cycles or COUNTS["corruptions"]
        print(corruptions.run(folder / "corruptions", count, options.seed), flush=True)
    for what in options.only or SCRIPTS if {*modes} - {"corruptions"} else ():
        soak = Soak(what, folder, options.seed)
        for mode in modes:
            if mode != "corruptions":
                run = soak.run if mode in WAYS else soak.race
                run(mode, options.cycles or COUNTS[mode])


if __name__ == "__main__":
    main()
