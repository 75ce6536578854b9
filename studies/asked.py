"""Answers of a model, and simulated people's rankings of them: what studies of preferences share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from practicum.model.device import chosen_device
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import encode_prompts
from practicum.preferences.raters import GOLDS, PeopleConfig, population, simulate
from practicum.rollout.samplers import make_sampler
from practicum.tasks.task import Task
from practicum.training.loop import sampling_seed
from practicum.types import Prompt, Ranking, Response


def sampled(
    model: Path, prompts: Sequence[Prompt], count: int, seed: int, sampling: SamplingConfig
) -> list[list[str]]:
    """`count` answers of a model to each prompt."""
    policy, tokenizer = load_policy(model, chosen_device("cpu"))
    sampler = make_sampler(policy, sampling)
    groups = sampler.sample(encode_prompts(tokenizer, prompts), count, seed)
    return [tokenizer.decode_batch([one.ids for one in group], skip_special_tokens=True) for group in groups]


def ranked(
    task: Task,
    model: Path,
    count: int,
    responses: int,
    people: PeopleConfig,
    seed: int,
    sampling: SamplingConfig,
) -> list[Ranking]:
    """`count` rankings of so many different answers of a model each, one person a ranking.

    Raises RuntimeError where the model says too often the same.
    """
    # Some answers are equal, so a few more prompts are asked, and each is answered more often.
    prompts = task.prompts("train", count + count // 10 + 5, seed)
    groups = sampled(model, prompts, 2 * responses, sampling_seed(seed, "ranked"), sampling)
    asked = []
    for prompt, texts in zip(prompts, groups, strict=True):
        different = list(dict.fromkeys(text for text in texts if text.strip()))[:responses]
        if len(different) == responses:
            asked.append((prompt, [Response(text) for text in different]))
    if len(asked) < count:
        raise RuntimeError(f"{model}: {len(asked)} of {len(prompts)} prompts have {responses} answers")
    gold = GOLDS[task.name]
    return simulate(population(people, gold, seed), asked[:count], gold, 1, seed)
