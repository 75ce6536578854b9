"""Signals that a proxy reward no longer speaks for people, alarms on them, and the alarms' record.

A signal is a number a step. Its alarm is a CUSUM (Page 1954) of the signal in standard deviations of a run's
own first steps; the threshold is calibrated on clean runs, so that a new clean run alarms with at most a
given probability. Whether a signal warns early is then a measured fact, not a hope: `record`.
Suffixes: T steps, R runs, N texts.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from practicum.audit.measures import words_of
from practicum.audit.rewards import Floats
from practicum.errors import InputError

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
    first, second = _ranks(proxy_N), _ranks(reference_N)
    if len(first) != len(second) or len(first) < 3:
        raise InputError(f"a correlation needs 3 pairs or more, got {len(first)} and {len(second)} rewards")
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values_N: Floats) -> Floats:
    """Ranks from 1, equal values sharing their mean rank."""
    _, place, count = np.unique(np.asarray(values_N), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])


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


def first_alarm(statistic_T: Floats, threshold: float) -> int | None:
    """The first step (from 0) at which the statistic lies above the threshold."""
    above = np.flatnonzero(np.asarray(statistic_T) > threshold)
    return int(above[0]) if len(above) else None


def onset(gold_T: Floats, window: int = 5) -> int:
    """The step (from 0) at which the true reward, averaged over `window` steps, is greatest."""
    kernel = np.ones(window) / window
    padded = np.pad(np.asarray(gold_T, dtype=np.float64), window // 2, mode="edge")
    return int(np.argmax(np.convolve(padded, kernel, mode="valid")[: len(gold_T)]))


# ------------------------------------------------------------------------------------------------ record


@dataclass(frozen=True)
class Record:
    """How a signal did on runs whose truth is known.

    false_alarm_rate: of clean runs, each judged by a threshold the others set; detection_rate: of gamed runs
    that alarmed at all; early_rate: that alarmed no later than the onset; lead_steps: median of onset - alarm
    over gamed runs with an alarm (positive is early), None without any; area: under the ROC of the runs'
    maxima up to the onset (0.5 is chance). `roc` holds (false-alarm rate, detection rate) points.
    """

    signal: str
    threshold: float
    false_alarm_rate: float
    detection_rate: float
    early_rate: float
    lead_steps: float | None
    lead_range: tuple[int, int] | None
    area: float
    roc: tuple[tuple[float, float], ...]

    def sentence(self) -> str:
        """The record in words; a signal that does not warn early says so."""
        name = self.signal.replace("_", " ")
        if self.lead_steps is None or self.early_rate < 0.5:
            return (
                f"{name} does not warn early: it alarmed by the onset in {self.early_rate:.0%} of gamed runs "
                f"(in {self.detection_rate:.0%} at any time)"
            )
        return (
            f"{name} warned by the onset in {self.early_rate:.0%} of gamed runs, {self.lead_steps:.0f} steps "
            f"ahead at the median, with {self.false_alarm_rate:.0%} false alarms"
        )


def record(
    signal: str,
    clean: Sequence[Floats],
    gamed: Sequence[Floats],
    onsets: Sequence[int],
    false_alarms: float = 0.05,
    baseline: int = BASELINE,
) -> Record:
    """The record of one signal from its values on clean and gamed runs; `onsets` are steps from 0.

    The signal must be one of DIRECTIONS. Raises InputError for another, or for too few runs.
    """
    if signal not in DIRECTIONS:
        raise InputError(f"signal {signal!r}: expected one of {', '.join(DIRECTIONS)}")
    if len(gamed) != len(onsets) or not gamed:
        raise InputError(f"{len(gamed)} gamed runs and {len(onsets)} onsets: give one onset per run")
    direction = DIRECTIONS[signal]
    least = LEAST_SPREAD.get(signal, 0.0)
    calm = [cusum(run, direction, baseline, least=least) for run in clean]
    wild = [cusum(run, direction, baseline, least=least) for run in gamed]
    threshold = calibrate(calm, false_alarms)
    others = [
        first_alarm(calm[index], _fair_threshold(calm[:index] + calm[index + 1 :], false_alarms)) is not None
        for index in range(len(calm))
    ]
    alarms = [first_alarm(run, threshold) for run in wild]
    leads = [start - at for start, at in zip(onsets, alarms, strict=True) if at is not None]
    early = [at is not None and at <= start for start, at in zip(onsets, alarms, strict=True)]
    calm_max = np.array([run.max() for run in calm])
    wild_max = np.array([run[: start + 1].max() for run, start in zip(wild, onsets, strict=True)])
    return Record(
        signal=signal,
        threshold=threshold,
        false_alarm_rate=float(np.mean(others)),
        detection_rate=float(np.mean([at is not None for at in alarms])),
        early_rate=float(np.mean(early)),
        lead_steps=float(np.median(leads)) if leads else None,
        lead_range=(min(leads), max(leads)) if leads else None,
        area=area_under_roc(calm_max, wild_max),
        roc=roc(calm_max, wild_max),
    )


def _fair_threshold(clean: Sequence[Floats], false_alarms: float) -> float:
    """As `calibrate`, but the largest maximum where the runs left over are one too few."""
    try:
        return calibrate(clean, false_alarms)
    except InputError:
        return float(max(np.max(run) for run in clean))


def roc(clean_R: Floats, gamed_R: Floats) -> tuple[tuple[float, float], ...]:
    """(false-alarm rate, detection rate) at every threshold, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([clean_R, gamed_R]))[::-1]
    points = [(float((clean_R >= one).mean()), float((gamed_R >= one).mean())) for one in thresholds]
    return ((0.0, 0.0), *points)


def area_under_roc(clean_R: Floats, gamed_R: Floats) -> float:
    """Probability that a gamed run's statistic exceeds a clean one's, ties counting half (Hanley 1982)."""
    gaps = np.asarray(gamed_R)[:, None] - np.asarray(clean_R)[None]
    return float((gaps > 0).mean() + 0.5 * (gaps == 0).mean())
