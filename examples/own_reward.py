"""Practise with a reward of your own: `python examples/own_reward.py MODEL RUN`.

MODEL is a model folder or a run's folder, such as runs/worked. A reward is a task: whatever judges
completions. This one takes the equations task and pays short right solutions more than long right ones; a
wrong solution earns nothing, so brevity can never be bought with the truth. Everything else is
`practicum rl`: algorithm, KL, adapters, controls and the rest of its settings work as they do there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from practicum.tasks.equations.task import EquationsTask
from practicum.training import rl
from practicum.training.loop import LoopConfig
from practicum.training.rl import RlConfig
from practicum.types import Prompt, Score

LONG = 200


class ShortSolutions(EquationsTask):
    """Equations, paying a right solution between 1 (no text at all) and 0.5 (200 characters or more)."""

    name = "short solutions"

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        return [
            replace(score, value=score.value * brevity(text), parts={"right": score.value})
            for score, text in zip(super().score(prompts, texts), texts, strict=True)
        ]


def brevity(text: str) -> float:
    return 1 - 0.5 * min(1.0, len(text) / LONG)


def train(config: RlConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """What `practicum rl` does, with our task in the place of its own."""
    return rl.train(config, run_path, resume=resume, task=ShortSolutions(config.task.equations))


if __name__ == "__main__":
    last = train(RlConfig(model=Path(sys.argv[1]), loop=LoopConfig(steps=20)), Path(sys.argv[2]))
    print(f"reward {last['reward']:.2f}, right {last['reward/right']:.0%}")
