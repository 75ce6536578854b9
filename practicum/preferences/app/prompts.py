"""Where the prompts come from: a file, with the responses in it or written by a model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from practicum.errors import InputError
from practicum.preferences.records import NewPrompt
from practicum.types import Ranking, Response


def read_prompts(path: Path) -> list[NewPrompt]:
    """The prompts of a JSONL file.

    Each line has a `prompt`, and maybe `responses`, `data`, `prompt_id`, `overlap`, `priority`; a file of
    exported rankings will do. A prompt without responses has none: see `answered`.
    Raises InputError naming file, line and field of what is wrong.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    found = [_prompt(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise InputError(f"{path}: holds no prompts")
    return found


def _prompt(line: bytes, origin: str) -> NewPrompt:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{origin}: no JSON object ({error})") from error
    if not isinstance(record, dict):
        raise InputError(f"{origin}: expected a JSON object, got {type(record).__name__}")
    given = record.get("responses")
    # A ranking's reader knows all the fields they share; ranks are not a prompt's.
    stand_in = given if given is not None else ["", ""]
    ranks = list(range(len(stand_in))) if isinstance(stand_in, list) else []
    fields = {name: record.get(name) for name in ("prompt", "data", "prompt_id")}
    ranking = Ranking.from_json({**fields, "responses": stand_in, "ranks": ranks}, origin)
    return NewPrompt(
        ranking.prompt,
        ranking.responses if given is not None else (),
        ranking.prompt_id,
        _number(record, "overlap", int, origin),
        _number(record, "priority", (int, float), origin) or 0.0,
    )


def _number(record: dict[str, Any], name: str, kind: Any, origin: str) -> Any:
    value = record.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
        raise InputError(f"{origin}: {name}: expected a number, got {value!r:.60}")
    return value


def answered(
    prompts: Sequence[NewPrompt], model: Path, count: int, temperature: float, max_new_tokens: int, seed: int
) -> Iterator[NewPrompt]:
    """The prompts with up to `count` different responses each, sampled from a model.

    Raises InputError for a folder that holds no model, and for a prompt to which it has only one answer.
    """
    import torch

    from practicum.model.checkpoint import load_model, model_folder
    from practicum.model.tokenizer import encode_prompts
    from practicum.rollout.sampler import Sampler, SamplingConfig

    folder = model_folder(model)
    decoder, tokenizer = load_model(folder)
    sampler = Sampler(decoder, SamplingConfig(temperature=temperature, max_new_tokens=max_new_tokens))
    ids = encode_prompts(tokenizer, [item.prompt.text for item in prompts])
    # Some of a model's answers are equal, and nobody is paid to rank two equal ones.
    groups = sampler.sample(ids, 2 * count, torch.Generator().manual_seed(seed))
    settings = {"temperature": temperature, "max_new_tokens": max_new_tokens, "seed": seed}
    for item, group in zip(prompts, groups, strict=True):
        texts = tokenizer.decode_batch([one.ids for one in group], skip_special_tokens=True)
        different = list(dict.fromkeys(text.strip() for text in texts))[:count]
        if len(different) < 2:
            raise InputError(
                f"prompt {item.prompt.text!r:.60}: the model has only one answer, there is nothing to rank: "
                "raise --temperature"
            )
        made = (
            Response(text, model=str(model), checkpoint=folder.name, sampling=settings) for text in different
        )
        yield replace(item, responses=tuple(made))
