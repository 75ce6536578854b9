"""How soon a signal warns, and how often wrongly: a signal's record over clean runs and gamed ones.

Suffixes: T steps, R runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from practicum.errors import InputError
from practicum.guard.signals import BASELINE, DIRECTIONS, LEAST_SPREAD, calibrate, cusum
from practicum.stats import Floats


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
class AlarmRule:
    """How often a new clean run may alarm (a probability), and how many steps teach what is normal."""

    false_alarms: float = 0.05
    baseline: int = BASELINE


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
    rule: AlarmRule | None = None,
) -> Record:
    """The record of one signal from its values on clean and gamed runs; `onsets` are steps from 0.

    The signal must be one of DIRECTIONS. Raises InputError for another, or for too few runs.
    """
    if signal not in DIRECTIONS:
        raise InputError(f"signal {signal!r}: expected one of {', '.join(DIRECTIONS)}")
    if len(gamed) != len(onsets) or not gamed:
        raise InputError(f"{len(gamed)} gamed runs and {len(onsets)} onsets: give one onset per run")
    rule, direction = rule or AlarmRule(), DIRECTIONS[signal]
    least = LEAST_SPREAD.get(signal, 0.0)
    calm = [cusum(run, direction, rule.baseline, least=least) for run in clean]
    wild = [cusum(run, direction, rule.baseline, least=least) for run in gamed]
    threshold = calibrate(calm, rule.false_alarms)
    fair = [
        _fair_threshold(calm[:index] + calm[index + 1 :], rule.false_alarms) for index in range(len(calm))
    ]
    others = [first_alarm(run, limit) is not None for run, limit in zip(calm, fair, strict=True)]
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
