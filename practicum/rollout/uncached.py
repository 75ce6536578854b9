"""Sampling from any policy: every token reads its whole row again, so it is right everywhere and slow.

Suffixes: S rows being decoded, T positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.model.decoder import compute_dtype
from practicum.model.native.sampler import NOT_FINITE
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig, choose, filter_logits
from practicum.rollout.sampler import Completion, Heard, check_prompts, nobody


class UncachedSampler:
    """A `Sampler` of any policy, which it reads itself: it keeps no copy, so it follows every change."""

    def __init__(self, config: SamplingConfig) -> None:
        self.config = config

    def load(self, policy: Policy, version: int) -> None:
        """Sample from this policy."""
        self.policy, self.version = policy, version

    @torch.inference_mode()
    def sample(
        self, prompts: Sequence[Sequence[int]], count: int, seed: int, on_finished: Heard = nobody
    ) -> list[list[Completion]]:
        """As `Sampler.sample`."""
        check_prompts(prompts, count, self.policy.spec)
        generator = torch.Generator(device=self.policy.device).manual_seed(seed)
        requests = [prompt for prompt in prompts for _ in range(count)]
        completions: list[Completion] = []
        for first in range(0, len(requests), self.config.slots):
            completions += self._complete(requests[first : first + self.config.slots], generator)
            on_finished(len(completions))
        return [completions[index * count : (index + 1) * count] for index in range(len(prompts))]

    def _complete(self, prompts: Sequence[Sequence[int]], generator: torch.Generator) -> list[Completion]:
        """A completion of each prompt, all of them side by side."""
        spec, longest = self.policy.spec, self.config.max_new_tokens
        ids, logprobs = [[*prompt] for prompt in prompts], [list[float]() for _ in prompts]
        running = list(range(len(prompts)))
        while running:
            logprobs_SV = filter_logits(self._next_logits([ids[row] for row in running]), self.config)
            if bool(logprobs_SV.isnan().any()):
                raise InputError(NOT_FINITE)
            tokens = choose(logprobs_SV, self.config, generator)
            chosen = logprobs_SV.gather(1, tokens[:, None]).squeeze(1)
            for row, token, logprob in zip(running, tokens.tolist(), chosen.tolist(), strict=True):
                ids[row].append(token)
                logprobs[row].append(logprob)
            # A token needs a position only to be read again, so the last one may stand just past the end.
            running = [
                row
                for row in running
                if ids[row][-1] not in spec.eos_ids
                and len(logprobs[row]) < longest
                and len(ids[row]) <= spec.max_positions
            ]
        return [
            Completion(row[len(prompt) :], found, row[-1] in spec.eos_ids, self.version)
            for prompt, row, found in zip(prompts, ids, logprobs, strict=True)
        ]

    def _next_logits(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Logits float32 [S, V] after each row's last token."""
        device = self.policy.device
        dtype = compute_dtype(self.config.dtype, device)
        lengths = [len(row) for row in rows]
        ids_ST = torch.zeros((len(rows), max(lengths)), dtype=torch.int64)
        for index, row in enumerate(rows):
            ids_ST[index, : len(row)] = torch.tensor(row)
        hidden = self.policy.hidden(ids_ST.to(device), dtype)
        last = torch.tensor(lengths, device=device) - 1
        return self.policy.logits(hidden[torch.arange(len(rows), device=device), last], dtype)
