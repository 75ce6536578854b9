"""A/B tests that may be looked at after every visitor, and how many visitors they need.

Each visitor is sent to the new policy with probability `share`, else to the old one. Given that a visitor
clicks, the click came from the new policy with probability

    p = share * new / (share * new + (1 - share) * old),

whatever the season, as long as both rates rise and fall together. So the clicks are a sequence of coin flips,
and the test is one of a coin: the mixture martingale of Robbins (1970), with a beta prior, of which Lindon &
Malek (2022, "Anytime-valid inference for multinomial count data", NeurIPS 35) give the multinomial case,
theorem 1, and this use for conversions. By Ville's inequality the set of all p with

    B(a + s, b + n - s) / B(a, b)  /  (p^s (1 - p)^(n - s))  <  1 / level

(s of n clicks from the new policy) holds the true p at all n together with probability 1 - level. It turns
into an interval of the lift new / old - 1. It is exact: no rate need be large, no number of clicks either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy
from scipy.stats import norm

from practicum.errors import InputError
from practicum.ranges import NonNegativeFloat, OpenShare, PositiveFloat, PositiveInt, Ranged

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LOOKS = 2000


@dataclass(frozen=True)
class ExperimentConfig(Ranged, section="experiment"):
    """How a policy is tested against another one on simulated visitors. All of it is fixed beforehand."""

    level: OpenShare = 0.05
    """Greatest share of tests of two equal policies that find a difference."""
    share: OpenShare = 0.5
    """Share of the visitors that see the new policy."""
    smallest: PositiveFloat = 0.1
    """Smallest lift worth having: a test that excludes it stops."""
    power: OpenShare = 0.8
    """Share of tests that should find a lift, by which --plan counts visitors."""
    visitors: PositiveInt = 1_000_000
    """Most visitors of a test."""
    look_every: PositiveInt = 1000
    """Visitors from one look at the test to the next; looking costs nothing."""
    expected: PositiveFloat = 0.2
    """The lift that the test is made to find soonest."""
    rate: NonNegativeFloat = 0.0
    """Click-through rate of the old policy, for --plan; 0: that of the log."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.look_every > self.visitors:
            raise InputError(
                f"experiment.look_every is {self.look_every}, more than the {self.visitors} of "
                "experiment.visitors: the test would never be looked at; lower it"
            )

    @property
    def looks(self) -> int:
        """How often a test that is never stopped is looked at."""
        return self.visitors // self.look_every


@dataclass(frozen=True)
class Verdict:
    """How a test ended: the lift with its interval valid at any time, after how many visitors, and why."""

    ended: str
    visitors: int
    clicks_new: int
    clicks_old: int
    lift: float
    low: float
    high: float

    def json(self) -> dict[str, float | int | str]:
        """Plain values."""
        return dict(vars(self))


WON, LOST, FUTILE, OPEN = "won", "lost", "too small", "undecided"


def coin(config: ExperimentConfig, lift: float) -> float:
    """The chance that a click came from the new policy, of a lift."""
    return config.share * (1 + lift) / (config.share * (1 + lift) + 1 - config.share)


def prior(config: ExperimentConfig) -> tuple[float, float]:
    """The beta prior: symmetric about no lift, as wide as the expected lift is away from it."""
    middle = coin(config, 0.0)
    distance = max(coin(config, config.expected) - middle, 1e-6)
    strength = max(2.0, middle * (1 - middle) / distance**2 - 1)
    return strength * middle, strength * (1 - middle)


def evidence(config: ExperimentConfig, new: Integers | int, old: Integers | int, lift: float) -> Floats:
    """log of the mixture martingale against a lift, of clicks so far: elementwise."""
    first, second = prior(config)
    chance = coin(config, lift)
    mixture = betaln(first + np.asarray(new), second + np.asarray(old)) - betaln(first, second)
    return np.asarray(mixture - xlogy(new, chance) - xlog1py(old, -chance))


def confidence(config: ExperimentConfig, new: int, old: int) -> tuple[float, float]:
    """The interval of the lift, valid at all looks together: (-1, infinity) before the first click."""
    bound = -np.log(config.level)

    def beyond(chance: float) -> float:
        first, second = prior(config)
        mixture = betaln(first + new, second + old) - betaln(first, second)
        return float(mixture - xlogy(new, chance) - xlog1py(old, -chance) - bound)

    count = new + old
    if not count:
        return -1.0, float("inf")
    best = new / count
    tiny = 1e-12
    low = brentq(beyond, tiny, best) if new and beyond(tiny) > 0 else 0.0
    high = brentq(beyond, best, 1 - tiny) if old and beyond(1 - tiny) > 0 else 1.0
    return _lift_of(config, low), _lift_of(config, high)


@dataclass(frozen=True)
class Path:
    """A test up to where it stopped: visitors and clicks of both policies at each look, int64 [L]."""

    visitors_L: Integers
    new_L: Integers
    old_L: Integers
    stopped: bool


