"""The guard: watches a run against a learned reward step by step, and says when to stop trusting that reward.

It reads metrics that the training loop logs anyway and a few samples, keeps a CUSUM per signal
(`signals.py`), and costs microseconds. It never sees the true reward. Its decision depends only on the rows
it has read, so a recorded run can be replayed, and a resumed one continues as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, sqrt
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from practicum.errors import InputError
from practicum.files import read_rows
from practicum.guard.signals import (
    BASELINE,
    DIRECTIONS,
    LEAST_SPREAD,
    NO_SPREAD,
    NOTICEABLE,
    SLACK,
    calibrate,
    cusum,
    length,
    repeated_triples,
    words_of,
)
from practicum.ranges import Common, NonNegativeFloat, PositiveFloat, PositiveInt, Range, Ranged
from practicum.stats import Floats

Action = Literal["go_on", "stop", "roll_back", "hold", "ask"]
COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ensemble_disagreement": ("ensemble_disagreement", "reward/disagreement", "disagreement"),
        "kl": ("kl",),
        "kl_completion": ("kl_completion",),
        "length": ("length", "completion_tokens"),
        "repetition": ("repetition",),
        "entropy": ("entropy",),
        "tail_index": ("tail_index",),
        "proxy_reference_correlation": ("proxy_reference_correlation",),
        "reward": ("reward",),
    }
)
"""The columns of metrics.jsonl that hold each signal; the first one present is used."""
THRESHOLDS: Mapping[str, float] = MappingProxyType(
    {
        "ensemble_disagreement": 100.0,
        "length": 100.0,
        "repetition": 150.0,
        "proxy_reference_correlation": 30.0,
    }
)
"""Uncalibrated thresholds, in standard deviations summed: high, since ordinary learning moves these too.
Entropy has none, for all learning lowers it: give it one from clean runs (`calibrated`)."""
KL_BUDGET = 3.0
NEAR = 0.25
"""Once the budget is exceeded, steps are trusted up to this share of it."""
SHOWN = 3


@dataclass(frozen=True)
class GuardConfig(Ranged, section="guard"):
    """What the guard watches and what it does about it."""

    action: Common[Literal["hold", "roll_back", "stop", "ask", "off"]] = "hold"
    """What to do when enough signals alarm. hold goes back to the last trusted checkpoint and goes on from
    there with the KL held; roll_back goes back and ends; stop ends; ask ends and has people rank; off never
    alarms."""
    thresholds: Mapping[str, PositiveFloat] = field(default_factory=lambda: dict(THRESHOLDS))
    """CUSUM threshold of each watched signal; `calibrated` sets them from clean runs."""
    votes: PositiveInt = 2
    """Signals that must exceed their thresholds at the same time."""
    kl_budget: NonNegativeFloat | None = KL_BUDGET
    """Largest allowed KL to the reference, in nats per completion; none: no limit. It needs no votes. The
    reference writes a text that is 3 nats away once in 20 samples, so 75 of 1,500 ranked answers are like
    it. Allow more with more rankings or longer answers."""
    baseline: Annotated[int, Range(at_least=2)] = BASELINE
    """First steps of the run, which define what is normal; the guard does not alarm during them."""

    @property
    def held_kl(self) -> float:
        """The KL, in nats a completion, that action hold keeps from then on: the part that is trusted."""
        return NEAR * (self.kl_budget or KL_BUDGET)

    def without_effect(self) -> Mapping[str, str]:
        """What the guard would watch, where it is off."""
        watched = ("thresholds", "votes", "kl_budget", "baseline")
        return dict.fromkeys(watched, "the guard is off (guard.action)") if self.action == "off" else {}

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.thresholds if name not in DIRECTIONS]
        if unknown:
            raise InputError(
                f"guard.thresholds: unknown signal {unknown[0]!r}, choose from {', '.join(DIRECTIONS)}"
            )
        if self.votes > max(1, len(self.thresholds)):
            raise InputError(
                f"guard.votes: expected 1 to {len(self.thresholds)}, the watched signals, got {self.votes}"
            )


@dataclass(frozen=True)
class Decision:
    """What to do after a step. `to_step` is the step to roll back to, 0 the model the run began with;
    `prompts` are those to ask people about; `samples` the three worst samples; `readings` each signal's CUSUM
    as a share of its threshold; `untold` the signals that have no reading, and why; `seen` what stands above
    its threshold, in words."""

    action: Action
    step: int
    sentence: str
    to_step: int | None = None
    prompts: tuple[str, ...] = ()
    samples: tuple[Mapping[str, Any], ...] = ()
    readings: Mapping[str, float] = field(default_factory=dict)
    seen: tuple[str, ...] = ()
    untold: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        return {
            **self.__dict__,
            "prompts": list(self.prompts),
            "samples": [dict(sample) for sample in self.samples],
            "readings": dict(self.readings),
            "untold": dict(self.untold),
            "seen": list(self.seen),
        }


@dataclass
class _Watch:
    """One signal's baseline, its sums in each direction, and what it was: (step, standard deviations)."""

    direction: int
    least: float = 0.0
    start: list[float] = field(default_factory=list)
    mean: float = 0.0
    spread: float = 1.0
    up: float = 0.0
    down: float = 0.0
    last: float = 0.0
    past: list[tuple[int, float]] = field(default_factory=list)

    def see(self, step: int, value: float, baseline: int) -> None:
        self.last = value
        if len(self.start) < baseline:
            self.start.append(value)
            self.mean = sum(self.start) / len(self.start)
            squares = sum((one - self.mean) ** 2 for one in self.start)
            spread = sqrt(squares / max(1, len(self.start) - 1))
            self.spread = max(spread, NOTICEABLE * abs(self.mean), self.least)
            return
        if self.untold:
            return
        z = (value - self.mean) / self.spread
        self.past.append((step, z))
        if self.direction >= 0:
            self.up = max(0.0, self.up + z - SLACK)
        if self.direction <= 0:
            self.down = max(0.0, self.down - z - SLACK)

    @property
    def untold(self) -> bool:
        """Whether its first steps do not differ, so that no later value can be measured by them."""
        return bool(self.start) and self.spread <= NO_SPREAD

    @property
    def sum(self) -> float:
        return max(self.up, self.down)

    def calm(self) -> int:
        """The last step before the signal began to move.

        It maximises the sum of z - d/4 from there on, d being the size of the last three steps: the estimate
        of a change point for a known shift (Page 1954; Hinkley 1970) with d/4 in place of d/2, so that a slow
        drift is traced back to near its beginning.
        """
        sign = 1.0 if self.up >= self.down else -1.0
        recent = [sign * z for _, z in self.past[-3:]]
        slack = max(SLACK, sum(recent) / len(recent) / 4)
        best, total, start = 0.0, 0.0, self.past[-1][0]
        for step, z in reversed(self.past):
            total += sign * z - slack
            if total > best:
                best, start = total, step
        return start - 1


