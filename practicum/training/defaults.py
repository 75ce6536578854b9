"""Learning rates and batches that go by the model, where the settings leave them open.

The defaults of the stages are for models of a few million weights that were made from nothing. A pretrained
model of a hundred million unlearns at such rates, so for it these stand in their place. They are the usual
ones: adapters bear about ten times the rate of all weights, and practice asks for less than imitation.
Sources: Hu et al. 2021 (LoRA, 2106.09685, appendix D); Ouyang et al. 2022 (InstructGPT, 2203.02155,
appendix C); Biderman et al. 2024 (LoRA learns less and forgets less, 2405.09673); of preferences: Tunstall
et al. 2023 (Zephyr, 2310.16944, 5e-7).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from practicum.errors import InputError
from practicum.model.checkpoint import weight_count

Stage = Literal["sft", "rl", "dpo", "reward-model"]
MEDIUM, LARGE = 20_000_000, 1_000_000_000
"""Weights from which a model counts as one of medium size, and as a large one."""
RATES: Mapping[Stage, Mapping[str, tuple[float, float]]] = {
    "sft": {"adapters": (5e-4, 2e-4), "all weights": (1e-4, 2e-5)},
    "rl": {"adapters": (1.5e-4, 5e-5), "all weights": (1e-5, 2e-6)},
    "dpo": {"adapters": (5e-5, 2e-5), "all weights": (2e-6, 5e-7)},
    "reward-model": {"adapters": (5e-4, 1e-4), "all weights": (5e-5, 1e-5)},
}
"""Learning rates of AdamW for models of medium size and for large ones."""
BATCHES: Mapping[Stage, Mapping[str, int]] = {
    "sft": {"batch_demonstrations": 16},
    "rl": {"prompts_per_step": 16},
    "dpo": {"batch_pairs": 16},
    "reward-model": {},
}


def defaults_for(stage: Stage, model: Path, rank: int, prefix: str = "") -> tuple[str, dict[str, Any]]:
    """(what a model is, defaults for it by dotted key); both empty for a small model and for none.

    `rank` is that of the adapters, 0 where all weights are trained. `prefix` leads the keys.
    """
    try:
        count = weight_count(model)
    except InputError:
        # That there is no such model is told by who loads it.
        return "", {}
    if count < MEDIUM:
        return "", {}
    trained = "adapters" if rank else "all weights"
    rate = RATES[stage][trained][count >= LARGE]
    found = {"optimizer.algorithm": "adamw", "optimizer.learning_rate": rate, **BATCHES[stage]}
    size = f"{count / 1e9:.1f}B" if count >= LARGE else f"{count / 1e6:.0f}M"
    what = f"{model} has {size} weights, and {trained} are trained"
    return what, {f"{prefix}{key}": value for key, value in found.items()}
