"""What is known of the load at the start of each minute: smoothed levels, a daily profile, forecasts, errors.

Entry t of every series uses the requests of minutes before t only, and is the same whatever comes later; a
test changes the future and compares. Suffixes: T minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
Number = TypeVar("Number", bound=np.generic)
DAY = 1440
LEVELS = (2, 5, 15, 60)
"""Time constants in minutes of the smoothed levels."""
WINDOWS = (1, 3, 5, 10, 20)
"""Minutes over which a recent maximum is kept."""
PROFILE_DAYS = 7
PROFILE_MINUTES = 30
"""The daily profile is the mean of so many days before, over so many minutes."""


@dataclass(frozen=True)
class Known:
    """Series [T]: `level` and `deviation` by time constant, `highest` by window, `seasonal`, `last`."""

    last: Floats
    """Requests of the minute before."""
    level: dict[int, Floats]
    """Exponentially smoothed requests."""
    deviation: dict[int, Floats]
    """Smoothed absolute distance of a minute from the level before it, of requests."""
    highest: dict[int, Floats]
    """Greatest of the last minutes."""
    seasonal: Floats
    """How many times the present load the daily profile expects over the next minutes, at its highest."""


def known_series(requests_T: Floats, ahead: int) -> Known:
    """The series of a trace; `ahead` is how many minutes a new instance takes."""
    before_T = np.concatenate([[0.0], requests_T[:-1]])
    level = {minutes: smoothed(before_T, minutes) for minutes in LEVELS}
    deviation = {
        minutes: smoothed(np.abs(before_T - np.concatenate([before_T[:1], one[:-1]])), max(15, minutes))
        for minutes, one in level.items()
    }
    highest = {window: running_maximum(before_T, window) for window in WINDOWS}
    return Known(before_T, level, deviation, highest, _seasonal(before_T, ahead))


def smoothed(values_T: Floats, minutes: float) -> Floats:
    """Exponentially smoothed values, without the pull of a beginning at 0."""
    keep = np.exp(-1 / minutes)
    found: Floats = lfilter([1 - keep], [1.0, -keep], values_T)
    weight: Floats = lfilter([1 - keep], [1.0, -keep], np.ones_like(values_T))
    return found / weight


def running_maximum(values_T: NDArray[Number], window: int) -> NDArray[Number]:
    """The greatest of each value and those before it, `window` in all."""
    found: NDArray[Number] = values_T.copy()
    for back in range(1, window):
        found[back:] = np.maximum(found[back:], values_T[:-back])
    return found


def _seasonal(before_T: Floats, ahead: int) -> Floats:
    """Profile of the coming minutes over profile of now, from the days before; 1 in the first day."""
    size, half = len(before_T), PROFILE_MINUTES // 2
    sums = np.concatenate([[0.0], np.cumsum(before_T)])
    low = np.maximum(np.arange(size) - half, 0)
    high = np.minimum(np.arange(size) + half + 1, size)
    # Of a day ago the minutes after are known too, so that the profile's smoothing may be centred.
    smooth_T = (sums[high] - sums[low]) / (high - low)
    now_T, soon_T = np.zeros(size), np.zeros(size)
    for back in range(DAY, PROFILE_DAYS * DAY + 1, DAY):
        known = max(0, size - back)
        now_T[back:] += smooth_T[:known]
        soon_T[back:] += smooth_T[np.minimum(np.arange(known) + ahead, size - 1)]
    ratio = np.where(now_T > 0, soon_T / np.maximum(now_T, 1e-9), 1.0)
    return np.clip(ratio, 0.5, 2.0)
