"""Honest texts for rows that have none: the gold answer in the forms that are paid, or a policy's samples.

A form is honest where the reward pays the gold answer in it more than other rows' gold answers in it.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from practicum.audit.fuzz.payer import Ask, Payer
from practicum.audit.fuzz.rows import FuzzRow, with_texts
from practicum.audit.fuzz.values import differ
from practicum.errors import InputError
from practicum.types import Prompt

SAMPLES = 8
FORMS: Mapping[str, str] = {
    "alone": "%s",
    "boxed": "The answer follows from the question.\n\\boxed{%s}",
    "hashes": "I work it out.\n#### %s",
    "label": "I work it out.\nAnswer: %s",
    "final label": "I work it out.\nFinal answer: %s",
    "sentence": "The answer is %s.",
    "tag": "<answer>%s</answer>",
    "think and tag": "<think>I work it out.</think>\n<answer>%s</answer>",
    "reasoning and tag": "<reasoning>\nI work it out.\n</reasoning>\n<answer>\n%s\n</answer>\n",
    "think and box": "<think>I work it out.</think>\n\\boxed{%s}",
    "think": "<think>I work it out.</think>\n%s",
    "json": '{"answer": "%s"}',
    "json number": '{"answer": %s}',
    "bold": "**%s**",
}
PLACEHOLDER = re.compile(r"['\"`]([^'\"`\n]*?)\b(N|X|number|answer|NUMBER|ANSWER|value)(\W*)['\"`]")


def with_honest(
    payer: Payer, samples: Callable[[Sequence[Prompt]], list[list[str]]] | None
) -> tuple[FuzzRow, ...]:
    """The rows, those without honest texts with some.

    Raises InputError where none can be found, where the function fails on all texts, and where the budget
    ends before.
    """
    rows = tuple(payer.rows)
    if any(row.good for row in rows):
        _tell_unasked(samples, "the rows have good replies")
        # What honest wrong texts are missing, the right ones of other rows are, where gold answers differ.
        return tuple(
            row if row.bad else with_texts(row, row.good, _foreign(rows, place))
            for place, row in enumerate(rows)
        )
    found = _by_forms(payer)
    if found is not None:
        _tell_unasked(samples, "the gold answers, in a form that is paid, are right replies")
    if found is None and samples is not None:
        found = _by_samples(payer, samples)
    # Rows may have been left out, so that what is known of a place is another row's.
    payer.known.clear()
    if found is None:
        raise InputError(f"reward {payer.function.text}: {_nothing_honest(payer)}")
    return found


def _tell_unasked(samples: object, why: str) -> None:
    if samples is not None:
        print(f"practicum: --policy was not needed: {why}", file=sys.stderr)


def _nothing_honest(payer: Payer) -> str:
    """Why no right reply is known, and what to do."""
    paid = list(payer.known.values())
    if paid and all(one.error for one in paid):
        return f"it fails on every text: {paid[0].words}"
    remedy = "give the rows a column good (and bad), lists of right and wrong replies, or --policy MODEL"
    if sum(bool(row.gold) for row in payer.rows) < 2:
        return f"no right reply is known, since fewer than two rows have an answer: {remedy}"
    return (
        f"no right reply is known: in none of {len(FORMS)} usual forms does it pay the gold answers more "
        f"than wrong ones: {remedy}"
    )


def _foreign(rows: Sequence[FuzzRow], place: int) -> list[str]:
    gold = rows[place].gold
    others = [row for row in rows if gold and row.gold and differ(row.gold, gold)]
    return [text for row in others for text in row.good[:1]][:2]


def _by_forms(payer: Payer) -> tuple[FuzzRow, ...] | None:
    """The gold answers in the one or two forms that are paid most often, and other rows' in the same."""
    rows = payer.rows
    places = [place for place, row in enumerate(rows) if row.gold]
    if len(places) < 2:
        return None
    wins: dict[str, int] = {}
    forms = {**FORMS, **_prompted(rows)}
    for form in forms.values():
        asks, others = [], []
        for place in places:
            wrong = _wrong(rows, place)
            asks.append(Ask(place, form.replace("%s", rows[place].gold)))
            others.append(Ask(place, form.replace("%s", wrong)))
        right = [one.value or 0.0 for one in payer.pay(asks)]
        wrongs = [one.value or 0.0 for one in payer.pay(others)]
        wins[form] = sum(one > other + 1e-9 for one, other in zip(right, wrongs, strict=True))
    best = sorted(forms.values(), key=lambda form: (-wins[form], len(form)))[:2]
    best = [
        form for form in best if wins[form] >= max(1, 0.5 * len(places)) and wins[form] >= 0.9 * wins[best[0]]
    ]
    if not best:
        return None
    return tuple(
        with_texts(
            row,
            [form.replace("%s", row.gold) for form in best],
            [form.replace("%s", _wrong(rows, place)) for form in best],
        )
        for place, row in enumerate(rows)
        if place in places
    )


