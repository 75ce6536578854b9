"""A completion token by token: the likeliest alternatives with their probabilities, and a person chooses."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

import torch

from practicum.model.sampling import choose
from practicum.play.speaker import Speaker
from practicum.play.terminal import ask, printable, table

HOW = (
    "practicum: type a number to take that token, Enter for the likeliest, s to draw one, b to go back, "
    "e to let the model write to the end, q to stop"
)


def step_through(speaker: Speaker, prompt_ids: list[int], alternatives: int) -> dict[str, Any]:
    """Choose token after token; returns the completion and, for each token, what it was chosen over."""
    print(HOW, file=sys.stderr)
    chosen: list[dict[str, Any]] = []
    ends, limit = speaker.policy.spec.eos_ids, speaker.policy.spec.max_positions
    most = speaker.stepper.config.max_new_tokens
    alone = False
    while not is_over(chosen, ends, most, limit - len(prompt_ids)):
        ids = [*prompt_ids, *(one["id"] for one in chosen)]
        logprobs_V = speaker.stepper.logprobs(ids).cpu()
        options = options_of(speaker, logprobs_V, alternatives)
        if not alone:
            _show(speaker, chosen, options)
        word = "e" if alone else ask("> ")
        if word is None or word == "q":
            break
        if word == "b":
            chosen = chosen[:-1]
            continue
        alone = alone or word == "e"
        token = chosen_token(word, options, logprobs_V, speaker)
        if token is None:
            print(f"expected a number from 1 to {len(options)}, Enter, s, b, e or q", file=sys.stderr)
            continue
        chosen.append(row_of(speaker, token, logprobs_V))
    text = text_of(speaker, chosen)
    print(f"\n{printable(text)}")
    return {
        "completion": text,
        "finished": bool(chosen) and chosen[-1]["id"] in ends,
        "logprob": sum(math.log(one["probability"]) for one in chosen),
        "tokens": chosen,
    }


def is_over(chosen: list[dict[str, Any]], ends: tuple[int, ...], most: int, room: int) -> bool:
    """Whether no token may follow: the end of sequence came, or `most` tokens, or more than the `room`."""
    # The last token is read by nobody, so it may stand just past the model's positions.
    return bool(chosen) and (chosen[-1]["id"] in ends or len(chosen) >= most or len(chosen) > room)


def chosen_token(
    word: str, options: list[dict[str, Any]], logprobs_V: torch.Tensor, speaker: Speaker
) -> int | None:
    """The token that a word means, None where it means none."""
    config = speaker.stepper.config
    if word == "s":
        # What is shown are probabilities, also where the settings are greedy.
        drawing = replace(config, temperature=config.temperature or 1.0)
        return int(choose(logprobs_V[None], drawing, speaker.generator))
    if word == "e":
        return int(choose(logprobs_V[None], config, speaker.generator))
    if not word:
        return int(options[0]["id"])
    number = int(word) if word.isascii() and word.isdigit() and len(word) < 9 else 0
    return int(options[number - 1]["id"]) if 1 <= number <= len(options) else None


def options_of(speaker: Speaker, logprobs_V: torch.Tensor, count: int) -> list[dict[str, Any]]:
    """The likeliest tokens, the likeliest first; of equal ones the lowest id."""
    order = torch.sort(logprobs_V, descending=True, stable=True).indices[:count].tolist()
    return [row_of(speaker, token, logprobs_V) for token in order if logprobs_V[token] > -math.inf]


def row_of(speaker: Speaker, token: int, logprobs_V: torch.Tensor) -> dict[str, Any]:
    """A token with its text and its probability, 0 to 1."""
    written = speaker.tokenizer.decode([token], skip_special_tokens=False)
    return {"id": token, "text": written, "probability": math.exp(float(logprobs_V[token]))}


def _show(speaker: Speaker, chosen: list[dict[str, Any]], options: list[dict[str, Any]]) -> None:
    rows = [
        [f"{number:3}", f"{one['probability']:7.2%}", _quoted(speaker, one)]
        for number, one in enumerate(options, start=1)
    ]
    others = 1 - sum(one["probability"] for one in options)
    if others > 0.00005:
        rows.append(["", f"{others:7.2%}", "all others"])
    print(f"\n{printable(text_of(speaker, chosen))}|\n{table(rows)}")


def _quoted(speaker: Speaker, one: dict[str, Any]) -> str:
    end = " ends" if one["id"] in speaker.policy.spec.eos_ids else ""
    return f"{one['text']!r}{end}"


def text_of(speaker: Speaker, chosen: list[dict[str, Any]]) -> str:
    """The text of the tokens chosen so far."""
    return str(speaker.tokenizer.decode([one["id"] for one in chosen], skip_special_tokens=True))
