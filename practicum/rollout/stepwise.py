"""One sequence read token by token: what a model would say next, and what it does say while it says it.

Samplers draw many completions as a whole; here somebody looks on, chooses, or goes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.model.cache import KeyValueCache, PackedDecoder
from practicum.model.decoder import Decoder, compute_dtype
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig, choose, filter_logits
from practicum.rollout.sampler import check_prompts


class Stepper:
    """Reads one sequence of a policy, whatever its weights were when it was made.

    Our decoder keeps keys and values, and reads again only what differs from the sequence before; every other
    policy reads the whole sequence for each token.
    """

    def __init__(self, policy: Policy, config: SamplingConfig) -> None:
        self.policy, self.config = policy, config
        self.dtype = compute_dtype(config.dtype, policy.device)
        self.packed = PackedDecoder(policy, self.dtype) if isinstance(policy, Decoder) else None
        self.cache: KeyValueCache | None = None
        self.cached: list[int] = []

    @torch.inference_mode()
    def logprobs(self, ids: Sequence[int]) -> Tensor:
        """Log-probabilities float32 [V] of the next token, of the distribution that is sampled.

        Raises InputError for an empty sequence, one that is too long, or ids outside the vocabulary.
        """
        spec = self.policy.spec
        # A sequence that fills all positions has a next token too.
        check_prompts([ids[:-1] if len(ids) == spec.max_positions > 1 else ids], 1, spec)
        logits_V = self._uncached(ids) if self.packed is None else self._cached(self.packed, ids)
        return filter_logits(logits_V[None], self.config)[0]

    def stream(self, prompt: Sequence[int], generator: torch.Generator) -> Iterator[tuple[int, float]]:
        """Tokens as they are drawn, with their log-probabilities, to the end of sequence or a limit."""
        ids = list(prompt)
        spec = self.policy.spec
        for _ in range(self.config.max_new_tokens):
            logprobs_V = self.logprobs(ids)
            token = int(choose(logprobs_V[None].cpu(), self.config, generator))
            yield token, float(logprobs_V[token])
            ids.append(token)
            if token in spec.eos_ids or len(ids) > spec.max_positions:
                return

    def _cached(self, packed: PackedDecoder, ids: Sequence[int]) -> Tensor:
        if self.cache is None or len(ids) > self.cache.length:
            # Room for all positions of a model may be gigabytes.
            length = min(self.policy.spec.max_positions, 2 * len(ids) + self.config.max_new_tokens)
            self.cache = KeyValueCache(packed.config, 1, length, self.dtype, packed.embedding.device)
            self.cached = []
        shared = 0
        # The last token is always read, for it gives the logits.
        for before, now in zip(self.cached, ids[:-1], strict=False):
            if before != now:
                break
            shared += 1
        self.cache.filled_S[0] = shared
        new = torch.tensor([list(ids[shared:])], device=packed.embedding.device)
        lengths = torch.tensor([new.shape[1]], device=new.device)
        logits_SV = packed.forward(new, lengths, self.cache, None)
        self.cached = list(ids)
        return logits_SV[0]

    def _uncached(self, ids: Sequence[int]) -> Tensor:
        ids_ST = torch.tensor([list(ids)], device=self.policy.device)
        hidden = self.policy.hidden(ids_ST, self.dtype)
        return self.policy.logits(hidden[0, -1:], self.dtype)[0]


def check_room(prompt: Sequence[int], policy: Policy) -> None:
    """Raise InputError where a prompt leaves no room for a token."""
    limit = policy.spec.max_positions
    if len(prompt) >= limit:
        raise InputError(f"{len(prompt)} tokens: the model takes {limit - 1} and has no room to answer")
