"""A potential for practice on equations: how much of a solution's work its lines have shown so far.

    practicum rl --model runs/sft --algorithm ppo --ppo.potential examples/equation_potential.py:progress

Shaping by it pays a step towards a solution when it is made and takes the pay back in the end, so that what
is best stays what it was (Ng, Harada & Russell 1999).
"""

from __future__ import annotations

from practicum.tasks.equations.task import EquationsTask
from practicum.types import Prompt

WORTH = 0.5
TASK = EquationsTask()


def progress(prompt: Prompt, text: str) -> float:
    """Share of the steps the problem calls for (domain, factoring, check) that stand there, times WORTH."""
    shown = TASK.behaviours(prompt, text)
    return WORTH * sum(shown.values()) / len(shown) if shown and text else 0.0
