"""The algorithms of practice, one a file. A new one is a file here and a line in ALGORITHMS."""

from practicum.training.algorithms import grpo, ppo
from practicum.training.algorithms.algorithm import Algorithm

ALGORITHMS: dict[str, Algorithm] = {one.name: one for one in (grpo.ALGORITHM, ppo.ALGORITHM)}
