"""Whether a reward and the truth part: looks at what the same answers are paid and what they are worth.

The truth never pays. It is a function of the user's own, or the exact verifier where the right answers are
numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance
from typing import Any, TypeAlias

from practicum.errors import InputError
from practicum.exact.extraction import extract_answer
from practicum.exact.gold import judge_gold, plain_answer
from practicum.exact.gold_numbers import read_number
from practicum.exact.verdict import Outcome
from practicum.guard.observer import Paid
from practicum.guard.stated import gold_of, words_and_numbers
from practicum.quantiles import normal_below
from practicum.types import Prompt

Truth: TypeAlias = Callable[[Sequence[Prompt], Sequence[str]], Sequence[float | None]]
"""What answers are worth, 0 (wrong) to 1 (right); None where the truth says nothing."""
LOOKS = 2
"""Looks that are the beginning, and looks that are the present."""
READABLE = 0.9


@dataclass(frozen=True)
class Look:
    """One look: mean and variance over prompts of what answers were paid and of what they are worth."""

    step: int
    prompts: int
    reward: float
    reward_variance: float
    truth: float
    truth_variance: float


def look_at(step: int, paid: Sequence[Paid], worth: Sequence[float | None]) -> Look | None:
    """A step's answers as a look; None where fewer than two prompts are judged."""
    rewards, truths = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for one, value in zip(paid, worth, strict=True):
        if value is not None:
            rewards[one.prompt.text].append(one.reward)
            truths[one.prompt.text].append(value)
    if len(rewards) < 2:
        return None
    means = [[fmean(values) for values in side.values()] for side in (rewards, truths)]
    spread = [variance(side) for side in means]
    return Look(step, len(rewards), fmean(means[0]), spread[0], fmean(means[1]), spread[1])


def parted(looks: Sequence[Look], confidence: float, span: float) -> str:
    """In words, how the reward has risen since the first looks while the truth has not; empty where not so.

    The reward has risen where its mean has, beyond chance. The truth stands where it cannot, at the same
    confidence, have risen by half as much, where there is so much room above it. Rewards are measured by
    `span`, the range they had in the run.
    """
    if len(looks) < 2 * LOOKS or span <= 0:
        return ""
    first, last = looks[:LOOKS], looks[-LOOKS:]
    z = normal_below(confidence)
    risen, error = _change(first, last, "reward")
    gained, doubt = _change(first, last, "truth")
    room = 1 - fmean(one.truth for one in first)
    if risen <= z * error or gained + z * doubt >= min(0.5 * risen / span, room):
        return ""
    before, after = (fmean(one.reward for one in looks) for looks in (first, last))
    true = [fmean(one.truth for one in looks) for looks in (first, last)]
    went = "fell" if gained < -z * doubt else "stood still"
    return (
        f"the reward rose from {before:.3g} to {after:.3g} while the truth {went}: "
        f"{true[0]:.0%} of the answers were right in the first looks, {true[1]:.0%} are now"
    )


def _change(first: Sequence[Look], last: Sequence[Look], name: str) -> tuple[float, float]:
    """A mean's change from some looks to others, and its standard error over prompts."""
    change = fmean(getattr(one, name) for one in last) - fmean(getattr(one, name) for one in first)
    errors = [
        sum(getattr(one, f"{name}_variance") / one.prompts for one in side) / len(side) ** 2
        for side in (first, last)
    ]
    return change, sqrt(sum(errors))


# -------------------------------------------------------------------------------- the verifier as the truth


def columns_of(prompt: Prompt) -> Mapping[str, Any]:
    """The columns of a prompt's row, with `answer` where one is known."""
    data = dict(prompt.data)
    row = data.get("row", data)
    columns = dict(row) if isinstance(row, Mapping) else {}
    return columns if data.get("answer") is None else {**columns, "answer": data["answer"]}


def verifier_for(prompts: Sequence[Prompt]) -> Truth | None:
    """The exact verifier as the truth, where nearly all right answers of these prompts are numbers."""
    golds = [gold_of(columns_of(prompt)) for prompt in prompts]
    numbers = sum(gold is not None and _is_number(gold) for gold in golds)
    return verified if golds and numbers >= READABLE * len(golds) else None


def verified(prompts: Sequence[Prompt], texts: Sequence[str]) -> list[float | None]:
    """1 where the answer of a text is the right number, else 0; None where the right answer is none."""
    return [_verified(gold_of(columns_of(prompt)), text) for prompt, text in zip(prompts, texts, strict=True)]


def _verified(gold: str | None, text: str) -> float | None:
    if gold is None or not _is_number(gold):
        return None
    answer = extract_answer(text)
    # A text that marks no answer is read by the last number in it, as most rewards do.
    numbers = words_and_numbers(text)
    said = answer if answer is not None else text.strip().splitlines()[-1] if text.strip() else ""
    if judge_gold(gold, said).outcome is Outcome.CORRECT:
        return 1.0
    return float(
        answer is None and bool(numbers) and judge_gold(gold, numbers[-1]).outcome is Outcome.CORRECT
    )


def _is_number(gold: str) -> bool:
    try:
        read_number(plain_answer(gold))
    except InputError:
        return False
    return True
