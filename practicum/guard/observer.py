"""What stands beside a training run: it may adjust the next step, and say what is to happen after one.

An observer never acts on the run itself. The loop (`training/loop.py`) carries out its verdict: stop, go back
to an earlier checkpoint, or go on from there with the KL pinned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from practicum.run.folder import Run
from practicum.types import Prompt


@dataclass(frozen=True)
class Paid:
    """One completion of a step and what it was paid; `solved` is None where the reward does not say."""

    prompt: Prompt
    text: str
    reward: float
    solved: bool | None = None


@dataclass(frozen=True)
class StepResult:
    """What one update reports: a metrics row, `tokens` (read by the model) in it, and a few samples.

    `prompts` are those of the samples, as the model was given them: chats have messages and tools. `paid` are
    all completions of a step of practice.
    """

    metrics: dict[str, float]
    samples: list[dict[str, Any]] = field(default_factory=list)
    prompts: Sequence[Prompt] = ()
    paid: Sequence[Paid] = ()


@dataclass(frozen=True)
class Adjustments:
    """What holds for one step of practice besides its settings.

    kl_weight: the weight of the KL, None for that of the settings. multipliers: what is taken off the weights
    of named parts of the reward. prices: what a completion that shows a behaviour is paid more. rounds: times
    that the step may sample, None for as many as the settings say.
    """

    kl_weight: float | None = None
    multipliers: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    rounds: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What is to happen after a step.

    ends: no further step from here. back_to: the checkpoint to go back to. pin: what is written to
    RUN/held.json when the run goes on from there with its KL pinned. said: lines for stderr, told once the
    progress bar is closed, or at once where the run goes on. metrics: more columns of the step's row. marks:
    more columns of the step's samples, for each in turn; empty: none.
    """

    ends: bool = False
    back_to: int | None = None
    pin: Mapping[str, Any] | None = None
    said: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    marks: Sequence[Mapping[str, Any]] = ()


GO_ON = Verdict()


class Observer(Protocol):
    """Watches a run step by step: guard, profile, loggers, the controllers of KL, budgets and shares."""

    name: str

    def before(self, step: int) -> Adjustments:
        """What holds for step `step`, which begins now; steps count from 1."""
        ...

    def after(self, step: int, result: StepResult) -> Verdict:
        """What step `step` means; its metrics hold what the observers before this one have added."""
        ...

    def logged(self, row: Mapping[str, Any]) -> None:
        """The step's row, with its times and what observers have added, has gone to metrics.jsonl."""
        ...

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold for the run to continue exactly, as plain JSON; often nothing."""
        ...

    def restore(self, state: Mapping[str, Any], run: Run) -> Verdict:
        """Stand where the run's newest checkpoint stands; the verdict is what was still to happen there."""
        ...

    def pinned(self, record: Mapping[str, Any]) -> None:
        """The run goes on with its KL pinned; `record` is what RUN/held.json says."""
        ...

    def conclude(self, run: Run) -> dict[str, Any]:
        """Write what is left to write, and return what belongs in summary.json."""
        ...


class Quiet:
    """An observer's methods where there is nothing to do."""

    def before(self, step: int) -> Adjustments:
        """No adjustment."""
        return Adjustments()

    def after(self, step: int, result: StepResult) -> Verdict:
        """Go on."""
        return GO_ON

    def logged(self, row: Mapping[str, Any]) -> None:
        """Nothing to do."""

    def state(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def restore(self, state: Mapping[str, Any], run: Run) -> Verdict:
        """Nothing to restore."""
        return GO_ON

    def pinned(self, record: Mapping[str, Any]) -> None:
        """Nothing changes."""

    def conclude(self, run: Run) -> dict[str, Any]:
        """Nothing to say."""
        return {}


def adjustments(observers: Sequence[Observer], step: int) -> Adjustments:
    """What all observers together want of a step; no two of them adjust the same thing."""
    found = [observer.before(step) for observer in observers]
    weights = [one.kl_weight for one in found if one.kl_weight is not None]
    rounds = [one.rounds for one in found if one.rounds is not None]
    return Adjustments(
        kl_weight=weights[-1] if weights else None,
        multipliers={name: value for one in found for name, value in one.multipliers.items()},
        prices={name: value for one in found for name, value in one.prices.items()},
        rounds=min(rounds, default=None),
    )
