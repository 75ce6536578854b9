"""Signs that a run learns nothing, found in the metrics that it logs anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

STEPS = 3
"""Steps in a row after which a sign is reported."""
FATAL = ("reward", "groups", "gradient")
"""Signs that nothing at all is learned; a run whose first STEPS steps show one is stopped."""


def signs_of_death(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What did not change in any of the given steps: a name and a sentence each; empty without rows.

    In practice: all rewards equal, all groups tied, or all completions cut. In every stage: a gradient of 0.
    A metric that is missing or null is no sign.
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
    return {name: f"{when}: {sentence}" for name, sentence in found.items()}


def _always(rows: Sequence[Mapping[str, Any]], name: str, value: float | None) -> bool:
    return value is not None and all(row.get(name) == value for row in rows)
