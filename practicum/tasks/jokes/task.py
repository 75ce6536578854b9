"""The jokes task: prompts, worked examples and scores, for a thing no verifier can settle: what is funny.

What can be settled is whether a text is a well-formed joke about what was asked for; that is the default
reward. What people prefer among such jokes is the gold utility, which simulated raters see and trainers do
not; `reward = "gold"` pays it directly, as the yardstick for rewards learned from people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from practicum.errors import InputError
from practicum.ranges import NonNegativeFloat, Ranged, Share
from practicum.tasks.jokes.attacks import attack_texts
from practicum.tasks.jokes.attributes import Attributes, read_attributes
from practicum.tasks.jokes.gold import features, subject_of, utility
from practicum.tasks.jokes.grammar import STYLES, draw_joke
from practicum.tasks.jokes.mistakes import spoiled
from practicum.tasks.jokes.subjects import REQUEST, Subject, read_request, subjects, with_article
from practicum.tasks.jokes.textbook import passage
from practicum.types import Demonstration, Prompt, Score


@dataclass(frozen=True)
class JokesConfig(Ranged, section="jokes"):
    """Which jokes are shown as examples and what is rewarded."""

    styles: Mapping[str, NonNegativeFloat] = field(
        default_factory=lambda: {"pun": 0.4, "question": 0.2, "one_liner": 0.15, "story": 0.1, "absurd": 0.15}
    )
    """Weights of the styles of the worked examples, any positive scale."""
    mistakes: Share = 0.15
    """Share of worked examples with a slip: no end, a wrong punch line or subject, a repetition."""
    reward: Literal["sound", "gold"] = "sound"
    """`sound` pays 1 for a well-formed joke about the subject, `gold` the population's gold utility."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.styles:
            if name not in STYLES:
                raise InputError(f"jokes.styles: unknown style {name!r}, choose from {', '.join(STYLES)}")
        if not sum(self.styles.values()) > 0:
            raise InputError("jokes.styles: expected at least one weight above 0")
        if self.reward not in ("sound", "gold"):
            raise InputError(f"jokes.reward: expected sound or gold, got {self.reward!r}")


class JokesTask:
    """The jokes task of `practicum.tasks.task.Task`."""

    name = "jokes"
    # Jokes turn on words; whole ones make texts a third shorter, and words easy to compare.
    vocabulary_size = 1536

    def __init__(self, config: JokesConfig | None = None) -> None:
        self.config = config or JokesConfig()
        self._styles = tuple(self.config.styles), tuple(self.config.styles.values())

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """`count` prompts of one split; they repeat only when every subject of the split was asked for."""
        known = subjects(split)
        random = Random(f"joke prompts {split} {seed}")
        chosen: list[Subject] = []
        while len(chosen) < count:
            chosen += random.sample(known, min(len(known), count - len(chosen)))
        return [prompt_of(subject) for subject in chosen]

    def exposition(self, count: int, seed: int) -> list[str]:
        """`count` textbook passages of 60 to 300 characters."""
        random = Random(f"joke exposition {seed}")
        known = subjects("train")
        return [passage(random.choice(known), self._style(random), random) for _ in range(count)]

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        """`count` jokes on train subjects, in the configured styles and with the configured mistakes."""
        random = Random(f"joke demonstrations {seed}")
        known = subjects("train")
        worked = []
        for _ in range(count):
            joke = draw_joke(random.choice(known), self._style(random), random)
            text = spoiled(joke, random) if random.random() < self.config.mistakes else joke.text
            worked.append(Demonstration(prompt_of(joke.subject), text))
        return worked

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """One judgement a text, in the order given.

        outcome: `correct` for a sound joke, else what it lacks first: `off_topic`, `unfinished`,
        `repetitive`, `incoherent`. parts: the graded attributes, `pun` 0 or 1, and the `gold` utility.
        """
        assert len(prompts) == len(texts), f"{len(prompts)} prompts but {len(texts)} texts"
        return [self._score(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]

    def _score(self, prompt: Prompt, text: str) -> Score:
        found = read_attributes(subject_of(prompt), text)
        outcome, reason = _judge(found, subject_of(prompt))
        gold = utility(features(found))
        parts = {
            "sound": float(outcome == "correct"),
            "pun": float(found.style == "pun"),
            "coherence": found.coherence,
            "relevance": found.relevance,
            "repeated_words": found.repeated_words,
            "originality": found.originality,
            "brevity": found.brevity,
            "gold": gold,
        }
        value = gold if self.config.reward == "gold" else parts["sound"]
        return Score(value, outcome == "correct", found.finished, outcome, reason, parts)

    def behaviours(self, prompt: Prompt, text: str) -> dict[str, bool]:
        """Which style a text is written in."""
        style = read_attributes(subject_of(prompt), text).style
        return {name: name == style for name in STYLES}

    def read(self, text: str) -> Prompt:
        """`a tired pelican`, or the whole request, as a prompt. Raises InputError for anything else."""
        return prompt_of(read_request(text))

    def gold(self, prompt: Prompt) -> str:
        """A pun about the subject, always the same for the same prompt."""
        return draw_joke(subject_of(prompt), "pun", Random(f"gold {prompt.text}")).text

    def attacks(self) -> list[tuple[Prompt, str]]:
        """Texts that try to be paid without being a joke about a pelican; each must score 0."""
        prompt = prompt_of(Subject("pelican"))
        return [(prompt, text) for text in attack_texts()]

    def _style(self, random: Random) -> str:
        return random.choices(*self._styles)[0]


def prompt_of(subject: Subject) -> Prompt:
    """The request for a joke about a subject, with its record as plain JSON values."""
    return Prompt(
        f"{REQUEST}{with_article(subject.phrase)}.\n",
        {
            "noun": subject.noun,
            "adjective": subject.adjective,
            "kind": subject.category,
            "canonical": subject.phrase,
        },
    )


def _judge(found: Attributes, subject: Subject) -> tuple[str, str]:
    """(outcome, reason) of a text."""
    if found.relevance < 1:
        return "off_topic", f"it is about {found.subject or 'nothing known'}, not about {subject.phrase}"
    if not found.finished:
        return "unfinished", "it does not end as a sentence ends"
    if found.repeated_words > 0:
        return "repetitive", f"repetition {found.repeated_words:.2f}"
    if found.coherence < 1:
        return "incoherent", f"only {found.coherence:.0%} of the structure of a joke was found"
    return "correct", f"a well-formed joke of style {found.style}"
