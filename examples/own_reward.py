"""Practise with a reward of your own: `python examples/own_reward.py MODEL RUN`.

MODEL is a model folder or a run's folder, such as runs/worked. A reward is whatever judges completions. This
one pays short right solutions more than long right ones; a wrong solution earns nothing, so brevity can never
be bought with the truth. Guard, KL, adapters, controls and all other settings work as in `practicum rl`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from practicum.tasks.equations.task import EquationsTask
from practicum.training import rl
from practicum.types import Prompt, Score


class ShortSolutions(EquationsTask):
    """Pays a right solution between 1 (no text at all) and 0.5 (200 characters or more)."""

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        scores = super().score(prompts, texts)
        return [
            replace(score, value=score.value * (1 - min(len(text), 200) / 400), parts={"right": score.value})
            for score, text in zip(scores, texts, strict=True)
        ]


if __name__ == "__main__":
    config = rl.RlConfig(model=Path(sys.argv[1]))
    last = rl.train(config, Path(sys.argv[2]), parts=rl.build(config, task=ShortSolutions()))
    print(f"reward {last['reward']:.2f}, right {last['reward/right']:.0%}")
