"""Sampling completions: a key-value cache, continuous batching, and the log-probability of every choice.

Rows that finish leave the batch and waiting requests take their place; a prompt asked for G times is read
once. On the CPU whole stretches of decoding run in C++ (`practicum/model/native`), elsewhere and without a
compiler in PyTorch. Suffixes: S rows being decoded, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.model.cache import KeyValueCache, PackedDecoder
from practicum.model.decoder import Decoder, compute_dtype
from practicum.model.native.sampler import NOT_FINITE, NativeDecoder, NativeRows, native_decoding
from practicum.model.sampling import SamplingConfig, filter_logits
from practicum.ranges import MOST_HELD
from practicum.threads import side_by_side

# Fewer rows than this at a time leave a core's matrix products mostly idle.
MINIMUM_SHARD = 16
# Steps of one call in C++: long enough to hide the interpreter, short enough for progress and Ctrl-C.
STRETCH = 16


@dataclass(frozen=True)
class Completion:
    """One sampled answer: the chosen token ids (end-of-sequence included) and their log-probabilities."""

    ids: list[int]
    logprobs: list[float]
    finished: bool


def choose(logprobs_SV: Tensor, config: SamplingConfig, generator: torch.Generator) -> Tensor:
    """Draw one token id per row, int64 [S]: argmax of p / e with e ~ Exponential(1), which samples p exactly.

    The exponential race is the Gumbel-max trick (Maddison et al. 2014, 1411.0030) in probability space.
    """
    if config.temperature == 0:
        return logprobs_SV.argmax(-1)
    race = torch.empty_like(logprobs_SV).exponential_(generator=generator)
    return (logprobs_SV.exp() / race).argmax(-1)


class Sampler:
    """Draws completions from one version of a policy's weights, which are packed when it is built."""

    def __init__(self, decoder: Decoder, config: SamplingConfig) -> None:
        self.config = config
        self.decoder = decoder
        self.device = decoder.output_weight.device
        dtype = compute_dtype(config.dtype, self.device)
        native = native_decoding(dtype, self.device)
        self.packed = NativeDecoder(decoder, dtype) if native else PackedDecoder(decoder, dtype)
        self.decode_steps = 0
        self.prefill_tokens = 0

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        count: int,
        generator: torch.Generator,
        on_finished: Callable[[int], None] = lambda finished: None,
    ) -> list[list[Completion]]:
        """`count` completions of every prompt (token ids), in the order of the prompts.

        `on_finished` hears how many completions are done, for a progress bar. Raises InputError when a
        prompt is empty, leaves no room in the model's positions or has a token outside its vocabulary.
        """
        self._check(prompts, count)
        if not prompts or count < 1:
            return [[] for _ in prompts]
        shards = self._shards(len(prompts), count)
        seed = int(torch.randint(2**62, (), generator=generator))
        finished = [0] * len(shards)

        def sample_shard(number: int) -> list[list[Completion]]:
            def heard(done: int) -> None:
                finished[number] = done
                on_finished(sum(finished))

            return self._sample_shard(prompts, shards[number], count, seed, heard)

        groups = side_by_side([partial(sample_shard, number) for number in range(len(shards))])
        return [group for shard in groups for group in shard]

    def _shards(self, prompts: int, count: int) -> list[range]:
        """Prompts cut into one run for each CPU thread, or into a single one where there is little to do."""
        parts = torch.get_num_threads() if self.device.type == "cpu" else 1
        parts = max(1, min(parts, prompts, prompts * count // MINIMUM_SHARD))
        return [range(prompts * part // parts, prompts * (part + 1) // parts) for part in range(parts)]

    @torch.inference_mode()
    def _sample_shard(
        self,
        prompts: Sequence[Sequence[int]],
        shard: range,
        count: int,
        seed: int,
        on_finished: Callable[[int], None],
    ) -> list[list[Completion]]:
        own = prompts[shard.start : shard.stop]
        first = shard.start * count
        batch = (
            _NativeBatch(self.packed, self.config, own, count, seed, first)
            if isinstance(self.packed, NativeDecoder)
            else _Batch(self, self.packed, own, count, seed + first)
        )
        while batch.step():
            on_finished(batch.finished_count)
        self.decode_steps += batch.decode_steps
        self.prefill_tokens += batch.prefill_tokens
        completions = batch.completions()
        return [completions[start : start + count] for start in range(0, len(completions), count)]

    def _check(self, prompts: Sequence[Sequence[int]], count: int) -> None:
        if len(prompts) * count > MOST_HELD:
            raise InputError(
                f"{len(prompts)} prompts with {count} completions each are more than {MOST_HELD:,}, the most "
                "that is sampled at a time: ask for fewer"
            )
        limit, vocabulary = self.decoder.config.max_position_embeddings, self.decoder.config.vocab_size
        for index, prompt in enumerate(prompts):
            if not 0 < len(prompt) < limit:
                raise InputError(f"prompt {index} has {len(prompt)} tokens; the model takes 1 to {limit - 1}")
            for token in (min(prompt), max(prompt)):
                if not 0 <= token < vocabulary:
                    raise InputError(
                        f"prompt {index} has token id {token}, outside the model's vocabulary of "
                        f"{vocabulary} (0 to {vocabulary - 1}): use the tokenizer that belongs to the model"
                    )


class _NativeBatch:
    """The rows in flight, decoded in C++ until enough of them have finished to be replaced."""

    def __init__(
        self,
        decoder: NativeDecoder,
        config: SamplingConfig,
        prompts: Sequence[Sequence[int]],
        count: int,
        seed: int,
        first_request: int,
    ) -> None:
        self.requests = len(prompts) * count
        self.slots = min(config.slots, self.requests)
        self.rows = NativeRows(
            decoder, prompts, count, self.slots, config.max_new_tokens, config.temperature, config.top_p,
            config.top_k, seed, first_request,
        )  # fmt: skip
        self.decode_steps = 0

    @property
    def finished_count(self) -> int:
        return self.rows.finished

    @property
    def prefill_tokens(self) -> int:
        return self.rows.prefill_tokens

    def step(self) -> bool:
        """Admit waiting requests or decode a stretch; False when nothing is left to do."""
        active, left = self.rows.active, self.requests - self.rows.waiting
        enough = self.slots - max(1, self.slots // 8) if left else 0
        if left and active <= enough:
            self.rows.admit(min(self.slots - active, left))
        elif active:
            self.decode_steps += self.rows.decode(STRETCH, enough)
        else:
            return False
        return True

    def completions(self) -> list[Completion]:
        """Every request's completion, in request order."""
        rows = self.rows
        return [
            Completion(ids[:length].tolist(), logprobs[:length].tolist(), bool(ended))
            for ids, logprobs, length, ended in zip(
                rows.ids, rows.logprobs, rows.length.tolist(), rows.ended.tolist(), strict=True
            )
        ]


class _Batch:
    """The rows in flight in PyTorch: always the first `active` rows of the cache, so no step gathers it."""

    def __init__(
        self,
        sampler: Sampler,
        packed: PackedDecoder,
        prompts: Sequence[Sequence[int]],
        count: int,
        seed: int,
    ) -> None:
        requests = [index for index in range(len(prompts)) for _ in range(count)]
        slots = min(sampler.config.slots, len(requests))
        width = min(sampler.config.max_new_tokens, packed.config.max_position_embeddings)
        length = min(max(map(len, prompts)) + width, packed.config.max_position_embeddings)
        self.cache = KeyValueCache(sampler.decoder, slots, length, packed.dtype)
        self.sampler, self.packed, self.prompts, self.requests = sampler, packed, prompts, requests
        device = sampler.device
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
        ones = torch.ones(active, dtype=torch.int64, device=self.sampler.device)
        logits_SV = self.packed.forward(self.next_ids_S[:active, None], ones, self.cache, None)
        self.decode_steps += 1
        self._record(logits_SV, torch.arange(active, device=self.sampler.device))
        return True

    def _admit(self, count: int) -> None:
        """Read the prompts of the next `count` requests, each distinct prompt once, into free rows."""
        chosen = self.requests[self.waiting : self.waiting + count]
        first_row: dict[int, int] = {}
        for offset, index in enumerate(chosen):
            first_row.setdefault(index, self.active + offset)
        device = self.sampler.device
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
        config = self.sampler.config
        logprobs_SV = filter_logits(logits_SV, config)
        chosen_S = choose(logprobs_SV, config, self.generator)
        request_S, running_S = self.request_S[rows], self.running_S[rows]
        live = running_S.nonzero().squeeze(1)
        requests, tokens = request_S[live], chosen_S[live]
        position = self.lengths[requests]
        self.ids[requests, position] = tokens
        self.logprobs[requests, position] = logprobs_SV[live, tokens]
        self.lengths[requests] = position + 1
        ended = torch.isin(tokens, self.ends)
        cache_full = self.cache.filled_S[rows[live]] >= self.cache.length
        full = (position + 1 >= config.max_new_tokens) | cache_full
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

    def completions(self) -> list[Completion]:
        """Every request's completion, in request order."""
        if bool(self.logprobs.isnan().any()):
            raise InputError(NOT_FINITE)
        ids, logprobs = self.ids.tolist(), self.logprobs.tolist()
        return [
            Completion(ids[row][:length], logprobs[row][:length], ended)
            for row, (length, ended) in enumerate(
                zip(self.lengths.tolist(), self.ended.tolist(), strict=True)
            )
        ]
