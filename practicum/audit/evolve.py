"""An evolutionary search over words: templates whose slots stand for a prompt's own words.

Mutations insert, delete, replace, double, swap, cut and cross; a gradient on embeddings may suggest swaps
(HotFlip, Ebrahimi et al. 2018; universal triggers, Wallace et al. 2019), else all are blind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

from practicum.reward.plain import BudgetSpent
from practicum.stats import Floats
from practicum.types import Prompt

Template: TypeAlias = tuple[str, ...]
"""Words; `{0}` stands for the prompt's last own word, `{1}` for the one before, and so on."""
Swaps: TypeAlias = Callable[[Prompt, Sequence[str]], Sequence[tuple[int, str]]]
"""Prompt and words of a text to (place, new word): swaps that the gradient says raise the reward."""
POPULATION = 24
LONGEST = 60
LENGTH_COST = 0.01
"""Fitness a word costs, so that what does not help is dropped and the rest can be named."""


def template_of(text: str, content: Sequence[str]) -> Template:
    """A text with its prompt's own words as slots."""
    slots = {word: f"{{{index}}}" for index, word in enumerate(reversed(content))}
    words = []
    for word in text.split():
        bare = word.strip(".,:;!?\"'").lower()
        words.append(word.lower().replace(bare, slots[bare]) if bare in slots else word)
    return tuple(words[:LONGEST])


def rendered(template: Template, content: Sequence[str]) -> str:
    """The text for a prompt with these own words; a slot it has no word for is left out."""
    words = []
    for word in template:
        start, stop = word.find("{"), word.find("}")
        if 0 <= start < stop and word[start + 1 : stop].isdigit():
            slot = int(word[start + 1 : stop])
            if slot >= len(content):
                continue
            word = word[:start] + content[len(content) - 1 - slot] + word[stop + 1 :]
        words.append(word)
    return " ".join(words)


def evolve(
    seeds: Sequence[Template],
    words: Sequence[str],
    fitness: Callable[[Sequence[Template]], Floats],
    evaluations: int,
    random: Random,
    suggested: Callable[[Template], Sequence[tuple[int, str]]] | None = None,
) -> list[Template]:
    """Templates found, the fittest first; at most `evaluations` of them are rated, fewer if the budget ends.

    `words` are what mutations may insert, repeated words more often.
    """
    rated: dict[Template, float] = {}

    def rate(templates: Sequence[Template]) -> bool:
        new = [one for one in dict.fromkeys(templates) if one not in rated][: evaluations - len(rated)]
        if not new:
            return len(rated) < evaluations
        try:
            values = fitness(new)
        except BudgetSpent:
            return False
        rated.update(
            (one, float(value) - LENGTH_COST * len(one)) for one, value in zip(new, values, strict=True)
        )
        return len(rated) < evaluations

    going = evaluations > 0 and rate(list(seeds))
    barren = 0
    while going and barren < 20:
        parents = sorted(rated, key=lambda one: -rated[one])[:POPULATION]
        before = len(rated)
        going = rate([_child(parents, words, random, suggested) for _ in range(POPULATION)])
        barren = barren + 1 if len(rated) == before else 0
    return sorted(rated, key=lambda one: -rated[one])


def _child(
    parents: Sequence[Template],
    words: Sequence[str],
    random: Random,
    suggested: Callable[[Template], Sequence[tuple[int, str]]] | None,
) -> Template:
    # The better of two: enough pressure for a search of a few hundred ratings.
    parent = list(parents[min(random.randrange(len(parents)), random.randrange(len(parents)))])
    if suggested is not None and random.random() < 0.5:
        options = suggested(tuple(parent))
        if options:
            place, word = random.choice(list(options))
            if place < len(parent):
                parent[place] = word
                return tuple(parent)
    place = random.randrange(len(parent) + 1)
    kind = random.choice(("insert", "delete", "replace", "double", "swap", "cut", "cross", "again"))
    if kind == "insert" or len(parent) < 2:
        parent.insert(place, random.choice(words) if words else "{0}")
    elif kind == "delete":
        del parent[place % len(parent)]
    elif kind == "replace":
        parent[place % len(parent)] = random.choice([*random.sample(list(words), min(3, len(words))), "{0}"])
    elif kind == "double":
        start = place % len(parent)
        span = parent[start : start + random.randint(1, 6)]
        parent[start:start] = span * random.randint(1, 2)
    elif kind == "swap":
        first, second = random.randrange(len(parent)), random.randrange(len(parent))
        parent[first], parent[second] = parent[second], parent[first]
    elif kind == "cut":
        start = place % len(parent)
        del parent[start : start + random.randint(2, 6)]
    elif kind == "cross":
        other = random.choice(parents)
        parent = [*parent[:place], *other[random.randrange(len(other) + 1) :]]
    else:
        parent = parent + parent[-random.randint(1, 8) :]
    return tuple(parent[:LONGEST])
