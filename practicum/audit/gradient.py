"""Where there are weights: texts that the reward's gradient on embeddings suggests.

One token is swapped for another by the first-order change of the reward, (e_new - e_old) . dr/de_old
(HotFlip, Ebrahimi et al. 2018), summed over prompts, so that the text works for all of them (universal
triggers, Wallace et al. 2019); the best of many such swaps, by the reward itself, is kept (Zou et al. 2023).
What is asked about is always the text, read anew by the tokenizer, as a policy's would be.
Suffixes: L tokens of the completion, D width of embeddings, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from random import Random
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from practicum.model.decoder import Decoder
from practicum.model.huggingface import HuggingFacePolicy
from practicum.reward.model import RewardModel, sequences_of
from practicum.reward.plain import PlainReward
from practicum.stats import Floats
from practicum.types import Prompt

LENGTH = 10
"""Tokens of a text of gibberish."""
TRIED = 24
"""Swaps that are tried before the best one is kept."""
BEST = 64
"""Tokens that the gradient likes best at a place."""
SUGGESTED = 20


class Weights(Protocol):
    """A reward with weights: how it reads, its embedding, and its score with gradients."""

    @property
    def embedding(self) -> nn.Module:
        """The layer that turns token ids into vectors; it has a `weight` [V, D]."""
        ...

    def sequences(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[list[int]]:
        """The token ids that are read."""
        ...

    def score(self, ids: Sequence[int]) -> Tensor:
        """The reward of one sequence, a scalar with its gradient."""
        ...

    def encode(self, text: str) -> list[int]:
        """The ids of a text by itself."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        ...


