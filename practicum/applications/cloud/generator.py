"""Requests that no file holds: days, weeks, bursts, flash crowds and outages, from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from practicum.ranges import NonNegativeFloat, PositiveFloat, PositiveInt, Ranged, Share

DAY = 1440


@dataclass(frozen=True)
class GeneratorConfig(Ranged):
    """A site's traffic."""

    days: PositiveInt = 28
    """Length of the trace."""
    mean: PositiveFloat = 600.0
    """Requests a minute in the mean, before bursts."""
    day_swing: Share = 0.6
    """How far the load rises above and falls below its mean in a day, as a share of it."""
    weekend: PositiveFloat = 0.7
    """Load of Saturday and Sunday against the other days."""
    noise: NonNegativeFloat = 0.08
    """Standard deviation of the slow random drift, on the logarithmic scale."""
    bursts_per_day: NonNegativeFloat = 3.0
    """Bursts of ten minutes to forty that rise to at most twice the load, and fall again."""
    flash_crowds_per_week: NonNegativeFloat = 1.5
    """Crowds that come within minutes, three to five times the load, and leave within two hours."""
    outages_per_week: NonNegativeFloat = 0.3
    """Stretches of up to an hour in which hardly anyone gets through."""


def generate(config: GeneratorConfig, seed: int) -> NDArray[np.float64]:
    """Requests of each minute [days x 1440], Poisson around a rate; the first day is a Monday."""
    generator = np.random.default_rng([seed, 7_301])
    minutes = np.arange(config.days * DAY)
    phase = 2 * np.pi * (minutes % DAY) / DAY
    shape = 1 - config.day_swing * np.cos(phase - 0.5) + 0.25 * config.day_swing * np.cos(2 * phase)
    week = np.where((minutes // DAY) % 7 >= 5, config.weekend, 1.0)
    drift = _drift(len(minutes), config.noise, generator)
    rate = config.mean * np.maximum(shape, 0.05) * week * np.exp(drift)
    rate = rate * _events(config, len(minutes), generator)
    return generator.poisson(rate).astype(np.float64)


def _drift(size: int, deviation: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """A random walk that returns to 0 in about an hour."""
    keep = np.exp(-1 / 60)
    steps = generator.normal(0.0, deviation * np.sqrt(1 - keep**2), size)
    drift: NDArray[np.float64] = lfilter([1.0], [1.0, -keep], steps)
    return drift


def _events(config: GeneratorConfig, size: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """The factor by which bursts, crowds and outages change the rate of each minute."""
    factor = np.ones(size)
    for _ in range(generator.poisson(config.bursts_per_day * config.days)):
        start, length = generator.integers(size), int(generator.integers(10, 40))
        rise = np.sin(np.pi * np.arange(1, min(length, size - start) + 1) / (length + 1))
        factor[start : start + length] *= 1 + generator.uniform(0.2, 1.0) * rise
    for _ in range(generator.poisson(config.flash_crowds_per_week * config.days / 7)):
        start, height = generator.integers(size), generator.uniform(2.0, 4.0)
        up, fall = generator.uniform(3, 10), generator.uniform(15, 45)
        since = np.arange(min(240, size - start))
        factor[start : start + len(since)] += height * np.minimum(since / up, np.exp(-(since - up) / fall))
    for _ in range(generator.poisson(config.outages_per_week * config.days / 7)):
        start, length = generator.integers(size), int(generator.integers(5, 60))
        factor[start : start + length] *= 0.02
    return factor
