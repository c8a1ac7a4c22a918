"""Real data, read from the files of installed packages, with checksums."""
