"""Quantiles and tails that every command needs, from scipy.special.

scipy.stats has them too, but importing it takes longer than everything else here but PyTorch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri, stdtr, stdtrit


def students_t_above(tail: float, freedom: float) -> float:
    """The value that Student's t exceeds with probability `tail`, in (0, 1); `freedom`: above 0."""
    return -float(stdtrit(freedom, tail))


def students_t_tail(value: float, freedom: float) -> float:
    """The probability that Student's t exceeds a value; `freedom`: above 0."""
    return float(stdtr(freedom, -value))


def beta_below(share: float, first: float, second: float) -> float:
    """The value that a beta variable stays below with probability `share`; both parameters are above 0."""
    return float(betaincinv(first, second, share))


def beta_above(tail: float, first: float, second: float) -> float:
    """The value that a beta variable exceeds with probability `tail`; both parameters are above 0."""
    # 1 - X is a beta variable with the parameters exchanged.
    return 1.0 - float(betaincinv(second, first, tail))


def normal_below(share: float) -> float:
    """The value that a standard normal variable stays below with probability `share`, in (0, 1)."""
    return float(ndtri(share))


def average_ranks(values_N: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1 of N finite values, equal ones sharing the mean of their ranks: (N,)."""
    _, place_N, counts = np.unique(np.asarray(values_N), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[place_N]
    return ranks
