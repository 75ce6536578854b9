"""Sampling in C++: a key-value cache, continuous batching, and the log-probability of every choice.

Rows that finish leave the batch and waiting requests take their place; a prompt asked for G times is read
once. Whole stretches of decoding run in `practicum/model/native/decode.cpp`, a shard to each CPU thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from practicum.model.decoder import compute_dtype
from practicum.model.native.sampler import NativeDecoder, NativeRows
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig
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

# Steps of one call in C++: long enough to hide the interpreter, short enough for progress and Ctrl-C.
STRETCH = 16


class NativeSampler:
    """A `Sampler` of our decoder on a CPU with a compiler.

    `packs`, `decode_steps` and `prefill_tokens` count what it has done.
    """

    def __init__(self, config: SamplingConfig) -> None:
        self.config, self.version = config, 0
        self.packed: NativeDecoder | None = None
        self.packs = self.decode_steps = self.prefill_tokens = 0

    def load(self, policy: Policy, version: int) -> None:
        """Pack the weights anew, into the memory of the version before where shapes are equal."""
        decoder = own_decoder(policy)
        if self.packed is not None and self.packed.config == decoder.config:
            self.packed.load(decoder)
        else:
            self.packed = NativeDecoder(decoder, compute_dtype(self.config.dtype, decoder.device))
        self.spec, self.device, self.version = decoder.spec, decoder.device, version
        self.packs += 1

    def sample(
        self, prompts: Sequence[Sequence[int]], count: int, seed: int, on_finished: Heard = nobody
    ) -> list[list[Completion]]:
        """As `Sampler.sample`; the same completions whatever the number of threads and slots."""
        packed = self.packed
        assert packed is not None, "load a policy first"
        check_prompts(prompts, count, self.spec)
        if not prompts or count < 1:
            return [[] for _ in prompts]

        def begin(own: Sequence[Sequence[int]], first: int) -> _Batch:
            return _Batch(NativeRows(packed, own, count, self.config, seed, first))

        shards = cut_shards(len(prompts), count, self.device)
        batches = run_shards(prompts, count, shards, begin, on_finished)
        self.decode_steps += sum(batch.decode_steps for batch in batches)
        self.prefill_tokens += sum(batch.prefill_tokens for batch in batches)
        return grouped(batches, count, self.version)


class _Batch:
    """The rows in flight, decoded in C++ until enough of them have finished to be replaced."""

    def __init__(self, rows: NativeRows) -> None:
        self.rows, self.decode_steps = rows, 0

    @property
    def finished_count(self) -> int:
        return self.rows.finished

    @property
    def prefill_tokens(self) -> int:
        return self.rows.prefill_tokens

    def step(self) -> bool:
        """Admit waiting requests or decode a stretch; False when nothing is left to do."""
        slots, active, left = self.rows.slots, self.rows.active, len(self.rows.length) - self.rows.waiting
        enough = slots - max(1, slots // 8) if left else 0
        if left and active <= enough:
            self.rows.admit(min(slots - active, left))
        elif active:
            self.decode_steps += self.rows.decode(STRETCH, enough)
        else:
            return False
        return True

    def completions(self, version: int) -> list[Completion]:
        """Every request's completion, in request order."""
        rows = self.rows
        return [
            Completion(ids[:length].tolist(), logprobs[:length].tolist(), bool(ended), version)
            for ids, logprobs, length, ended in zip(
                rows.ids, rows.logprobs, rows.length.tolist(), rows.ended.tolist(), strict=True
            )
        ]