def run_test(config: ExperimentConfig, new: float, old: float, random: np.random.Generator) -> Path:
    """A test of a policy with click rate `new` against one with `old`, looked at until it stops.

    It stops when the interval excludes no lift, when it excludes the smallest lift worth having, or after
    `visitors`.
    """
    looks = config.looks
    sent = random.binomial(config.look_every, config.share, looks)
    new_L = np.cumsum(random.binomial(sent, new))
    old_L = np.cumsum(random.binomial(config.look_every - sent, old))
    stop = _first_stop(config, new_L, old_L)
    made = slice(None if stop is None else stop + 1)
    visitors_L = config.look_every * np.arange(1, looks + 1)
    return Path(visitors_L[made], new_L[made], old_L[made], stop is not None)


def verdict(config: ExperimentConfig, path: Path) -> Verdict:
    """What the end of a test says."""
    new, old = int(path.new_L[-1]), int(path.old_L[-1])
    low, high = confidence(config, new, old)
    ended = OPEN
    if path.stopped:
        ended = WON if low >= -1e-9 else LOST if high <= 1e-9 else FUTILE
    return Verdict(ended, int(path.visitors_L[-1]), new, old, observed(config, new, old), low, high)


def observed(config: ExperimentConfig, new: int, old: int) -> float:
    """The lift that clicks show; infinite without clicks of the old policy."""
    return new / old / _odds(config) - 1 if old else float("inf")


def _first_stop(config: ExperimentConfig, new: Integers, old: Integers) -> int | None:
    """The first look at which the test stops."""
    bound = -np.log(config.level)
    different = evidence(config, new, old, 0.0) >= bound
    # Below the lift that was observed, the smallest lift worth having is excluded from above.
    under = new * (1 - config.share) < (1 + config.smallest) * old * config.share
    futile = under & (evidence(config, new, old, config.smallest) >= bound)
    stops = np.flatnonzero(different | futile)
    return int(stops[0]) if len(stops) else None


def false_positives(config: ExperimentConfig, rate: float, tests: int, seed: int) -> int:
    """How many of so many tests of a policy against itself find a difference, looked at to the end."""
    random = np.random.default_rng([seed, 1000])
    looks = config.looks
    found = 0
    for _ in range(tests):
        sent = random.binomial(config.look_every, config.share, looks)
        new = np.cumsum(random.binomial(sent, rate))
        old = np.cumsum(random.binomial(config.look_every - sent, rate))
        found += bool((evidence(config, new, old, 0.0) >= -np.log(config.level)).any())
    return found


# ------------------------------------------------------------------------------------------------ the planner


def fixed_size(config: ExperimentConfig, rate: float, lift: float) -> int:
    """Visitors of a test that is looked at once: the textbook's size for two shares (Fleiss 1981, 3.2)."""
    if not 0 < rate * (1 + lift) < 1:
        raise InputError(f"a click rate of {rate:g} with a lift of {lift:g} is no share between 0 and 1")
    new, share = rate * (1 + lift), config.share
    mean = share * new + (1 - share) * rate
    null = np.sqrt(mean * (1 - mean) * (1 / share + 1 / (1 - share)))
    other = np.sqrt(new * (1 - new) / share + rate * (1 - rate) / (1 - share))
    total = norm.ppf(1 - config.level / 2) * null + norm.ppf(config.power) * other
    return int(np.ceil((total / (new - rate)) ** 2))


def sequential_sizes(
    config: ExperimentConfig, rate: float, lift: float, tests: int = 400, seed: int = 0
) -> tuple[int, int]:
    """Visitors of a test looked at all along: the median, and within how many the wanted power is reached."""
    random = np.random.default_rng([seed, 2000])
    mean = rate * (config.share * (1 + lift) + 1 - config.share)
    longest = 12 * fixed_size(config, rate, lift)
    clicks = max(LOOKS, int(longest * mean))
    # Looked at after every so many clicks, which is soon enough for a plan.
    each = -(-clicks // LOOKS)
    new = np.cumsum(random.binomial(each, coin(config, lift), (tests, LOOKS)), axis=1)
    old = each * np.arange(1, LOOKS + 1) - new
    won = (evidence(config, new, old, 0.0) >= -np.log(config.level)) & (new > old * _odds(config))
    needed = np.where(won.any(1), (won.argmax(1) + 1) * each / mean, np.inf)
    median, wanted = np.quantile(needed, [0.5, config.power], method="higher")
    return int(min(median, longest)), int(min(wanted, longest))


def plan(config: ExperimentConfig, rate: float, lifts: tuple[float, ...]) -> list[dict[str, float]]:
    """Visitors that a test needs for each lift, looked at once or all along."""
    rows = []
    for lift in lifts:
        median, wanted = sequential_sizes(config, rate, lift)
        rows.append(
            {"lift": lift, "once": fixed_size(config, rate, lift), "median": median, "with_power": wanted}
        )
    return rows


def _odds(config: ExperimentConfig) -> float:
    return config.share / (1 - config.share)


def _lift_of(config: ExperimentConfig, chance: float) -> float:
    return float("inf") if chance >= 1 else chance / (1 - chance) / _odds(config) - 1
