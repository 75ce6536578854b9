"""What two models answered to the same prompts, as a step of training would have logged it.

Suffixes: B answers, T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from practicum.guard.signals import repeated_triples
from practicum.guard.watch import warning_signals
from practicum.reward.parts import repetition
from practicum.rollout.collect import ScoredRollout
from practicum.stats import Floats
from practicum.types import Prompt, Ranking, Response

SIGNALS: Mapping[str, str] = {
    "reward": "reward",
    "disagreement": "disagreement of the reward models",
    "ensemble_disagreement": "disagreement of the reward models",
    "completion_tokens": "length (tokens)",
    "length": "length (tokens)",
    "repetition": "repetition (share of each answer's word sequences that come again)",
    "entropy": "variety (nats a token)",
    "truncated": "answers cut off before their end",
    "kl": "distance from the reference (nats a token)",
    "kl_completion": "distance from the reference (nats an answer)",
    "tail_index": "weight of the greatest rewards (tail index)",
    "proxy_reference_correlation": "agreement of the reward models (rank correlation)",
}
"""Signals in words."""


@dataclass(frozen=True)
class Answers:
    """What a model answered, the reward models' parts among the scores. kl_BT: k3 of each token, kl_B: k1 of
    each completion, in nats."""

    batch: ScoredRollout
    kl_BT: torch.Tensor
    kl_B: torch.Tensor

    def pairs(self) -> list[tuple[Prompt, str]]:
        """Prompt and text of every answer."""
        return list(zip(self.batch.prompts, self.batch.rollout.texts, strict=True))

    def part(self, name: str) -> Floats:
        """One part of the scores, float64 [B]."""
        return np.array([score.parts[name] for score in self.batch.scores])

    def different(self) -> list[tuple[Prompt, list[Response]]]:
        """Each prompt with its different answers, where there are two or more."""
        groups: dict[str, tuple[Prompt, dict[str, Response]]] = {}
        for prompt, text in self.pairs():
            groups.setdefault(prompt.text, (prompt, {}))[1].setdefault(text, Response(text))
        return [(prompt, list(texts.values())) for prompt, texts in groups.values() if len(texts) > 1]

    def ranked_by_reward(self) -> list[Ranking]:
        """The different answers to each prompt as the reward orders them."""
        named = [(prompt.text, text) for prompt, text in self.pairs()]
        worth = dict(zip(named, self.part("reward_model").tolist(), strict=True))
        rankings = []
        for prompt, responses in self.different():
            scores = [worth[prompt.text, response.text] for response in responses]
            levels = {score: rank for rank, score in enumerate(sorted(set(scores), reverse=True), start=1)}
            ranks = tuple(levels[score] for score in scores)
            rankings.append(Ranking(prompt, tuple(responses), ranks, "reward model"))
        return rankings

    def metrics(self, rows: Sequence[int]) -> dict[str, float]:
        """What a step of training would have logged about these answers, under the guard's names."""
        chosen = torch.tensor(list(rows))
        rollout = self.batch.rollout
        mask_BT, tokens = rollout.mask_BT[chosen], float(rollout.mask_BT[chosen].sum())
        part = ScoredRollout(
            rollout,
            [self.batch.prompts[row] for row in rows],
            [self.batch.scores[row] for row in rows],
            self.batch.reward_B[chosen],
            self.batch.finished_B[chosen],
        )
        return {
            "reward": float(self.part("reward_model")[list(rows)].mean()),
            "disagreement": float(self.part("disagreement")[list(rows)].mean()),
            "completion_tokens": tokens / len(chosen),
            "repetition": repetition(rollout.completion_ids_BT[chosen], mask_BT),
            # The surprise of tokens a model has drawn itself is an unbiased estimate of its entropy.
            "entropy": -float(rollout.logprobs_BT[chosen].sum()) / tokens,
            "truncated": float((~self.batch.finished_B[chosen]).float().mean()),
            "kl": float(self.kl_BT[chosen].sum()) / tokens,
            "kl_completion": float(self.kl_B[chosen].mean()),
            **warning_signals(part),
        }

    def samples(self) -> list[dict[str, Any]]:
        """Every answer as a row of samples.jsonl, with what the guard goes by to find the worst."""
        rollout = self.batch.rollout
        return [
            {
                "prompt": prompt.text,
                "completion": text,
                "reward": score.parts["reward_model"],
                "parts": score.parts,
                "completion_tokens": int(mask_T.sum()),
                "repetition": repeated_triples(ids_T[mask_T].tolist()),
            }
            for (prompt, text), score, ids_T, mask_T in zip(
                self.pairs(), self.batch.scores, rollout.completion_ids_BT, rollout.mask_BT, strict=True
            )
        ]
