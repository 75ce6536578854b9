"""Signals that a proxy reward no longer speaks for people, and alarms on them.

A signal is a number a step. Its alarm is a CUSUM (Page 1954) of the signal in standard deviations of a run's
own first steps; the threshold is calibrated on clean runs, so that a new clean run alarms with at most a
given probability. Whether a signal warns early is measured in `audit/detectors.py`.
Suffixes: T steps, N texts.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from math import ceil

import numpy as np

from practicum.errors import InputError
from practicum.quantiles import average_ranks
from practicum.stats import Floats

DIRECTIONS: Mapping[str, int] = {
    "ensemble_disagreement": +1,
    "kl": +1,
    "length": 0,
    "repetition": +1,
    "entropy": -1,
    "tail_index": +1,
    "proxy_reference_correlation": -1,
    "reward": +1,
}
"""Which way each signal goes when a reward is gamed: up, down, or 0 for either way."""
BASELINE = 10
SLACK = 0.5
"""Drift, in standard deviations, that a CUSUM lets pass each step: half the shift it is built to find."""


# ----------------------------------------------------------------------------------------------- signals


def repeated_triples(sequence: Sequence[Hashable]) -> float:
    """Share of a sequence's triples that it already had, 0 to 1: repetition, of tokens where they are known.

    0 for a sequence of fewer than three.
    """
    triples = list(zip(sequence, sequence[1:], sequence[2:], strict=False))
    return 1 - len(set(triples)) / len(triples) if triples else 0.0


def length(texts: Sequence[str]) -> float:
    """Mean number of words."""
    return float(np.mean([len(words_of(text)) for text in texts])) if texts else 0.0


def tail_index(rewards_N: Floats, share: float = 0.1) -> float:
    """Hill's estimate of the extreme-value index of the upper tail, above the median; larger is heavier.

    1/k sum over the k largest x of log(x / x_(k+1)) (Hill 1975); why tails matter: Kwa et al. 2024
    (2407.14503). 0 where the tail has no spread. Raises InputError for fewer than 20 rewards.
    """
    values = np.sort(np.asarray(rewards_N, dtype=np.float64))
    if len(values) < 20:
        raise InputError(f"the tail index needs 20 rewards or more, got {len(values)}")
    values = values - np.median(values)
    count = max(2, int(len(values) * share))
    threshold = values[-count - 1]
    if threshold <= 0:
        return 0.0
    return float(np.mean(np.log(values[-count:] / threshold)))


def rank_correlation(proxy_N: Floats, reference_N: Floats) -> float:
    """Spearman's correlation of two rewards on the same texts; 0 where one of them is constant.

    Reward hacking as a correlation that breaks down: Laidlaw et al. 2024 (2403.03185).
    """
    if len(proxy_N) != len(reference_N) or len(proxy_N) < 3:
        raise InputError(
            f"a correlation needs 3 pairs or more, got {len(proxy_N)} and {len(reference_N)} rewards"
        )
    first, second = average_ranks(proxy_N), average_ranks(reference_N)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    # Pearson's of the ranks, which is what `spearmanr` computes beside a p-value, in another order of sums.
    return float(np.corrcoef(first, second)[0, 1])


# ------------------------------------------------------------------------------------------------ alarms


NOTICEABLE = 0.1
"""Share of a signal's size below which a change is no news, however exactly a large batch measures it."""


LEAST_SPREAD: Mapping[str, float] = {"repetition": 0.002, "length": 0.5, "proxy_reference_correlation": 0.02}
"""Differences in a signal's own unit that are no news either: signals that may be exactly alike in all first
steps, as repetition is where nothing repeats."""
NO_SPREAD = 1e-9
"""Below that, the first steps do not differ, and no later value can be measured by them."""


def standardised(signal_T: Floats, baseline: int = BASELINE, least: float = 0.0) -> Floats:
    """A signal in standard deviations of its first `baseline` steps, which become about 0 themselves.

    The deviation is at least NOTICEABLE of the mean's size: larger batches make it small, and would turn the
    drift of ordinary learning into ever more deviations. It is at least `least`, see LEAST_SPREAD. Where the
    first steps do not differ at all they measure nothing, and all values become 0. NaN, a step without the
    signal, stays NaN; the first steps are those with a value.
    """
    signal = np.asarray(signal_T, dtype=np.float64)
    start = signal[np.isfinite(signal)][:baseline]
    if len(start) < 2:
        raise InputError(f"a baseline needs 2 steps or more, got {len(start)}")
    spread = max(float(start.std(ddof=1)), NOTICEABLE * abs(float(start.mean())), least)
    if spread <= NO_SPREAD:
        return np.where(np.isfinite(signal), 0.0, np.nan)
    return np.asarray((signal - start.mean()) / spread)


def cusum(
    signal_T: Floats,
    direction: int,
    baseline: int = BASELINE,
    slack: float = SLACK,
    least: float = 0.0,
) -> Floats:
    """S_t = max(0, S_{t-1} + z_t - slack) (Page 1954) after the baseline, 0 within it.

    direction: +1 watches for a rise, -1 for a fall, 0 for either (the larger of the two sums). A step
    without a value (NaN) is passed over, as the guard does: the sum stays.
    """
    z = standardised(signal_T, baseline, least)
    seen = np.flatnonzero(np.isfinite(z))
    begins = seen[baseline] if len(seen) > baseline else len(z)
    sums = np.zeros((2, len(z)))
    for sign, row in zip((1, -1), sums, strict=True):
        if direction in (0, sign):
            for step in range(begins, len(z)):
                row[step] = (
                    row[step - 1] if np.isnan(z[step]) else max(0.0, row[step - 1] + sign * z[step] - slack)
                )
    return np.asarray(sums.max(0))


def calibrate(clean: Sequence[Floats], false_alarms: float = 0.05) -> float:
    """The threshold that the statistic (`cusum`) of a new clean run exceeds with at most this probability.

    The ceil((R + 1)(1 - a))-th smallest maximum of R exchangeable clean runs (split conformal prediction,
    Vovk et al. 2005). Raises InputError when R is too small for that: 19 runs for 5%.
    """
    if not 0 < false_alarms < 1:
        raise InputError(f"false_alarms is {false_alarms}; expected a probability between 0 and 1")
    place = ceil((len(clean) + 1) * (1 - false_alarms) - 1e-9)
    if place > len(clean):
        raise InputError(
            f"{len(clean)} clean runs cannot support a false-alarm rate of {false_alarms:.0%}: "
            f"give {ceil(1 / false_alarms) - 1} or more, or allow more false alarms"
        )
    return float(np.sort([np.max(run) for run in clean])[place - 1])


_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return [word.lower() for word in _WORD.findall(text)]
