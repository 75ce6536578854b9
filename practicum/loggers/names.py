"""What metrics are called in loggers: as TRL calls them, where TRL logs the same number, else as here.

So that one chart shows runs of both. docs/logging.md has the table; a test compares it with TRL's sources.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

TRL_NAMES: Mapping[str, str] = {
    "loss": "loss",
    "gradient_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "epoch": "epoch",
    "total_tokens": "num_tokens",
    "seconds": "step_time",
    "reward": "reward",
    "reward_std": "reward_std",
    "reward/*": "rewards/*/mean",
    "groups_tied": "frac_reward_zero_std",
    "completion_tokens": "completions/mean_length",
    "truncated": "completions/clipped_ratio",
    "entropy": "entropy",
    "kl": "kl",
    "policy_loss": "policy_loss",
    "clip_fraction": "clip_ratio/region_mean",
    "accuracy": "accuracy",
    "held_out_loss": "eval_loss",
    "held_out_accuracy": "eval_accuracy",
}
"""Our names and TRL's; `*` stands for the name of a part of the reward."""


def trl_name(name: str) -> str:
    """TRL's name of a metric, its own where TRL has none."""
    if name in TRL_NAMES:
        return TRL_NAMES[name]
    family, _, part = name.partition("/")
    # A function may count its failures beside its value: that is no mean of a reward.
    if part and not part.startswith("failed/") and f"{family}/*" in TRL_NAMES:
        return TRL_NAMES[f"{family}/*"].replace("*", part)
    return name


def logged_names(row: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of a row of metrics under TRL's names, `step` left out."""
    return {
        trl_name(name): float(value)
        for name, value in row.items()
        if name != "step" and isinstance(value, (int, float)) and math.isfinite(value)
    }


def in_sections(metrics: Mapping[str, float]) -> dict[str, float]:
    """The names as the callbacks of transformers file them: `train/reward`, and `eval/loss` of eval_loss."""
    return {
        f"eval/{name[5:]}" if name.startswith("eval_") else f"train/{name}": value
        for name, value in metrics.items()
    }
