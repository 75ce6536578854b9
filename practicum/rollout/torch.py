"""Sampling in PyTorch: a key-value cache, continuous batching, and the log-probability of every choice.

Runs our decoder where the C++ sampler cannot: on other devices, and without a compiler. Suffixes: S rows
being decoded, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.model.cache import KeyValueCache, PackedDecoder
from practicum.model.decoder import compute_dtype
from practicum.model.native.sampler import NOT_FINITE
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig, choose, filter_logits
from practicum.rollout.sampler import (
    Completion,
    Heard,
    check_prompts,
    cut_shards,
    grouped,
    nobody,
    own_decoder,
    run_shards,
)


class TorchSampler:
    """A `Sampler` of our decoder on any device.

    `packs`, `decode_steps` and `prefill_tokens` count what it has done.
    """

    def __init__(self, config: SamplingConfig) -> None:
        self.config, self.version = config, 0
        self.packed: PackedDecoder | None = None
        self.packs = self.decode_steps = self.prefill_tokens = 0

    def load(self, policy: Policy, version: int) -> None:
        """Pack the weights anew."""
        decoder = own_decoder(policy)
        # The old ones go first, so that no two versions need memory at a time.
        self.packed = None
        self.packed = PackedDecoder(decoder, compute_dtype(self.config.dtype, decoder.device))
        self.spec, self.version = decoder.spec, version
        self.packs += 1

    def sample(
        self, prompts: Sequence[Sequence[int]], count: int, seed: int, on_finished: Heard = nobody
    ) -> list[list[Completion]]:
        """As `Sampler.sample`; another number of threads draws other completions."""
        packed = self.packed
        assert packed is not None, "load a policy first"
        check_prompts(prompts, count, self.spec)
        if not prompts or count < 1:
            return [[] for _ in prompts]

        def begin(own: Sequence[Sequence[int]], first: int) -> _Batch:
            return _Batch(packed, self.config, own, count, seed + first)

        shards = cut_shards(len(prompts), count, packed.embedding.device)
        batches = run_shards(prompts, count, shards, begin, on_finished)
        self.decode_steps += sum(batch.decode_steps for batch in batches)
        self.prefill_tokens += sum(batch.prefill_tokens for batch in batches)
        return grouped(batches, count, self.version)


class _Batch:
    """The rows in flight in PyTorch: always the first `active` rows of the cache, so no step gathers it."""

    def __init__(
        self,
        packed: PackedDecoder,
        sampling: SamplingConfig,
        prompts: Sequence[Sequence[int]],
        count: int,
        seed: int,
    ) -> None:
        requests = [index for index in range(len(prompts)) for _ in range(count)]
        self.device = device = packed.embedding.device
        slots = min(sampling.slots, len(requests))
        width = min(sampling.max_new_tokens, packed.config.max_position_embeddings)
        length = min(max(map(len, prompts)) + width, packed.config.max_position_embeddings)
        self.cache = KeyValueCache(packed.config, slots, length, packed.dtype, device)
        self.packed, self.sampling, self.prompts, self.requests = packed, sampling, prompts, requests
        self.generator = torch.Generator(device=device).manual_seed(seed)
        self.ends = torch.tensor(packed.config.eos_ids, device=device)
        self.ids = torch.zeros((len(requests), width), dtype=torch.int64, device=device)
        self.logprobs = torch.zeros((len(requests), width), device=device)
        self.lengths = torch.zeros(len(requests), dtype=torch.int64, device=device)
        self.ended = torch.zeros(len(requests), dtype=torch.bool, device=device)
        self.request_S = torch.zeros(slots, dtype=torch.int64, device=device)
        self.running_S = torch.zeros(slots, dtype=torch.bool, device=device)
        self.next_ids_S = torch.zeros(slots, dtype=torch.int64, device=device)
        self.active = 0
        self.waiting = 0
        self.finished_count = 0
        self.decode_steps = 0
        self.prefill_tokens = 0

    def step(self) -> bool:
        """Decode one token for every active row; False when nothing is left to do."""
        running = int(self.running_S[: self.active].sum())
        room = self.cache.filled_S.shape[0] - running
        left = len(self.requests) - self.waiting
        if left and (room >= max(1, self.cache.filled_S.shape[0] // 8) or running == 0):
            self._compact()
            self._admit(min(room, left))
            return True
        if running == 0:
            return False
        if running <= self.active * 3 // 4:
            self._compact()
        active = self.active
        ones = torch.ones(active, dtype=torch.int64, device=self.device)
        logits_SV = self.packed.forward(self.next_ids_S[:active, None], ones, self.cache, None)
        self.decode_steps += 1
        self._record(logits_SV, torch.arange(active, device=self.device))
        return True

    def _admit(self, count: int) -> None:
        """Read the prompts of the next `count` requests, each distinct prompt once, into free rows."""
        chosen = self.requests[self.waiting : self.waiting + count]
        first_row: dict[int, int] = {}
        for offset, index in enumerate(chosen):
            first_row.setdefault(index, self.active + offset)
        device = self.device
        slots = torch.tensor(list(first_row.values()), device=device)
        lengths = torch.tensor([len(self.prompts[index]) for index in first_row], device=device)
        ids = torch.zeros((len(first_row), int(lengths.max())), dtype=torch.int64, device=device)
        for row, index in enumerate(first_row):
            ids[row, : len(self.prompts[index])] = torch.tensor(self.prompts[index], device=device)
        self.cache.filled_S[slots] = 0
        logits = self.packed.forward(ids, lengths, self.cache, slots)
        self.prefill_tokens += int(lengths.sum())
        rows = torch.arange(self.active, self.active + count, device=device)
        sources = torch.tensor([first_row[index] for index in chosen], device=device)
        copies = rows != sources
        if bool(copies.any()):
            self.cache.move(sources[copies], rows[copies])
        order = {index: row for row, index in enumerate(first_row)}
        logits_SV = logits[torch.tensor([order[index] for index in chosen], device=device)]
        self.request_S[rows] = torch.arange(self.waiting, self.waiting + count, device=device)
        self.running_S[rows] = True
        self.waiting += count
        self.active += count
        self._record(logits_SV, rows)

    def _record(self, logits_SV: Tensor, rows: Tensor) -> None:
        """Choose each row's next token, store it with its log-probability, and end rows that are done."""
        sampling = self.sampling
        logprobs_SV = filter_logits(logits_SV, sampling)
        chosen_S = choose(logprobs_SV, sampling, self.generator)
        request_S, running_S = self.request_S[rows], self.running_S[rows]
        live = running_S.nonzero().squeeze(1)
        requests, tokens = request_S[live], chosen_S[live]
        position = self.lengths[requests]
        self.ids[requests, position] = tokens
        self.logprobs[requests, position] = logprobs_SV[live, tokens]
        self.lengths[requests] = position + 1
        ended = torch.isin(tokens, self.ends)
        cache_full = self.cache.filled_S[rows[live]] >= self.cache.length
        full = (position + 1 >= sampling.max_new_tokens) | cache_full
        self.ended[requests] = ended
        self.next_ids_S[rows] = chosen_S
        self.running_S[rows[live]] = ~(ended | full)
        self.finished_count += int((ended | full).sum())

    def _compact(self) -> None:
        """Close the gaps: running rows from the end take the places of finished ones."""
        running = self.running_S[: self.active]
        count = int(running.sum())
        holes = (~running[:count]).nonzero().squeeze(1)
        if len(holes):
            movers = running[count:].nonzero().squeeze(1) + count
            self.cache.move(movers, holes)
            for state in (self.request_S, self.running_S, self.next_ids_S):
                state[holes] = state[movers]
        self.running_S[count:] = False
        self.active = count

    def completions(self, version: int) -> list[Completion]:
        """Every request's completion, in request order."""
        if bool(self.logprobs.isnan().any()):
            raise InputError(NOT_FINITE)
        ids, logprobs = self.ids.tolist(), self.logprobs.tolist()
        return [
            Completion(ids[row][:length], logprobs[row][:length], ended, version)
            for row, (length, ended) in enumerate(
                zip(self.lengths.tolist(), self.ended.tolist(), strict=True)
            )
        ]
