"""Signs that a run learns nothing, found in the metrics that it logs anyway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from practicum.errors import InputError

STEPS = 3
"""Steps in a row after which a sign is reported."""
FATAL = ("reward", "groups", "gradient")
"""Signs that nothing at all is learned; a run whose first STEPS steps show one is stopped."""


class DeadRunError(InputError):
    """A run that was stopped because it learns nothing; `setting` lets it go on."""

    def __init__(self, run: str, sign: str, setting: str) -> None:
        self.run, self.sign, self.setting = run, sign, setting
        super().__init__(
            f"{run} was stopped, for it learns nothing: {sign}; --dry-run in place of --run says what may be "
            f"done, and --resume --{setting} goes on all the same"
        )


@contextmanager
def settings_under(section: str) -> Iterator[None]:
    """Name the setting of a DeadRunError as a command does that has the stage's settings in `section`."""
    try:
        yield
    except DeadRunError as error:
        raise DeadRunError(error.run, error.sign, f"{section}.{error.setting}") from error


def signs_of_death(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What did not change in any of the given steps: a name and a sentence each; empty without rows.

    In practice: all rewards equal, all groups tied, or all completions cut. In every stage: a gradient of 0.
    A metric that is missing or null is no sign. While a curriculum opens harder levels, all answers may well
    be right, so then equal rewards are none, nor is the gradient of 0 that follows from them.
    """
    if not rows:
        return {}
    numbers = [int(row["step"]) for row in rows]
    when = f"steps {numbers[0]} to {numbers[-1]}" if len(rows) > 1 else f"step {numbers[0]}"
    found = {}
    if _always(rows, "reward_std", 0.0) and _always(rows, "reward", rows[0].get("reward")):
        found["reward"] = f"every completion was paid {rows[0]['reward']:g}, so no answer counts as better"
    elif _always(rows, "groups_tied", 1.0) and "explained_variance" not in rows[0]:
        # PPO, which alone explains a variance, compares answers to different prompts too.
        found["groups"] = (
            "all answers to a prompt had the same reward, for every prompt, so no answer counts as better"
        )
    if _always(rows, "truncated", 1.0):
        found["truncated"] = "every completion was cut at its length limit (sampling.max_new_tokens)"
    if _always(rows, "gradient_norm", 0.0):
        found["gradient"] = "the gradient was 0, so nothing was learned"
    if opened_levels(rows) and found.keys() & {"reward", "groups"}:
        found = {name: sentence for name, sentence in found.items() if name not in FATAL}
    return {name: f"{when}: {sentence}" for name, sentence in found.items()}


def opened_levels(rows: Sequence[Mapping[str, Any]]) -> int:
    """How many levels a curriculum opened between the first and the last of some steps; 0 without one."""
    first, last = (row.get("curriculum/levels") or 0 for row in (rows[0], rows[-1]))
    return max(0, int(last - first)) if first else 0


def settles_life(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the signs of STEPS steps say for good that a run is alive or dead.

    They do not while harder levels open and nothing is learned yet: the next steps will.
    """
    learned = any(row.get("gradient_norm") for row in rows)
    return len(rows) == STEPS and (learned or not opened_levels(rows))


def _always(rows: Sequence[Mapping[str, Any]], name: str, value: float | None) -> bool:
    return value is not None and all(row.get(name) == value for row in rows)
