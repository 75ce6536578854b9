"""Practise with a loss of your own: `python examples/own_loss.py MODEL RUN`.

MODEL is a model folder or a run's folder, such as runs/worked. The loss below is CISPO. PPO's clipping
removes the gradient of a token whose probability has moved too far. CISPO keeps it and bounds its weight.
"""

import sys
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from practicum.training import rl


def cispo_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip_low: float, clip_high: float
) -> tuple[Tensor, Tensor]:
    """-clip(ratio) * A * logprob with no gradient through the ratio (MiniMax 2025, CISPO, 2506.13585)."""
    ratio = (logprobs - old_logprobs).exp()
    weight = ratio.clamp(1 - clip_low, 1 + clip_high).detach()
    return -weight * advantages * logprobs, (weight != ratio).float()


if __name__ == "__main__":
    config = rl.RlConfig(model=Path(sys.argv[1]))
    parts = rl.build(config)
    parts = replace(parts, algorithm=replace(parts.algorithm, loss=cispo_loss))
    last = rl.train(config, Path(sys.argv[2]), parts=parts)
    print(f"reward {last['reward']:.2f}, clipped {last['clip_fraction']:.1%}")