class Guard:
    """Feed it every step in order; act on what it returns. A roll-back goes to a multiple of
    `checkpoint_every`, the steps between the run's checkpoints."""

    def __init__(self, config: GuardConfig | None = None, checkpoint_every: int = 1) -> None:
        if checkpoint_every < 1:
            raise InputError(f"checkpoint_every: expected 1 or more, got {checkpoint_every}")
        self.config = config or GuardConfig()
        self.checkpoint_every = checkpoint_every
        self._watches = {
            name: _Watch(DIRECTIONS[name], LEAST_SPREAD.get(name, 0.0)) for name in self.config.thresholds
        }
        self._last_step = self._near = 0

    def observe(
        self, step: int, signals: Mapping[str, Any], samples: Sequence[Mapping[str, Any]] = ()
    ) -> Decision:
        """Decide after `step` (from 1, rising) from a row of metrics and some rows of samples.

        A signal that is missing, None or not finite is passed over in that step. Sample rows need `prompt`
        and `completion`, and should have `reward`. Raises InputError when steps do not rise.
        """
        if step <= self._last_step:
            raise InputError(f"guard: step {step} after step {self._last_step}: steps must rise")
        self._last_step = step
        for name, watch in self._watches.items():
            value = reading(signals, name)
            if value is not None:
                watch.see(step, value, self.config.baseline)
        readings = {
            name: watch.sum / self.config.thresholds[name]
            for name, watch in self._watches.items()
            if watch.start and not watch.untold
        }
        alarmed = sorted((name for name in readings if readings[name] > 1), key=lambda name: -readings[name])
        budget, distance = self.config.kl_budget, reading(signals, "kl_completion") or 0.0
        over_budget = budget is not None and distance > budget
        if budget is not None and distance <= NEAR * budget:
            self._near = step
        voted = len(alarmed) >= self.config.votes
        if self.config.action == "off" or not (voted or over_budget):
            return replace(self._calm(step, alarmed, readings), untold=self._untold())
        decision = self._alarm(step, alarmed, distance if over_budget else None, samples, readings)
        return replace(decision, untold=self._untold())

    def _untold(self) -> dict[str, str]:
        """Signals without a reading, and why."""
        return {
            name: "it was constant in the first steps" if watch.start else "it was not logged"
            for name, watch in self._watches.items()
            if watch.untold or not watch.start
        }

    def _calm(self, step: int, alarmed: Sequence[str], readings: Mapping[str, float]) -> Decision:
        seen = [_told(name, self._watches[name]) for name in alarmed]
        said = f"{' and '.join(seen)}, too few signals for the guard to act" if seen else "nothing unusual"
        return Decision("go_on", step, f"Step {step}: {said}.", readings=readings, seen=tuple(seen))

    def _alarm(
        self,
        step: int,
        alarmed: Sequence[str],
        over_budget: float | None,
        samples: Sequence[Mapping[str, Any]],
        readings: Mapping[str, float],
    ) -> Decision:
        seen = [_told(name, self._watches[name]) for name in alarmed]
        if over_budget is not None:
            seen.insert(
                0,
                f"KL to the reference reached {over_budget:.3g} nats a completion, "
                f"over its budget of {self.config.kl_budget:.3g}",
            )
        worst = worst_samples(samples, alarmed, self._normal_length())
        prompts = tuple(dict.fromkeys(str(sample.get("prompt", "")) for sample in worst))
        assert self.config.action != "off"
        action: Action = self.config.action
        to_step, end = None, "stop here"
        if action in ("roll_back", "hold"):
            calm = [self._watches[name].calm() for name in alarmed]
            # The samples of a step are those of the checkpoint before it.
            last = min([*calm, *([self._near - 1] if over_budget is not None else [])])
            to_step = max(0, last) // self.checkpoint_every * self.checkpoint_every
            which = "the last trusted checkpoint" if to_step else "the starting model"
            end = f"go back to step {to_step}, {which}"
            if action == "hold":
                end += f", and continue with the KL pinned at {self.config.held_kl:.3g} nats"
        elif action == "ask":
            end = "ask people to rank answers to the prompts shown before continuing"
        return Decision(
            action, step, f"Step {step}: {' and '.join(seen)}; {end}.", to_step,
            prompts if action == "ask" else (), worst, readings, tuple(seen),
        )  # fmt: skip

    def _normal_length(self) -> float | None:
        watch = self._watches.get("length")
        return watch.mean if watch is not None and watch.start else None


