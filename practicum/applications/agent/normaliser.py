"""Running mean and variance, of observations and of discounted returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FARTHEST = 10.0
"""Normalised values are cut at this many standard deviations."""


class Normaliser:
    """Mean and variance of all rows seen so far, float64 [N]; of none: 0 and 1.

    Merged as Chan, Golub & LeVeque (1979) do.
    """

    def __init__(self, size: int) -> None:
        self.mean, self.variance, self.count = np.zeros(size), np.ones(size), 0.0

    def update(self, rows_BN: Array) -> None:
        """Take rows into account."""
        count, mean = len(rows_BN), rows_BN.mean(0)
        square = ((rows_BN - mean) ** 2).sum(0)
        total = self.count + count
        shift = mean - self.mean
        square += self.variance * self.count + shift**2 * self.count * count / total
        self.mean = self.mean + shift * count / total
        self.variance, self.count = square / total, total

    def __call__(self, rows_BN: Array) -> NDArray[np.float32]:
        """Rows with mean 0 and variance 1 where they vary, cut at +-FARTHEST, float32."""
        scaled = (rows_BN - self.mean) / np.sqrt(self.variance + 1e-8)
        return np.clip(scaled, -FARTHEST, FARTHEST).astype(np.float32)
