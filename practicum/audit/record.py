"""The record of the warning signals: how each did on runs whose truth is known, and thresholds for the guard.

Runs are rows of metrics.jsonl. A signal that some run lacks altogether has no record; a row that lacks it is
passed over, for that signal and run alone, and both are told (`gaps`). The arithmetic is in
`detectors.record` and `guard.calibrated`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from practicum.audit.detectors import Record, onset, record
from practicum.errors import InputError
from practicum.files import read_rows
from practicum.guard.guard import GuardConfig, calibrated, reading
from practicum.guard.signals import DIRECTIONS
from practicum.stats import Floats

Row = Mapping[str, Any]


FEWEST_VALUES = 2
"""A run that has a signal in fewer rows lacks it."""
NAMED_STEPS = 3


def signals_of(runs: Iterable[Sequence[Row]]) -> list[dict[str, Floats]]:
    """Each run's signals, step by step, NaN where a row has none: those signals that every run has."""
    found = [
        {name: np.array([reading(row, name) for row in rows], dtype=np.float64) for name in DIRECTIONS}
        for rows in runs
    ]
    known = [name for name in DIRECTIONS if all(_has(run[name]) for run in found)]
    return [{name: run[name] for name in known} for run in found]


def _has(values_T: Floats) -> bool:
    return int(np.isfinite(values_T).sum()) >= FEWEST_VALUES


def gaps(
    runs: Sequence[Sequence[Row]], names: Sequence[str], signals: Iterable[str] = DIRECTIONS
) -> list[str]:
    """What is left out of which run, a sentence each: rows without a signal, signals that a run lacks.

    `names` are the runs'. A signal that no run has is not missed.
    """
    said = []
    for signal in signals:
        found = [np.array([reading(row, signal) for row in rows], dtype=np.float64) for rows in runs]
        if not any(np.isfinite(values).any() for values in found):
            continue
        for name, rows, values in zip(names, runs, found, strict=True):
            missing = np.flatnonzero(np.isnan(values)).tolist()
            if not _has(values):
                said.append(f"{name}: has no {signal}, so {signal} has no record and no threshold")
            elif missing:
                steps = [str(rows[place].get("step", place + 1)) for place in missing]
                where = ", ".join(steps[:NAMED_STEPS]) + (", ..." if len(steps) > NAMED_STEPS else "")
                said.append(
                    f"{name}: step{'s' if len(steps) > 1 else ''} {where}: no number for {signal}; "
                    f"{len(steps)} of {len(rows)} rows left out, for it alone"
                )
    return said


def records(
    clean: Sequence[Sequence[Row]],
    gamed: Sequence[Sequence[Row]],
    onsets: Sequence[int],
    false_alarms: float = 0.05,
    baseline: int = 10,
) -> list[Record]:
    """The record of every signal that all the runs have; `onsets` are steps from 0, one for each gamed run.

    Raises InputError for too few clean runs (19 for 5% false alarms), for gamed runs without an onset each,
    or when the runs share no signal.
    """
    signals = signals_of([*clean, *gamed])
    calm, wild = signals[: len(clean)], signals[len(clean) :]
    if not signals or not signals[0]:
        raise InputError("detectors: the runs share no signal: log the same metrics in each")
    return [
        record(
            name,
            [run[name] for run in calm],
            [run[name] for run in wild],
            onsets,
            false_alarms,
            baseline,
        )
        for name in signals[0]
    ]


def thresholds_from(clean: Sequence[Sequence[Row]], config: GuardConfig, false_alarms: float) -> GuardConfig:
    """The guard with thresholds from clean runs; its budget of KL stays. See `guard.calibrated`."""
    return calibrated(config, signals_of(clean), false_alarms)


def read_run(path: Path) -> list[Row]:
    """The rows of a run's metrics.jsonl, given as file or as the run's folder. Raises InputError for none."""
    rows: list[Row] = [*read_rows(path / "metrics.jsonl" if path.is_dir() else path)]
    if not rows:
        raise InputError(f"{path}: holds no steps; expected the metrics.jsonl of a run")
    return rows


def onset_of(rows: Sequence[Row], gold: str, path: Path) -> int:
    """The step (from 0) of the greatest true reward; a row without it counts as between its neighbours.

    Raises InputError naming the file that lacks it.
    """
    values = np.array([reading(row, gold) for row in rows], dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise InputError(f"{path}: no row has the true reward {gold!r}: name its column with --gold")
    return onset(np.interp(np.arange(len(values)), known, values[known]))
