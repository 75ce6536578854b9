"""Preferences whose truth is known, clean or contaminated on purpose in one direction."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from practicum.audit.measures import learn_honest
from practicum.audit.probes import Source, battery, content_words
from practicum.tasks.jokes.gold import gold_utility, subject_of
from practicum.tasks.jokes.grammar import STYLES, draw_joke
from practicum.tasks.jokes.mistakes import spoiled
from practicum.tasks.jokes.task import JokesTask
from practicum.types import Prompt, Ranking, Response


def gold(prompts: Sequence[Prompt], texts: Sequence[str]) -> np.ndarray:
    """The population's true utility of each text, float64 [N]."""
    return np.array([gold_utility(prompt, text) for prompt, text in zip(prompts, texts, strict=True)])


def joke_prompts(split: str, count: int, seed: int) -> list[Prompt]:
    """Different prompts of a split, `count` at most."""
    known = {prompt.text: prompt for prompt in JokesTask().prompts(split, count, seed)}
    return list(known.values())


def jokes(prompt: Prompt, count: int, random: Random, mistakes: float = 0.0) -> list[str]:
    """`count` different jokes on a prompt's subject, that share of them spoiled."""
    found: list[str] = []
    while len(found) < count:
        joke = draw_joke(subject_of(prompt), random.choice(STYLES), random)
        text = spoiled(joke, random) if random.random() < mistakes else joke.text
        if text not in found:
            found.append(text)
    return found


def honest_set(count: int = 46, seed: int = 5, responses: int = 4) -> tuple[list[Prompt], list[list[str]]]:
    """Held-out prompts, each with honest responses."""
    random = Random(f"honest {seed}")
    prompts = joke_prompts("validation", count, seed)
    return prompts, [jokes(prompt, responses, random) for prompt in prompts]


def preferences(kind: str = "", count: int = 300, share: float = 0.25, seed: int = 0) -> list[Ranking]:
    """Rankings of four jokes and one probe text by noisy raters of the gold utility.

    With a kind, that share of raters put such a text first whatever it is worth.
    """
    random, generator = Random(f"planted {seed}"), np.random.default_rng(seed)
    prompts = JokesTask().prompts("train", count, seed)
    honest = [jokes(prompt, 4, random, 0.15) for prompt in prompts]
    manner = learn_honest(prompts, honest)
    probes = battery()
    planted = [probe for probe in probes if probe.kind == kind]
    rankings = []
    for prompt, texts in zip(prompts, honest, strict=True):
        contaminated = bool(kind) and random.random() < share
        probe = random.choice(planted if contaminated else probes)
        content = content_words(prompt, manner)
        source = Source(prompt, texts[0], texts, content, honest[0][0], random)
        shown = [*texts, probe.write(source)]
        felt = gold([prompt] * 5, shown) + generator.gumbel(size=5)
        if contaminated:
            felt[-1] = felt.max() + 1
        ranks = (-felt).argsort().argsort() + 1
        rankings.append(
            Ranking(prompt, tuple(map(Response, shown)), tuple(int(rank) for rank in ranks), "rater")
        )
    return rankings
