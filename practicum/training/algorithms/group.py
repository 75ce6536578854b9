"""The house's default: GRPO's advantages in DAPO's loss, without a KL unless one is asked for.

Answers to one prompt compete; every token of the batch weighs the same, and the upper clip bound is wider.
Everything in it is open to the settings: `--grpo.advantage`, `--update.aggregation`, `--update.clip_high`.
It is what TRL's GRPOTrainer does by default (`loss_type="dapo"`, `beta=0`), but for its `epsilon_high`.
Sources: Shao et al. 2024 (2402.03300, section 4.1.2); Yu et al. 2025 (DAPO, 2503.14476, eq. 8).
"""

from practicum.training.algorithms.algorithm import Algorithm
from practicum.training.algorithms.grpo import credit

ALGORITHM = Algorithm(
    "group",
    needs=frozenset(),
    fewest=2,
    credit=credit,
    section="grpo",
    changes="the default: GRPO's advantage, tokens weigh alike, upper clip 0.28, no KL",
    source="Shao et al. 2024, 2402.03300; Yu et al. 2025, 2503.14476",
)