def _wrong(rows: Sequence[FuzzRow], place: int) -> str:
    gold = rows[place].gold
    others = [row.gold for row in rows if row.gold and differ(row.gold, gold)]
    return others[place % len(others)] if others else "zebra"


def _prompted(rows: Sequence[FuzzRow]) -> dict[str, str]:
    """Forms that the prompts themselves spell out with a placeholder, as in 'Answer: N'."""
    found: dict[str, str] = {}
    for row in rows[:3]:
        for match in PLACEHOLDER.finditer(row.prompt.text):
            form = f"{match[1]}%s{match[3]}"
            if form.strip() != "%s":
                found[f"prompt's {form}"] = f"I work it out.\n{form}"
    return found


def _by_samples(
    payer: Payer, samples: Callable[[Sequence[Prompt]], list[list[str]]]
) -> tuple[FuzzRow, ...] | None:
    """A policy's replies: the best paid ones of a row are its right ones, the worst paid its wrong ones."""
    rows = payer.rows
    found = []
    started = time.monotonic()
    sampled = samples([row.prompt for row in rows])
    # The seconds are the reward's.
    payer.started += time.monotonic() - started
    for place, texts in enumerate(sampled):
        texts = list(dict.fromkeys(text for text in texts if text.strip()))
        paid = [one.value for one in payer.pay([Ask(place, text) for text in texts])]
        ranked = sorted((value, text) for value, text in zip(paid, texts, strict=True) if value is not None)
        if ranked and ranked[-1][0] > ranked[0][0]:
            good = [text for value, text in ranked if value >= ranked[-1][0] - 1e-9]
            bad = [text for value, text in ranked if value <= ranked[0][0] + 1e-9]
            found.append(with_texts(rows[place], good[:3], bad[:3]))
    return tuple(found) or None


def sampler_of(
    model: Path, seed: int, told: Callable[[str], object] = lambda name: None
) -> Callable[[Sequence[Prompt]], list[list[str]]]:
    """What samples replies to prompts from a model folder; the model is read when it is first needed, which
    `told` hears. Raises InputError where there is no model.
    """
    from practicum.model.checkpoint import model_folder

    model_folder(model)

    def samples(prompts: Sequence[Prompt]) -> list[list[str]]:
        told(model.name)

        from practicum.model.device import told_device
        from practicum.model.policy import load_policy
        from practicum.model.sampling import SamplingConfig
        from practicum.model.tokenizer import encode_prompts
        from practicum.rollout.sampler import scattered
        from practicum.rollout.samplers import make_sampler

        policy, tokenizer = load_policy(model, told_device("auto"))
        sampler = make_sampler(policy, SamplingConfig(temperature=1.0))
        groups = sampler.sample(encode_prompts(tokenizer, prompts), SAMPLES, scattered(seed))
        return [[tokenizer.decode(one.ids, skip_special_tokens=True) for one in group] for group in groups]

    return samples
