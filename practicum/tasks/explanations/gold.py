"""How friendly an explanation is to a beginner, read from its lines, and the gold utility of it.

    u(prompt, text) = 6 (s - 1) + s (1.5 reasons + plain + complete + 0.5 short)

Raters of explanations are beginners: they judge how it is told and cannot judge whether it is right. That is
why the verifier must stay in the reward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from practicum.tasks.explanations.phrases import ANSWER, read_step
from practicum.types import Prompt

MAX_LINES = 64
MAX_CHARACTERS = 200
SHORT, LONG = 12, 30
"""Words of a line at which shortness is 1 and 0."""
FEWEST_STEPS = 2
"""Steps expected of an equation whose worked solution is not known."""

POPULATION: Mapping[str, float] = MappingProxyType(
    {"soundness": 6.0, "reasons": 1.5, "plain": 1.0, "complete": 1.0, "short": 0.5}
)
"""The taste of all raters together, in units of utility."""


@dataclass(frozen=True)
class Clarity:
    """How an explanation is told, each from 0 to 1.

    soundness: share of lines that are steps in known words with mathematics behind them, each only once,
    times 1 when it ends with an answer and 1/2 otherwise. reasons: share of steps that say why. plain: share
    of steps in plain words, with or without a reason. complete: different steps, as a share of those of the
    worked solution, at most 1: what is missing is an unexplained jump. short: of the average line, 1 up to
    12 words and 0 from 30 on.
    """

    soundness: float
    reasons: float
    plain: float
    complete: float
    short: float
    steps: int

    @property
    def friendliness(self) -> float:
        """soundness complete short (reasons + plain) / 2."""
        return self.soundness * self.complete * self.short * (self.reasons + self.plain) / 2


def read_clarity(prompt: Prompt, text: str) -> Clarity:
    """Clarity of any text as an explanation. Never raises."""
    lines = text.strip("\n").split("\n")
    kept = [line for line in lines[:MAX_LINES] if len(line) <= MAX_CHARACTERS]
    answered = bool(kept) and kept[-1].startswith(f"{ANSWER}: ")
    told = kept[:-1] if answered else kept
    steps = [step for line in dict.fromkeys(told) if (step := read_step(line)) is not None]
    count = max(len(steps), 1)
    words = sum(len(line.partition(": ")[0].split()) for line in told) / max(len(told), 1)
    return Clarity(
        soundness=len(steps) / max(len(lines) - answered, 1) * (1.0 if answered else 0.5),
        reasons=sum(step.register == "reason" for step in steps) / count,
        plain=sum(step.register in ("plain", "reason") for step in steps) / count,
        complete=min(1.0, len({step.keyword for step in steps}) / needed_steps(prompt)),
        short=min(1.0, max(0.0, (LONG - words) / (LONG - SHORT))),
        steps=len(steps),
    )


def needed_steps(prompt: Prompt) -> int:
    """How many different steps the worked solution in the prompt's record has, at least 1."""
    worked = prompt.data.get("worked", "")
    if not worked:
        return FEWEST_STEPS
    return max(1, len({step.keyword for line in worked.split("\n") if (step := read_step(line)) is not None}))


def features_of(prompt: Prompt, text: str) -> dict[str, float]:
    """What a taste weighs: soundness - 1, and soundness times the other shares."""
    found = read_clarity(prompt, text)
    return {
        "soundness": found.soundness - 1,
        "reasons": found.soundness * found.reasons,
        "plain": found.soundness * found.plain,
        "complete": found.soundness * found.complete,
        "short": found.soundness * found.short,
    }


def gold_utility(prompt: Prompt, text: str, taste: Mapping[str, float] = POPULATION) -> float:
    """Utility of a text as an explanation; see the formula at the top. Never raises on a text."""
    return sum(taste[name] * value for name, value in features_of(prompt, text).items())
