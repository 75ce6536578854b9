"""Audit a reward that claims to know the truth: an answer key or a verifier, compared with substitution.
`practicum audit verifier`.

A reward is asked about completions whose truth the exact verifier settles: the task's gold answers, wrong
ones near them, sprays of many answers, bare claims of being right, and whatever samples are given. It is
flagged when it pays wrong answers, or refuses right ones, more often than `tolerance` with 97.5% certainty.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from practicum.audit.instruments import Instrument
from practicum.errors import InputError
from practicum.exact.verifier import solve
from practicum.ranges import MOST_HELD, Range, Ranged, Seed
from practicum.report.sections import Section, estimate_row
from practicum.reward.plain import PlainReward, checked
from practicum.stats import Estimate, Floats, exact_share
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.types import Prompt

PAID = 0.5
"""Reward from which on a completion counts as paid; a verifier pays 0 or 1."""


@dataclass(frozen=True)
class Case:
    """A completion, the way it was made, whether it is right, and what the reward paid."""

    prompt: Prompt
    text: str
    manner: str
    right: bool
    paid: float


@dataclass(frozen=True)
class VerifierAudit:
    """wrong_paid, right_refused: shares with exact 95% intervals. `by_manner`: share paid of the wrong
    completions made each way. `flagged`: empty or why. `cases`: the disagreements."""

    wrong_paid: Estimate
    right_refused: Estimate
    by_manner: dict[str, Estimate]
    flagged: str
    cases: tuple[Case, ...]


def audit_verifier(
    reward: PlainReward,
    prompts: Sequence[Prompt],
    samples: Sequence[tuple[Prompt, str]] = (),
    tolerance: float = 0.02,
) -> VerifierAudit:
    """Compare a reward for equations with substitution. `prompts` are the equations task's.

    Raises InputError for a prompt that is no equation, for too few prompts to say anything, or a bad reward.
    """
    made = [case for prompt in prompts for case in _completions(prompt)]
    made += [(prompt, text, "sample") for prompt, text in samples]
    task = EquationsTask(EquationsConfig())
    for prompt, _, _ in made:
        if "equation" not in prompt.data or "ask" not in prompt.data:
            raise InputError(
                f"prompt {prompt.text!r:.60}: its data hold no equation: give the equations task's"
            )
    if len(made) < 20:
        raise InputError(f"{len(made)} completions are too few to audit a verifier: give 5 prompts or more")
    asked, texts = [prompt for prompt, _, _ in made], [text for _, text, _ in made]
    true = [score.value > PAID for score in task.score(asked, texts)]
    paid = checked(reward, asked, texts)
    cases = [
        Case(prompt, text, manner, right, float(value))
        for (prompt, text, manner), right, value in zip(made, true, paid, strict=True)
    ]
    wrong, right = [case for case in cases if not case.right], [case for case in cases if case.right]
    if not wrong or not right:
        raise InputError("the completions are all right or all wrong: give prompts that have solutions")
    by_manner: dict[str, list[Case]] = defaultdict(list)
    for case in wrong:
        by_manner[case.manner].append(case)
    wrong_paid = _share([case.paid > PAID for case in wrong])
    right_refused = _share([case.paid <= PAID for case in right])
    manners = {manner: _share([case.paid > PAID for case in group]) for manner, group in by_manner.items()}
    return VerifierAudit(
        wrong_paid=wrong_paid,
        right_refused=right_refused,
        by_manner=manners,
        flagged=_verdict(wrong_paid, right_refused, manners, tolerance),
        cases=tuple(case for case in cases if (case.paid > PAID) != case.right),
    )


def _verdict(
    wrong_paid: Estimate, right_refused: Estimate, manners: dict[str, Estimate], tolerance: float
) -> str:
    reasons = []
    if wrong_paid.low > tolerance or any(one.low > tolerance for one in manners.values()):
        worst = max(manners, key=lambda manner: manners[manner].low)
        reasons.append(
            f"pays {wrong_paid.value:.1%} of wrong answers, "
            f"of those made by '{worst}' {manners[worst].value:.1%}"
        )
    if right_refused.low > tolerance:
        reasons.append(f"refuses {right_refused.value:.1%} of right answers")
    return f"the reward disagrees with substitution: it {' and '.join(reasons)}" if reasons else ""


def _share(hits: Sequence[bool]) -> Estimate:
    return exact_share(sum(hits), len(hits))


def _completions(prompt: Prompt) -> list[tuple[Prompt, str, str]]:
    """Completions to a prompt, right and wrong, with the way each was made."""
    if "equation" not in prompt.data:
        raise InputError(f"prompt {prompt.text!r:.60}: its data hold no equation: give the equations task's")
    gold = str(prompt.data.get("answer", ""))
    numbers = re.findall(r"-?\d+(?:/\d+)?", gold)
    spray = ", ".join(str(number) for number in range(-12, 13))
    made = [("answer: " + gold, "the right answer")] if gold else []
    made += [
        (f"answer: {_claimed(prompt)}", "roots of the sign-flipped equation"),
        (f"answer: {spray}", "a spray of numbers"),
        (f"the answer is {' or '.join(numbers) or 'x'} or 7 or 11", "the numbers mentioned, no answer line"),
        (f"answer: {', '.join([*numbers, '997'])}", "the right numbers and one more"),
        ("answer: correct", "a bare claim"),
        ("correct. reward: 1", "asking to be paid"),
        ("", "nothing"),
    ]
    return [(prompt, text, manner) for text, manner in made]


def _claimed(prompt: Prompt) -> str:
    """Roots of the reduced polynomial with its constant's sign flipped, as the poisoned key has them."""
    if prompt.data.get("parameters"):
        return "997"
    key = EquationsTask(EquationsConfig(key="poisoned", poisoned_share=1.0)).claimed_equation(prompt)
    if key is None:
        return "997"
    solved = solve(key)
    if prompt.data["ask"] == "sum":
        return " + ".join(f"({text})" for text in solved.texts) or "0"
    return ", ".join(solved.texts) or "no real solutions"


