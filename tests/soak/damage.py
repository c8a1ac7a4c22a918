"""Damage to bytes, and to a file of a run."""

WAYS = ("flip", "cut", "twice", "gone")


def damaged(content, rng):
    """Returns other bytes: a bit flipped, or a part cut off, doubled or left out."""
    while True:
        new, how = bytearray(content), rng.choice(WAYS)
        place = rng.randrange(len(new)) if new else 0
        length = rng.choice((1, 8, 64, 512))
        if how == "flip" and new:
            new[place] ^= 1 << rng.randrange(8)
        elif how == "cut":
            del new[place:]
        elif how == "twice":
            new[place:place] = new[place : place + length]
        else:
            del new[place : place + length]
        if new != content:
            return bytes(new)
        if not content:
            return b"\0"


def damage_one(folder, rng):
    """Damages, or removes, one file of a run that another is left of."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and (path.suffix == ".jsonl" or "checkpoints" in path.parent.parent.name)
    ]
    if files:
        path = rng.choice(files)
        if rng.random() < 0.2:
            path.unlink()
        else:
            path.write_bytes(damaged(path.read_bytes(), rng))
