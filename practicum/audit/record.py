"""The record of the warning signals: how each did on runs whose truth is known, and thresholds for the guard.
`practicum audit detectors`.

Runs are rows of metrics.jsonl. A signal that some run lacks altogether has no record; a row that lacks it is
passed over, for that signal and run alone, and both are told (`gaps`). The arithmetic is in
`detectors.record` and `guard.calibrated`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tomli_w

from practicum.audit.detectors import AlarmRule, Record, onset, record
from practicum.audit.instruments import Instrument
from practicum.errors import InputError
from practicum.files import atomic_write, read_rows
from practicum.guard.guard import GuardConfig, calibrated, reading
from practicum.guard.signals import DIRECTIONS
from practicum.ranges import Range, Ranged
from practicum.report.figures import INK, SERIES, WIDE, page_picture
from practicum.report.plots import LEGEND
from practicum.report.sections import Section, as_sentence
from practicum.stats import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    rule: AlarmRule | None = None,
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
            rule,
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


# ------------------------------------------------------------------------------------------ the instrument


@dataclass(frozen=True)
class Config(Ranged):
    """The record of each warning signal on runs whose truth is known, and thresholds for the guard."""

    clean: tuple[Path, ...]
    """Runs (folders or their metrics.jsonl) that gamed nothing: 19 or more for 5% false alarms."""
    gamed: tuple[Path, ...] = ()
    """Runs that gamed their reward, with the true reward logged. None: thresholds only."""
    gold: str = "reward/gold"
    """Column of the true reward: where it is greatest is the onset."""
    false_alarms: Annotated[float, Range(at_least=1e-6, below=1)] = 0.05
    """Probability that a new clean run alarms."""
    baseline: Annotated[int, Range(at_least=2)] = 10
    """Steps that teach what is normal in a run."""
    thresholds: Path | None = None
    """TOML file to write the guard's thresholds to, for `practicum rl --config`."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to (needs gamed runs)."""


@dataclass(frozen=True)
class Result:
    """The guard with thresholds from the clean runs, and the record of every signal where runs were gamed."""

    config: Config
    guard: GuardConfig
    notes: Sequence[str]
    records: Sequence[Record] | None = None


def run(config: Config) -> Result:
    """Read the runs, set thresholds, and measure each signal on the gamed ones."""
    if config.report is not None and not config.gamed:
        raise InputError("detectors: --report needs --gamed, whose warnings it shows")
    clean = [read_run(path) for path in config.clean]
    gamed = [read_run(path) for path in config.gamed]
    names = [str(path) for path in (*config.clean, *config.gamed)]
    notes = gaps([*clean, *gamed], names) + gaps(gamed, names[len(clean) :], (config.gold,))
    tuned = thresholds_from(clean, GuardConfig(baseline=config.baseline), config.false_alarms)
    if not config.gamed:
        return Result(config, tuned, notes)
    onsets = [onset_of(rows, config.gold, path) for rows, path in zip(gamed, config.gamed, strict=True)]
    found = records(clean, gamed, onsets, AlarmRule(config.false_alarms, config.baseline))
    return Result(config, tuned, notes, found)


def lines(result: Result) -> list[str]:
    """Notes, a sentence for each signal, thresholds, and how to use them."""
    said = [f"note: {note}" for note in result.notes]
    said += [one.sentence() for one in result.records or ()]
    said += [
        f"threshold: {name.replace('_', ' ')} {value:.3g}" for name, value in result.guard.thresholds.items()
    ]
    if result.config.thresholds is not None:
        said.append(f"guard: practicum rl --config {result.config.thresholds}")
    return said


def as_json(result: Result) -> dict[str, Any]:
    """Thresholds, votes and notes; the records where runs were gamed."""
    values: dict[str, Any] = {
        "thresholds": dict(result.guard.thresholds),
        "votes": result.guard.votes,
        "notes": list(result.notes),
    }
    if result.records is not None:
        values["records"] = [asdict(one) for one in result.records]
    return values


def write(result: Result) -> None:
    """Write the guard's thresholds where a file is named for them."""
    if result.config.thresholds is not None:
        guard = {
            "votes": result.guard.votes,
            "baseline": result.config.baseline,
            "thresholds": dict(result.guard.thresholds),
        }
        atomic_write(result.config.thresholds, tomli_w.dumps({"guard": guard}))


def page(result: Result) -> tuple[str, list[Section]]:
    """How many runs there were, and the section."""
    assert result.records is not None, "a report is refused without gamed runs"
    subject = (
        f"{len(result.config.gamed)} runs that gamed their reward, beside {len(result.config.clean)} that "
        "did not"
    )
    return subject, [section(result.records)]


audit = Instrument(run, lines, as_json, page, write)


# ---------------------------------------------------------------------------------------------- on the page


def section(records: Sequence[Record]) -> Section:
    """Which signals warn, and how early."""
    early = [one for one in records if one.early_rate >= 0.5]
    names = ", ".join(one.signal.replace("_", " ") for one in early)
    caption = "Gamed runs up to the onset, clean ones over their whole length; diagonal: chance."
    return Section(
        "detectors",
        "Do the warning signs warn in time?",
        "good" if early else "bad",
        f"Warned by the onset in half of the gamed runs or more: {names or 'none of the signals'}.",
        {"records": [one.__dict__ for one in records]},
        [(picture(records), caption)],
        ("signal", "area under ROC", "by the onset", "median lead (steps)", "false alarms"),
        [
            (
                one.signal.replace("_", " "),
                f"{one.area:.2f}",
                f"{one.early_rate:.0%}",
                "\N{EN DASH}" if one.lead_steps is None else f"{one.lead_steps:.0f}",
                f"{one.false_alarm_rate:.0%}",
            )
            for one in records
        ],
        notes=[as_sentence(one.sentence()) for one in records],
    )


def picture(records: Sequence[Record]) -> str:
    """Detection against false alarms up to the onset, one line a signal."""

    def draw(axes: Axes) -> None:
        # Colours come round a second time with dashes: there are more signals than colours.
        looks = [(colour, dash) for dash in ("-", "--") for colour in SERIES]
        for one, (colour, dash) in zip(records, looks, strict=False):
            label = one.signal.replace("_", " ")
            axes.step(*zip(*one.roc, strict=True), where="post", color=colour, linestyle=dash, label=label)
        axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1)
        axes.set_xlabel("false alarms on clean runs")
        axes.set_ylabel("alarms by the onset")
        axes.legend(**LEGEND)

    told = ", ".join(f"{one.signal} {one.area:.2f}" for one in records)
    return page_picture("audit-roc", f"Area under the ROC up to the onset: {told}", draw, WIDE)
