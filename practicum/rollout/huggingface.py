"""Sampling from a model of transformers: its `generate` keeps the cache, tokens are drawn as everywhere here.

`generate` knows each architecture's cache and positions, so each token costs one step. What it draws from is
`filter_logits`, so temperature, top-k and top-p mean what they mean to the scorer, and nothing in the model's
generation_config.json changes them. Log-probabilities are the learner's: read again by its scorer.
Suffixes: S rows being decoded, T positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.model.decoder import compute_dtype
from practicum.model.huggingface import TOLERANCE, HuggingFacePolicy, products_in, quiet
from practicum.model.native.sampler import NOT_FINITE
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig, filter_logits
from practicum.model.scorer import PaddedScorer, make_rows
from practicum.rollout.sampler import Completion, Heard, check_prompts, nobody
from practicum.rollout.uncached import UncachedSampler

SCORED_TOKENS = 1024
"""Tokens whose logits are in memory at a time when completions are scored."""
TRIED_TOKENS = 6
"""Tokens that are decoded when a model is loaded, to compare its cache with full passes."""


class HuggingFaceSampler:
    """A `Sampler` of a `HuggingFacePolicy`, which it reads itself: without a copy, it follows every change.

    Each request draws from random numbers of its own, which depend on the seed and its place alone. Rows are
    decoded together as far as the model's cache gives what full passes give, which is tried once: rows of any
    lengths, or of one length, or one at a time. Where that differs too, each token reads its whole row again.
    """

    def __init__(self, config: SamplingConfig) -> None:
        self.config = config
        self.policy: HuggingFacePolicy | None = None
        self.uncached = UncachedSampler(config)

    def load(self, policy: Policy, version: int) -> None:
        """Sample from this policy; TypeError for one that is not of transformers."""
        if not isinstance(policy, HuggingFacePolicy):
            raise TypeError(f"{type(policy).__name__} is no model of transformers")
        if policy is not self.policy:
            self.together = rows_together(policy)
        self.policy, self.version = policy, version
        self.uncached.load(policy, version)

    @torch.no_grad()
    def sample(
        self, prompts: Sequence[Sequence[int]], count: int, seed: int, on_finished: Heard = nobody
    ) -> list[list[Completion]]:
        """As `Sampler.sample`."""
        assert self.policy is not None, "load a policy first"
        if self.together == "none":
            return self.uncached.sample(prompts, count, seed, on_finished)
        check_prompts(prompts, count, self.policy.spec)
        requests = [list(prompt) for prompt in prompts for _ in range(count)]
        longest = min(self.config.max_new_tokens, self.policy.spec.max_positions)
        draws = torch.rand(
            (len(requests), longest), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        completions: dict[int, Completion] = {}
        for rows in self._batches([len(prompt) for prompt in requests]):
            ids = self._generate([requests[row] for row in rows], draws[torch.tensor(rows)])
            logprobs = self._logprobs([requests[row] for row in rows], ids)
            for row, chosen, found in zip(rows, ids, logprobs, strict=True):
                ended = chosen[-1] in self.policy.spec.eos_ids
                completions[row] = Completion(chosen, found, ended, self.version)
            on_finished(len(completions))
        return [
            [completions[prompt * count + number] for number in range(count)]
            for prompt in range(len(prompts))
        ]

    def _batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Row numbers that are decoded together, at most `slots` at a time, short prompts first."""
        assert self.policy is not None
        order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
        # A padded row goes on as long as the longest does; without padding it may use all positions.
        room = self.policy.spec.max_positions - self.config.max_new_tokens
        batches: list[list[int]] = []
        for row in order:
            fits = batches and len(batches[-1]) < self.config.slots and self.together != "one"
            alike = batches and lengths[batches[-1][0]] == lengths[row]
            if fits and (alike or (self.together == "any" and lengths[row] <= room)):
                batches[-1].append(row)
            else:
                batches.append([row])
        return batches

    def _generate(self, prompts: Sequence[Sequence[int]], draws_ST: Tensor) -> list[list[int]]:
        """The tokens drawn after each prompt, the end of sequence included."""
        policy, config = self.policy, self.config
        assert policy is not None
        longest = max(map(len, prompts))
        # The last token is never read, so it may stand just past the model's positions.
        steps = min(config.max_new_tokens, policy.spec.max_positions + 1 - longest)
        drawn = _Drawn(config, draws_ST.to(policy.device), longest)
        dtype = compute_dtype(config.dtype, policy.device)
        with products_in(dtype, policy.device):
            ids_ST = generated(policy, prompts, steps, logits_processor=[drawn])[:, longest:]
        if drawn.broken:
            raise InputError(NOT_FINITE)
        return [_until_the_end(row, policy.spec.eos_ids) for row in ids_ST.tolist()]

    def _logprobs(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        """The learner's log-probabilities of the completions' tokens, by the distribution sampled."""
        assert self.policy is not None
        scorer = PaddedScorer(self.policy, compute_dtype(self.config.dtype, self.policy.device))
        whole = [[*prompt, *ids] for prompt, ids in zip(prompts, completions, strict=True)]
        found: list[list[float]] = [[] for _ in whole]
        for batch in scorer.cut([len(ids) for ids in whole], SCORED_TOKENS):
            rows = make_rows([whole[row] for row in batch], [len(prompts[row]) for row in batch])
            scores = scorer.logprobs(scorer.hidden(rows), rows, self.config).logprobs
            values = iter(scores.tolist())
            for row in batch:
                found[row] = [next(values) for _ in completions[row]]
        return found


class _Drawn:
    """Leaves to `generate` one token a row: that at which the summed probabilities pass the row's number."""

    def __init__(self, config: SamplingConfig, draws_ST: Tensor, start: int) -> None:
        self.config, self.draws_ST, self.start = config, draws_ST, start
        self.broken = False

    def __call__(self, ids_ST: Tensor, logits_SV: Tensor) -> Tensor:
        logprobs_SV = filter_logits(logits_SV.float(), self.config)
        self.broken |= bool(logprobs_SV.isnan().any())
        if self.config.temperature == 0:
            return logprobs_SV
        step = ids_ST.shape[1] - self.start
        chosen_S = pick(logprobs_SV, self.draws_ST[:, step])
        return torch.full_like(logprobs_SV, -torch.inf).scatter(1, chosen_S[:, None], 0.0)


def pick(logprobs_SV: Tensor, draws_S: Tensor) -> Tensor:
    """One token a row, int64 [S], by numbers in [0, 1): token v where they fall into its share of [0, 1)."""
    sums_SV = logprobs_SV.double().exp().cumsum(-1)
    passed_SV = sums_SV > draws_S[:, None] * sums_SV[:, -1:]
    return passed_SV.to(torch.uint8).argmax(-1)


def _until_the_end(ids: list[int], ends: Sequence[int]) -> list[int]:
    for place, token in enumerate(ids):
        if token in ends:
            return ids[: place + 1]
    return ids


def generated(policy: HuggingFacePolicy, prompts: Sequence[Sequence[int]], steps: int, **words: Any) -> Any:
    """What the model's `generate` makes of prompts, padded on their left: ids [S, T], greedy."""
    from transformers import GenerationConfig

    longest = max(map(len, prompts))
    ids_ST = torch.full((len(prompts), longest), policy.spec.pad_id, dtype=torch.int64)
    for row, prompt in enumerate(prompts):
        ids_ST[row, longest - len(prompt) :] = torch.tensor(prompt)
    real_ST = torch.arange(longest) >= longest - torch.tensor([len(prompt) for prompt in prompts])[:, None]
    settings = GenerationConfig(
        max_new_tokens=steps,
        do_sample=False,
        use_cache=True,
        eos_token_id=list(policy.spec.eos_ids),
        pad_token_id=policy.spec.pad_id,
    )
    with quiet():
        return policy.model.generate(
            ids_ST.to(policy.device),
            attention_mask=real_ST.long().to(policy.device),
            generation_config=settings,
            **words,
        )


@torch.no_grad()
def rows_together(policy: HuggingFacePolicy) -> Literal["any", "alike", "one", "none"]:
    """Which rows `generate` decodes together, by its cache, with the logits that full passes give.

    Rows of any lengths, rows of one length, one row; none where the cache gives others even for one row.
    """
    steps = min(TRIED_TOKENS, policy.spec.max_positions - 9)
    short, other, long = (
        [(place * 7919 + start) % policy.spec.vocab_size for place in range(length)]
        for start, length in ((11, 3), (29, 9), (11, 9))
    )
    if steps < 1 or not all(_cached(policy, [prompt], steps) for prompt in (short, long)):
        return "none"
    if not _cached(policy, [long, other], steps):
        return "one"
    return "any" if _cached(policy, [short, long], steps) else "alike"


def _cached(policy: HuggingFacePolicy, prompts: Sequence[Sequence[int]], steps: int) -> bool:
    """Whether the logits of all tokens that `generate` writes are those of a pass over each row alone."""
    words = {"output_logits": True, "return_dict_in_generate": True}
    found = generated(policy, prompts, steps, **words)
    longest = max(map(len, prompts))
    for row, prompt in enumerate(prompts):
        ids = _until_the_end(found.sequences[row, longest:].tolist(), policy.spec.eos_ids)
        whole = torch.tensor([[*prompt, *ids[:-1]]], device=policy.device)
        expected = policy.logits(policy.hidden(whole)[0, len(prompt) - 1 :])
        logits = torch.stack([step[row] for step in found.logits[: len(ids)]])
        if not bool((expected - logits).abs().max() <= TOLERANCE * max(1.0, float(expected.abs().max()))):
            return False
    return True
