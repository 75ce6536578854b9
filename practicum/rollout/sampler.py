"""Sampling completions, whoever draws them: what a sampler promises.

Each sampler has its own file: `native.py` draws in C++, `torch.py` in PyTorch, `uncached.py` from any policy.
`samplers.py` says which one a policy gets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch

from practicum.errors import InputError
from practicum.model.decoder import Decoder
from practicum.model.policy import ModelSpec, Policy
from practicum.ranges import MOST_HELD
from practicum.threads import side_by_side

# Fewer rows than this at a time leave a core's matrix products mostly idle.
MINIMUM_SHARD = 16

Heard = Callable[[int], None]


def nobody(finished: int) -> None:
    """Hears how many completions are done, and does nothing with it."""


@dataclass(frozen=True)
class Completion:
    """One sampled answer: the chosen token ids (end-of-sequence included) and their log-probabilities.

    `finished` is False where it was cut at its length limit; `policy_version` is that of the weights.
    `chosen` is False on tokens that a task's replies put in, with log-probability 0; None: all were chosen.
    """

    ids: list[int]
    logprobs: list[float]
    finished: bool
    policy_version: int = 0
    chosen: list[bool] | None = None


class Sampler(Protocol):
    """Draws completions from one version of a policy's weights at a time."""

    def load(self, policy: Policy, version: int) -> None:
        """Sample from the policy's present weights from now on; completions carry `version`.

        Call it after every update: most samplers keep copies, which do not follow the policy.
        """
        ...

    def sample(
        self, prompts: Sequence[Sequence[int]], count: int, seed: int, on_finished: Heard = nobody
    ) -> list[list[Completion]]:
        """`count` completions of every prompt (token ids), in the order of the prompts.

        Equal weights, prompts and seed give equal completions. `on_finished` hears how many are done, for a
        progress bar. Raises InputError when a prompt is empty, leaves no room in the model's positions or has
        a token outside its vocabulary.
        """
        ...


def scattered(seed: int) -> int:
    """A 62-bit seed for `Sampler.sample` from any seed a person may give; equal seeds give equal ones."""
    return int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(seed)))


def own_decoder(policy: Policy) -> Decoder:
    """The policy as our decoder; TypeError for any other, which a sampler of packed weights cannot load."""
    if not isinstance(policy, Decoder):
        raise TypeError(f"{type(policy).__name__} is not a Decoder: make_sampler chooses a sampler that fits")
    return policy


def check_prompts(prompts: Sequence[Sequence[int]], count: int, spec: ModelSpec) -> None:
    """Raise InputError for what no sampler can draw: too much at a time, no room, ids that are no tokens."""
    if len(prompts) * count > MOST_HELD:
        raise InputError(
            f"{len(prompts)} prompts with {count} completions each are more than {MOST_HELD:,}, the most "
            "that is sampled at a time: ask for fewer"
        )
    limit, vocabulary = spec.max_positions, spec.vocab_size
    for index, prompt in enumerate(prompts):
        if not 0 < len(prompt) < limit:
            raise InputError(f"prompt {index} has {len(prompt)} tokens; the model takes 1 to {limit - 1}")
        for token in (min(prompt), max(prompt)):
            if not 0 <= token < vocabulary:
                raise InputError(
                    f"prompt {index} has token id {token}, outside the model's vocabulary of "
                    f"{vocabulary} (0 to {vocabulary - 1}): use the tokenizer that belongs to the model"
                )


# ------------------------------------------------------------------------------ shards, one for each thread


class Batch(Protocol):
    """The rows in flight of one shard."""

    decode_steps: int

    @property
    def prefill_tokens(self) -> int:
        """Prompt tokens read so far."""
        ...

    @property
    def finished_count(self) -> int:
        """Completions done so far."""
        ...

    def step(self) -> bool:
        """Go on for a while; False when nothing is left to do."""
        ...

    def completions(self, version: int) -> list[Completion]:
        """Every request's completion, in request order."""
        ...


Begin = Callable[[Sequence[Sequence[int]], int], Batch]
"""Begins the rows of some prompts; the number is that of their first request among all."""


def run_shards(
    prompts: Sequence[Sequence[int]], count: int, shards: Sequence[range], begin: Begin, on_finished: Heard
) -> list[Batch]:
    """Run the batch of every shard to its end, side by side."""
    finished = [0] * len(shards)

    @torch.inference_mode()
    def run(number: int) -> Batch:
        shard = shards[number]
        batch = begin(prompts[shard.start : shard.stop], shard.start * count)
        while batch.step():
            finished[number] = batch.finished_count
            on_finished(sum(finished))
        return batch

    return side_by_side([partial(run, number) for number in range(len(shards))])


def cut_shards(prompts: int, count: int, device: torch.device) -> list[range]:
    """Prompts cut into one run for each CPU thread, or into a single one where there is little to do."""
    parts = torch.get_num_threads() if device.type == "cpu" else 1
    parts = max(1, min(parts, prompts, prompts * count // MINIMUM_SHARD))
    return [range(prompts * part // parts, prompts * (part + 1) // parts) for part in range(parts)]


def grouped(batches: Sequence[Batch], count: int, version: int) -> list[list[Completion]]:
    """The shards' completions, `count` to a prompt."""
    completions = [one for batch in batches for one in batch.completions(version)]
    return [completions[start : start + count] for start in range(0, len(completions), count)]
