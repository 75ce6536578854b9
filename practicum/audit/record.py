"""The record of the warning signals: how each did on runs whose truth is known, and thresholds for the guard.

Runs are rows of metrics.jsonl. A signal that some run lacks has no record. The arithmetic is in
`detectors.record` and `guard.calibrated`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from practicum.audit.detectors import DIRECTIONS, Record, onset, record
from practicum.audit.guard import GuardConfig, calibrated, read_rows, reading
from practicum.audit.rewards import Floats
from practicum.errors import InputError

Row = Mapping[str, Any]


def signals_of(runs: Iterable[Sequence[Row]]) -> list[dict[str, Floats]]:
    """Each run's signals, step by step: those that every row of every run has."""
    found = [{name: [reading(row, name) for row in rows] for name in DIRECTIONS} for rows in runs]
    whole = [name for name in DIRECTIONS if all(None not in run[name] and run[name] for run in found)]
    return [{name: np.array(run[name], dtype=np.float64) for name in whole} for run in found]


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
    rows = list(read_rows(path / "metrics.jsonl" if path.is_dir() else path))
    if not rows:
        raise InputError(f"{path}: holds no steps; expected the metrics.jsonl of a run")
    return rows


def onset_of(rows: Sequence[Row], gold: str, path: Path) -> int:
    """The step (from 0) of the greatest true reward. Raises InputError naming the file that lacks it."""
    values = [row.get(gold) for row in rows]
    if any(not isinstance(value, (int, float)) for value in values):
        raise InputError(f"{path}: a row lacks the true reward {gold!r}: name its column with --gold")
    return onset(np.array(values, dtype=np.float64))
