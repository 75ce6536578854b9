"""The distribution that completions are drawn from: temperature, top-k, top-p.

Suffixes: S rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.ranges import Common, Count, NonNegativeFloat, NonNegativeInt, PositiveInt, Range, Ranged

LEAST_TEMPERATURE = 0.001
"""Logits divided by less leave float32; it is greedy long before."""


@dataclass(frozen=True, kw_only=True)
class DecodingSettings(Ranged, section="sampling"):
    """Length limit, rows at a time and dtype of completions, whoever decides how they are drawn."""

    max_new_tokens: Common[Count] = 256
    """A completion is cut here, without an end-of-sequence token. The turns of a conversation count
    together."""
    max_turns: PositiveInt = 8
    """Turns of the policy in a conversation with a task that replies."""
    slots: PositiveInt = 512
    """Rows decoded at the same time; further requests wait."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Dtype of matrix products; auto is bfloat16 if the hardware has it."""


@dataclass(frozen=True)
class SamplingConfig(DecodingSettings):
    """How completions are drawn."""

    temperature: Common[NonNegativeFloat] = 1.0
    """0 decodes greedily; 1 samples from the policy's own distribution."""
    top_p: Annotated[float, Range(above=0, at_most=1)] = 1.0
    """Keep the smallest set of tokens whose probability reaches this (Holtzman et al. 2019, 1904.09751)."""
    top_k: NonNegativeInt = 0
    """Keep the k most likely tokens (ties: lowest ids first); 0 keeps all."""

    def without_effect(self) -> Mapping[str, str]:
        """What cuts unlikely tokens away, where only the likeliest is taken."""
        greedy = "temperature 0 takes the likeliest token: give --sampling.temperature too"
        return {} if self.temperature else dict.fromkeys(("top_p", "top_k"), greedy)

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.temperature < LEAST_TEMPERATURE:
            raise InputError(
                f"sampling.temperature is {self.temperature}; it must be 0, which is greedy, "
                f"or at least {LEAST_TEMPERATURE}"
            )

    @property
    def truncates(self) -> bool:
        """Whether unlikely tokens are cut away."""
        return self.top_p < 1 or self.top_k > 0

    def whole(self) -> SamplingConfig:
        """The same without truncation: every token keeps its probability."""
        return replace(self, top_p=1.0, top_k=0)


def filter_logits(logits_SV: Tensor, config: SamplingConfig, keep: Tensor | None = None) -> Tensor:
    """Log-probabilities float32 [S, V] of the distribution sampled: temperature, then top-k, then top-p.

    Tokens cut away get -inf; the rest is normalised. Temperature 0 is greedy and keeps temperature 1 here.
    `keep`, int64 [S], names a token of each row that is never cut away: the scorer passes the tokens that
    were sampled, which a changed policy might otherwise no longer admit.
    """
    given_SV = logits_SV
    logits_SV = logits_SV / config.temperature if config.temperature > 0 else logits_SV
    whole_SV = logits_SV
    if 0 < config.top_k < logits_SV.shape[1]:
        # Chosen before the temperature's division, whose rounding can make different logits equal.
        logits_SV = logits_SV.masked_fill(~_likeliest(given_SV, config.top_k), -torch.inf)
    if config.top_p < 1.0:
        ordered, order = logits_SV.softmax(-1).sort(dim=-1, descending=True, stable=True)
        beyond = ordered.cumsum(-1) - ordered >= config.top_p
        # However small top_p is, the likeliest token stays; in float32 the least top_p is 0.
        beyond[:, 0] = False
        logits_SV = logits_SV.masked_fill(beyond.scatter(1, order, beyond), -torch.inf)
    if keep is not None and logits_SV is not whole_SV:
        logits_SV = logits_SV.scatter(1, keep[:, None], whole_SV.gather(1, keep[:, None]))
    return logits_SV.log_softmax(-1)


def _likeliest(logits_SV: Tensor, count: int) -> Tensor:
    """Where each row has its `count` largest logits, bool [S, V]; of equal ones those of the lowest ids."""
    least_S1 = logits_SV.topk(count, dim=-1).values[:, -1:]
    above, equal = logits_SV > least_S1, logits_SV == least_S1
    return above | (equal & (equal.cumsum(-1) <= count - above.sum(-1, keepdim=True)))


def choose(logprobs_SV: Tensor, config: SamplingConfig, generator: torch.Generator) -> Tensor:
    """Draw one token id per row, int64 [S]: argmax of p / e with e ~ Exponential(1), which samples p exactly.

    The exponential race is the Gumbel-max trick (Maddison et al. 2014, 1411.0030) in probability space.
    """
    if config.temperature == 0:
        return logprobs_SV.argmax(-1)
    race = torch.empty_like(logprobs_SV).exponential_(generator=generator)
    return (logprobs_SV.exp() / race).argmax(-1)
