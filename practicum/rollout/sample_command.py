"""`practicum sample`: read what a model writes, with the task's judgement of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from tokenizers import Tokenizer

from practicum.errors import InputError
from practicum.model.device import told_device
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import chat_of, encode_prompts
from practicum.ranges import Common, Count, Ranged, Seed
from practicum.rollout.collect import collect
from practicum.rollout.converse import conversation_of
from practicum.rollout.sampler import Sampler, scattered
from practicum.rollout.samplers import make_sampler
from practicum.tasks.registry import TaskConfig, find_task
from practicum.tasks.task import Reads, check_able


@dataclass(frozen=True)
class SampleConfig(Ranged):
    """Read what a model writes.

    practicum sample --model runs/rl --prompt 'sum: x^2 - 5x + 6 = 0'
    practicum sample --model smollm2 --chat on --prompt 'Tell me a joke.'
    """

    model: Path
    """A model folder, a run's folder, a .gguf file, or smollm2."""
    prompt: Common[tuple[str, ...]] = ("3 - (3+y)/y = y",)
    """What to solve: an equation, or `solve: ...` or `sum: ...` in front of one; or anything, see chat."""
    chat: Common[Literal["auto", "on", "off"]] = "auto"
    """on asks prompts as they stand, judged by no task; auto does so where a model has a chat template."""
    count: Common[Count] = 1
    """Completions of each prompt."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task that words the prompt and judges the completion."""
    sampling: SamplingConfig = field(default_factory=lambda: SamplingConfig(temperature=0.0))
    """How completions are drawn; temperature 0, the default, is greedy."""
    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 0
    """Fixes the draw."""


def sample(config: SampleConfig) -> dict[str, Any]:
    """Sample and judge; the JSON of `practicum sample`. Prints prompts, completions and verdicts."""
    if not config.prompt:
        raise InputError("prompt is empty: at least one --prompt is needed")
    policy, tokenizer = load_policy(config.model, told_device(config.device))
    sampler = make_sampler(policy, config.sampling)
    if config.chat == "on" or (config.chat == "auto" and chat_of(tokenizer) is not None):
        return {"samples": answers(config, sampler, tokenizer)}
    task = find_task(config.task)
    check_able(task, "sample", Reads)
    prompts = [cast(Reads, task).read(text) for text in config.prompt]
    conversation = conversation_of(task, policy, config.sampling)
    seed = scattered(config.seed)
    batch = collect(sampler, tokenizer, task, prompts, config.count, seed, conversation=conversation)
    rows = [
        {
            "prompt": prompt.text,
            "completion": text,
            "outcome": score.outcome,
            "reason": score.reason,
            "logprob": float(total),
        }
        for prompt, text, score, total in zip(
            batch.prompts, batch.rollout.texts, batch.scores, batch.rollout.logprobs_BT.sum(1), strict=True
        )
    ]
    for row in rows:
        print(f"{row['prompt']}{row['completion']}\n=> {row['outcome']}: {row['reason']}\n")
    return {"samples": rows}


def answers(config: SampleConfig, sampler: Sampler, tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """Completions of the prompts as they stand, in the model's chat template if it has one. Prints them."""
    groups = sampler.sample(encode_prompts(tokenizer, config.prompt), config.count, scattered(config.seed))
    rows = [
        {
            "prompt": prompt,
            "completion": tokenizer.decode(one.ids, skip_special_tokens=True),
            "finished": one.finished,
            "logprob": sum(one.logprobs),
        }
        for prompt, group in zip(config.prompt, groups, strict=True)
        for one in group
    ]
    for row in rows:
        print(f"{row['prompt']}\n=> {row['completion']}\n")
    return rows