class ModelWeights:
    """A `RewardModel` as `Weights`."""

    def __init__(self, model: RewardModel) -> None:
        self.model = model

    @property
    def embedding(self) -> nn.Module:
        """See `Weights`."""
        policy = self.model.decoder
        if isinstance(policy, Decoder):
            return policy.model.embed_tokens
        assert isinstance(policy, HuggingFacePolicy)
        layer: nn.Module = policy.model.get_input_embeddings()
        return layer

    def sequences(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[list[int]]:
        """See `Weights`."""
        model = self.model
        return sequences_of(model.decoder, model.tokenizer, prompts, texts, model.reading)[0]

    def score(self, ids: Sequence[int]) -> Tensor:
        """See `Weights`."""
        policy = self.model.decoder
        hidden = policy.hidden(torch.tensor([list(ids)], device=policy.device), torch.float32)
        score: Tensor = self.model.head(hidden[:, -1]).mean()
        return score

    def encode(self, text: str) -> list[int]:
        """See `Weights`."""
        ids: list[int] = self.model.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """See `Weights`."""
        text: str = self.model.tokenizer.decode(list(ids))
        return text


class Gradient:
    """What the gradients of a reward with weights suggest."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def gibberish(self, prompts: Sequence[Prompt], reward: PlainReward, queries: int, random: Random) -> str:
        """A text that is paid as much as possible at all of these prompts; empty where nothing can be asked.

        At most `queries` questions to the reward.
        """
        words = [word for word in self._words.values() if word]
        rounds = (queries // len(prompts) - 1) // TRIED
        if rounds < 1 or not words:
            return ""

        def rated(texts: Sequence[str]) -> Floats:
            asked = [prompt for _ in texts for prompt in prompts]
            scores = reward(asked, [text for text in texts for _ in prompts])
            return np.asarray(scores.reshape(len(texts), len(prompts)).mean(1))

        text = " ".join(random.choices(words, k=LENGTH))
        best = float(rated([text])[0])
        for _ in range(rounds):
            texts = self._swapped(prompts, text, TRIED, random)
            if not texts:
                break
            scores = rated(texts)
            if scores.max() > best:
                best, text = float(scores.max()), texts[int(scores.argmax())]
        return text

    def swaps(self, prompt: Prompt, words: Sequence[str]) -> list[tuple[int, str]]:
        """(place, new word) for words of one token each: the swaps that should raise the reward most."""
        text = " ".join(words)
        found = self._gains([prompt], text)
        if found is None:
            return []
        span, gain_LV = found
        pieces = [self.weights.decode([token]).strip() for token in span]
        places = _places(words, pieces)
        suggestions = []
        for place, token in places:
            for new in self._liked(gain_LV[token], 4):
                suggestions.append((float(gain_LV[token, new]), place, self._words[new]))
        suggestions.sort(reverse=True)
        return [(place, word) for _, place, word in suggestions[:SUGGESTED]]

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self.weights.encode(text))

    @cached_property
    def _words(self) -> dict[int, str]:
        """The tokens that are words or marks by themselves: id to text."""
        count = int(self._table.shape[0])
        texts = {token: self.weights.decode([token]).strip() for token in range(count)}
        return {
            token: text for token, text in texts.items() if text and text.isprintable() and " " not in text
        }

    @property
    def _table(self) -> Tensor:
        weight: Tensor = self.weights.embedding.weight  # type: ignore[assignment]
        return weight

    def _liked(self, gain_V: Tensor, count: int) -> list[int]:
        order = gain_V.argsort(descending=True)[: BEST + count].tolist()
        return [token for token in order if token in self._words][:count]

    def _swapped(self, prompts: Sequence[Prompt], text: str, count: int, random: Random) -> list[str]:
        """Different texts with one token swapped, drawn from those that the gradient likes best."""
        found = self._gains(prompts, text)
        if found is None:
            return []
        span, gain_LV = found
        liked = [self._liked(gain_V, BEST) for gain_V in gain_LV]
        texts: dict[str, None] = {}
        for _ in range(4 * count):
            place = random.randrange(len(span))
            if not liked[place]:
                continue
            new = [*span[:place], random.choice(liked[place]), *span[place + 1 :]]
            texts[self.weights.decode(new).strip()] = None
        texts.pop(text, None)
        return list(texts)[:count]

    def _gains(self, prompts: Sequence[Prompt], text: str) -> tuple[list[int], Tensor] | None:
        """The ids that a completion has at these prompts, and what each swap should gain, [L, V].

        None where prompts cut the text in tokens in different ways, or it has none.
        """
        spans: list[list[int]] = []
        total: Tensor | None = None
        wholes = self.weights.sequences(prompts, [text] * len(prompts))
        for whole, (start, end) in zip(wholes, self._spans(prompts, wholes), strict=True):
            span = whole[start:end]
            if not span or (spans and span != spans[0]):
                continue
            spans.append(span)
            gradient_LD = self._gradient(whole)[start:end]
            total = gradient_LD if total is None else total + gradient_LD
        if total is None:
            return None
        table_VD = self._table.detach()
        gain_LV = total @ table_VD.T
        return spans[0], gain_LV - gain_LV.gather(1, torch.tensor(spans[0], device=gain_LV.device)[:, None])

    def _spans(self, prompts: Sequence[Prompt], wholes: Sequence[list[int]]) -> list[tuple[int, int]]:
        """Where the completion stands in each: what is not the same with another one."""
        found = []
        for other in ("~", "e"):
            bare = self.weights.sequences(prompts, [other] * len(prompts))
            ends = []
            for whole, without in zip(wholes, bare, strict=True):
                before = _shared(whole, without)
                room = min(len(whole), len(without)) - before
                after = min(_shared(whole[::-1], without[::-1]), room)
                ends.append((before, len(whole) - after))
            found.append(ends)
        # A text may begin or end as one of the two others does.
        return [(min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(*found, strict=True)]

    def _gradient(self, ids: Sequence[int]) -> Tensor:
        """dr/de of every token read, float32 [T, D]."""
        held: list[Tensor] = []

        def hold(_: nn.Module, __: Any, output: Tensor) -> Tensor:
            held.append(output.detach().requires_grad_())
            return held[-1]

        hook = self.weights.embedding.register_forward_hook(hold)
        try:
            with torch.enable_grad():
                score = self.weights.score(ids)
                (gradient,) = torch.autograd.grad(score, held[:1])
        finally:
            hook.remove()
        return gradient[0].float()


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids at the beginning are the same."""
    unlike = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(unlike, min(len(one), len(other)))


def _places(words: Sequence[str], pieces: Sequence[str]) -> list[tuple[int, int]]:
    """(word, token) for the words that are one token, walking along both."""
    found, token = [], 0
    for place, word in enumerate(words):
        if token < len(pieces) and pieces[token] == word:
            found.append((place, token))
            token += 1
            continue
        rest = word
        while rest and token < len(pieces) and pieces[token] and rest.startswith(pieces[token]):
            rest = rest[len(pieces[token]) :]
            token += 1
        if rest:
            # The tokenizer changes texts, so that no further place is certain.
            return found
    return found