def _told(name: str, watch: _Watch) -> str:
    went = "rose" if watch.last >= watch.mean else "fell"
    return f"{name.replace('_', ' ')} {went} from {watch.mean:.3g} to {watch.last:.3g}"


def reading(row: Mapping[str, Any], signal: str) -> float | None:
    """A signal's value in a metrics row, None when it is missing or no finite number."""
    for column in COLUMNS.get(signal, (signal,)):
        value = row.get(column)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
            return float(value)
    return None


def worst_samples(
    samples: Sequence[Mapping[str, Any]], alarmed: Sequence[str], normal_length: float | None = None
) -> tuple[Mapping[str, Any], ...]:
    """The three samples that show what the alarms are about: well paid, and far out in those signals.

    A sample's own `repetition` and `completion_tokens`, in the units of the metrics, go before what its text
    alone says, which knows words and not tokens.
    """
    if not samples:
        return ()

    def oddness(sample: Mapping[str, Any]) -> tuple[float, ...]:
        text = str(sample.get("completion", ""))
        odd = 0.0
        if "repetition" in alarmed or not alarmed:
            own = reading(sample, "repetition")
            odd = repeated_triples(words_of(text)) if own is None else own
        if "length" in alarmed and normal_length:
            tokens = reading(sample, "length")
            odd += abs((length([text]) if tokens is None else tokens) / normal_length - 1)
        parts = sample.get("parts")
        if "ensemble_disagreement" in alarmed and isinstance(parts, Mapping):
            odd += reading(parts, "ensemble_disagreement") or 0.0
        return odd, reading(sample, "reward") or 0.0

    paid = sorted(samples, key=lambda sample: -(reading(sample, "reward") or 0.0))
    well_paid = paid[: max(SHOWN, (len(paid) + 1) // 2)]
    return tuple(sorted(well_paid, key=oddness, reverse=True)[:SHOWN])


def calibrated(
    config: GuardConfig, clean: Sequence[Mapping[str, Floats]], false_alarms: float = 0.05
) -> GuardConfig:
    """The config with thresholds learned from clean runs (signal to its values, step by step).

    With `votes` v, the v-th largest reading decides, so each run's statistic is that v-th largest CUSUM once
    every signal is scaled by its own clean maximum's median; one common factor then meets the rate. Signals
    that any run lacks are dropped. Raises InputError for too few runs, see `detectors.calibrate`.
    """
    names = [name for name in DIRECTIONS if clean and all(name in run for run in clean)]
    if not names:
        raise InputError("guard calibration: the clean runs share no signal: log the same metrics in each")
    votes = min(config.votes, len(names))
    sums = [
        {
            name: cusum(run[name], DIRECTIONS[name], config.baseline, least=LEAST_SPREAD.get(name, 0.0))
            for name in names
        }
        for run in clean
    ]
    scale = {}
    for name in names:
        peaks = sorted(float(run[name].max()) for run in sums)
        scale[name] = max(peaks[len(peaks) // 2], 1.0)
    shortest = [min(len(run[name]) for name in names) for run in sums]
    statistics = []
    for run, steps in zip(sums, shortest, strict=True):
        scaled = sorted((run[name][:steps] / scale[name] for name in names), key=lambda values: -values.max())
        import numpy as np

        statistics.append(np.sort(np.stack(scaled), axis=0)[-votes])
    factor = calibrate(statistics, false_alarms)
    thresholds = {name: max(scale[name] * factor, 1e-6) for name in names}
    return replace(config, thresholds=thresholds, votes=votes)


def replay(
    config: GuardConfig, metrics: Path, samples: Path | None = None, checkpoint_every: int = 1
) -> tuple[Decision, int]:
    """What the guard would have said first about a recorded run, and the rows it read.

    The decision is the last row's `go_on` when it never alarmed. Raises InputError for a file that cannot be
    read, is empty, or lacks every watched signal.
    """
    by_step = samples_by_step(samples) if samples is not None else {}
    guard, decision, count = Guard(config, checkpoint_every), None, 0
    watched = (*config.thresholds, *(("kl_completion",) if config.kl_budget is not None else ()))
    found = False
    for count, row in enumerate(read_rows(metrics), start=1):
        found = found or any(reading(row, name) is not None for name in watched)
        step = int(row.get("step", count))
        decision = guard.observe(step, row, by_step.get(step, ()))
        if decision.action != "go_on":
            break
    if decision is None:
        raise InputError(f"{metrics}: has no rows")
    if not found:
        names = ", ".join(COLUMNS[name][-1] for name in watched)
        raise InputError(f"{metrics}: has none of the watched signals: log one of {names}")
    return decision, count


def samples_by_step(path: Path) -> dict[int, list[Mapping[str, Any]]]:
    """The rows of a samples.jsonl under their step. Raises InputError as `read_rows`."""
    by_step: dict[int, list[Mapping[str, Any]]] = {}
    for row in read_rows(path):
        by_step.setdefault(int(row.get("step", 0)), []).append(row)
    return by_step