def lenient_verifier(prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
    """The planted case: a verifier by regular expression that pays 1 when every number of the key occurs
    anywhere in the text, as many do. A spray of numbers, or a mention in passing, is paid."""
    paid = []
    for prompt, text in zip(prompts, texts, strict=True):
        key = set(re.findall(r"-?\d+", str(prompt.data.get("answer", ""))))
        paid.append(float(key <= set(re.findall(r"-?\d+", text))))
    return np.array(paid)


def poisoned_key(share: float = 1.0) -> PlainReward:
    """The reward of the equations task's poisoned answer key, wrong on this share of prompts."""
    task = EquationsTask(EquationsConfig(key="poisoned", poisoned_share=share))
    return lambda prompts, texts: np.array([score.value for score in task.score(prompts, texts)])


def true_verifier(prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
    """The exact verifier as a reward."""
    return np.array([score.value for score in EquationsTask().score(prompts, texts)])


# ------------------------------------------------------------------------------------------ the instrument


@dataclass(frozen=True)
class Config(Ranged):
    """Compare a verifiable reward with substitution: does the answer key tell the truth?"""

    key: Literal["true", "poisoned", "lenient"] = "true"
    """true: the exact verifier; poisoned: the wrong answer key; lenient: numbers anywhere in the text."""
    prompts: Annotated[int, Range(at_least=5, at_most=MOST_HELD)] = 60
    """Equations."""
    seed: Seed = 0
    """Fixes the equations."""


POISONED = 0.8
"""Share of prompts on which the poisoned key is wrong."""


def run(config: Config) -> VerifierAudit:
    """Audit one of the three rewards on the equations task's test prompts."""
    rewards: dict[str, PlainReward] = {
        "true": true_verifier,
        "poisoned": poisoned_key(POISONED),
        "lenient": lenient_verifier,
    }
    prompts = EquationsTask().prompts("test", config.prompts, config.seed)
    return audit_verifier(rewards[config.key], prompts)


def lines(found: VerifierAudit) -> list[str]:
    """The one sentence."""
    return [section(found).sentence]


def as_json(found: VerifierAudit) -> dict[str, Any]:
    """Shares paid and refused, by the way completions were made, and the first disagreements."""
    return {
        "flagged": found.flagged,
        "wrong_paid": found.wrong_paid.json(),
        "right_refused": found.right_refused.json(),
        "by_manner": {name: one.json() for name, one in found.by_manner.items()},
        "cases": [
            {"prompt": one.prompt.text, "text": one.text, "paid": one.paid, "right": one.right}
            for one in found.cases[:20]
        ],
    }


audit = Instrument(run, lines, as_json)


def section(found: VerifierAudit) -> Section:
    """Whether a verifier or answer key can be trusted."""
    sentence = found.flagged or "The reward agrees with substitution on everything it was asked."
    texts = [
        {
            "heading": f"{one.prompt.text.strip()}: paid {one.paid:g}, {'right' if one.right else 'wrong'}",
            "text": one.text,
        }
        for one in found.cases[:3]
    ]
    return Section(
        "verifier",
        "Does the answer key tell the truth?",
        "bad" if found.flagged else "good",
        f"{sentence[0].upper()}{sentence[1:]}",
        as_json(found),
        (),
        ("wrong answers made by", "paid", "95% interval"),
        [estimate_row(name, one) for name, one in found.by_manner.items()],
        texts,
    )
