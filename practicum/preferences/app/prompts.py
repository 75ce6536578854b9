"""Where the prompts come from: a file, with the responses in it or written by a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from practicum.data.rows import read_rows
from practicum.errors import InputError
from practicum.preferences.records import NewPrompt
from practicum.types import Ranking, Response

CELLS = ("responses", "data", "overlap", "priority")
# Far above any number that means something here, and a float can hold it.
LARGEST_NUMBER = 1e15


@dataclass(frozen=True)
class PromptLine:
    """A prompt of a file, and where it stands: file and line."""

    prompt: NewPrompt
    origin: str


def read_prompts(path: Path) -> list[PromptLine]:
    """The prompts of a file: JSONL, a JSON array, CSV, TSV or Parquet.

    Each row has a `prompt`, and maybe `responses`, `data`, `prompt_id`, `overlap`, `priority`; a file of
    exported rankings will do. A prompt without responses has none: see `answered`.
    Raises InputError naming file, line and field of what is wrong, as two responses with the same text.
    """
    # CSV has cells of text only, and Parquet keeps rankings in such; in JSON a text is a text.
    in_json = Path(path.name.lower().removesuffix(".gz")).suffix in (".jsonl", ".ndjson", ".json")
    return [
        PromptLine(_prompt(row.values if in_json else _opened(row.values), row.origin), row.origin)
        for row in read_rows(path, "prompts")
    ]


def _opened(values: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose cells of text hold lists, objects and numbers as JSON."""
    texts = {name: values[name] for name in CELLS if isinstance(values.get(name), str)}
    return {**values, **{name: _cell(text) for name, text in texts.items()}}


def _cell(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def repeated(items: Sequence[PromptLine]) -> list[str]:
    """A line for the owner when prompts stand in the file more than once, else none."""
    first: dict[str, str] = {}
    again = []
    for item in items:
        name = item.prompt.id or item.prompt.prompt.text
        if name in first:
            again.append((item.origin, first[name]))
        first.setdefault(name, item.origin)
    if not again:
        return []
    one = f"{again[0][0]} has the same prompt as {again[0][1]}"
    more = f", and {len(again) - 1} more lines repeat one" if len(again) > 1 else ""
    return [
        f"{one}{more}: their responses are ranked together, equal ones once; a prompt_id tells them apart"
    ]


def _prompt(record: Mapping[str, Any], origin: str) -> NewPrompt:
    given = record.get("responses")
    # A ranking's reader knows all the fields they share; ranks are not a prompt's.
    stand_in = given if given is not None else ["", ""]
    ranks = list(range(len(stand_in))) if isinstance(stand_in, list) else []
    fields = {name: record.get(name) for name in ("prompt", "data", "prompt_id")}
    ranking = Ranking.from_json({**fields, "responses": stand_in, "ranks": ranks}, origin)
    if not ranking.prompt.text.strip():
        raise InputError(f"{origin}: prompt: expected a text, got nothing")
    if given is not None:
        _check_responses(ranking.responses, origin)
    return NewPrompt(
        ranking.prompt,
        ranking.responses if given is not None else (),
        ranking.prompt_id,
        _number(record, "overlap", int, origin),
        _number(record, "priority", (int, float), origin) or 0.0,
    )


def _check_responses(responses: Sequence[Response], origin: str) -> None:
    """Raise InputError for responses that nobody can rank: empty ones, and two alike."""
    seen: dict[str, int] = {}
    for index, response in enumerate(responses):
        text = response.text.strip()
        if not text:
            raise InputError(f"{origin}: responses[{index}]: expected a text, got nothing")
        if text in seen:
            raise InputError(
                f"{origin}: responses[{index}] is the same as responses[{seen[text]}]: leave one of them out"
            )
        seen[text] = index


def _number(record: Mapping[str, Any], name: str, kind: Any, origin: str) -> Any:
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, kind) or not abs(value) < LARGEST_NUMBER:
        raise InputError(f"{origin}: {name}: expected a number, got {value!r:.60}")
    return value


def answered(
    prompts: Sequence[NewPrompt],
    model: Path,
    count: int,
    temperature: float,
    max_new_tokens: int,
    seed: int,
    device: str = "auto",
) -> tuple[list[NewPrompt], int]:
    """The prompts with up to `count` different responses each, sampled from a model.

    Also the number of responses that `max_new_tokens` cut off: they are taken only where too few others are
    there, and their attributes say `{"cut": true}`. Raises InputError for a folder that holds no model, and
    for a prompt to which it has only one answer.
    """
    from practicum.model.checkpoint import model_folder
    from practicum.model.device import told_device
    from practicum.model.policy import load_policy
    from practicum.model.sampling import SamplingConfig
    from practicum.model.tokenizer import encode_prompts
    from practicum.rollout.sampler import scattered
    from practicum.rollout.samplers import make_sampler

    folder = model_folder(model)
    policy, tokenizer = load_policy(folder, told_device(device))
    sampler = make_sampler(policy, SamplingConfig(temperature=temperature, max_new_tokens=max_new_tokens))
    ids = encode_prompts(tokenizer, [item.prompt.text for item in prompts])
    # Some of a model's answers are equal, and nobody is paid to rank two equal ones.
    groups = sampler.sample(ids, 2 * count, scattered(seed))
    settings = {"temperature": temperature, "max_new_tokens": max_new_tokens, "seed": seed}
    made = []
    for item, group in zip(prompts, groups, strict=True):
        whole_first = sorted(group, key=lambda one: not one.finished)
        texts = tokenizer.decode_batch([one.ids for one in whole_first], skip_special_tokens=True)
        finished: dict[str, bool] = {}
        for text, one in zip(texts, whole_first, strict=True):
            if text.strip():
                finished.setdefault(text.strip(), one.finished)
        if len(finished) < 2:
            raise InputError(
                f"prompt {item.prompt.text!r:.60}: the model has only one answer, there is nothing to rank: "
                "raise --temperature"
            )
        responses = tuple(
            Response(
                text,
                model=str(model),
                checkpoint=folder.name,
                sampling=settings,
                attributes={} if whole else {"cut": True},
            )
            for text, whole in list(finished.items())[:count]
        )
        made.append(replace(item, responses=responses))
    return made, sum(bool(one.attributes) for item in made for one in item.responses)
