"""Rows of tokens on their way into the model: right-padded, bucketed by length, with the targets marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from practicum.model.decoder import Decoder
from practicum.rollout.sampler import SamplingConfig, filter_logits
from practicum.types import Rollout

MOST_PADDING = 0.05
"""Largest share of a micro-batch that may be padding."""


@dataclass(frozen=True)
class Rows:
    """Token rows ready for one forward pass.

    ids_BT: int64, right-padded. target_BT: bool, True where the token is one the loss counts (never position
    0, which nothing predicts).
    """

    ids_BT: Tensor
    target_BT: Tensor


def make_rows(sequences: Sequence[Sequence[int]], prompt_lengths: Sequence[int]) -> Rows:
    """Right-pad sequences; targets are the tokens after each row's prompt. Same order as given."""
    longest = max(len(sequence) for sequence in sequences)
    ids = torch.zeros((len(sequences), longest), dtype=torch.int64)
    target = torch.zeros((len(sequences), longest), dtype=torch.bool)
    for row, (sequence, prompt_length) in enumerate(zip(sequences, prompt_lengths, strict=True)):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        target[row, max(1, prompt_length) : len(sequence)] = True
    return Rows(ids, target)


def micro_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Row numbers cut into micro-batches of similar length, each at most `max_tokens` with its padding.

    Rows are sorted by length, and a micro-batch is closed before more than MOST_PADDING of it would be
    padding. A row longer than `max_tokens` gets a micro-batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    batches: list[list[int]] = []
    used = 0
    for row in order:
        processed = (len(batches[-1]) + 1) * lengths[row] if batches else 0
        if batches and processed <= max_tokens and used + lengths[row] >= (1 - MOST_PADDING) * processed:
            batches[-1].append(row)
            used += lengths[row]
        else:
            batches.append([row])
            used = lengths[row]
    return batches


def padding_share(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """Share of processed positions that are padding, in [0, 1)."""
    processed = sum(len(batch) * max(lengths[row] for row in batch) for batch in batches)
    return 1 - sum(lengths) / processed


def rollout_rows(rollout: Rollout, rows: Sequence[int]) -> Rows:
    """The chosen rows of a rollout as token rows: prompt, then completion, the very ids that were sampled."""
    sequences, prompt_lengths = [], []
    completion_lengths = rollout.mask_BT.sum(1).tolist()
    for row in rows:
        prompt_length = int(rollout.prompt_lengths_B[row])
        prompt = rollout.prompt_ids_BP[row, rollout.prompt_ids_BP.shape[1] - prompt_length :].tolist()
        sequences.append(prompt + rollout.completion_ids_BT[row, : completion_lengths[row]].tolist())
        prompt_lengths.append(prompt_length)
    return make_rows(sequences, prompt_lengths)


def rollout_lengths(rollout: Rollout) -> list[int]:
    """Tokens of each row, prompt and completion together."""
    lengths: list[int] = (rollout.prompt_lengths_B + rollout.mask_BT.sum(1)).tolist()
    return lengths


def target_hidden(decoder: Decoder, rows: Rows, dtype: torch.dtype) -> Tensor:
    """Hidden states float32 [N, D] at the positions that predict the N targets, in row-major order."""
    hidden = decoder.hidden(rows.ids_BT[:, :-1], dtype)
    return hidden[rows.target_BT[:, 1:]]


def target_logprobs(
    decoder: Decoder,
    hidden_ND: Tensor,
    rows: Rows,
    sampling: SamplingConfig,
    dtype: torch.dtype,
    *,
    entropy_gradient: bool = False,
) -> tuple[Tensor, Tensor]:
    """Log-probability float32 [N] of each target and the entropy float32 [N] of its distribution.

    The distribution is the one the sampler draws from: same temperature, same truncation. The entropy has a
    gradient only when asked for, which keeps several more [N, V] tensors until the backward pass.
    """
    targets = rows.ids_BT[rows.target_BT]
    logprobs_NV = filter_logits(decoder.logits(hidden_ND, dtype), sampling, keep=targets)
    chosen = logprobs_NV.gather(1, targets[:, None]).squeeze(1)
    measured_NV = logprobs_NV if entropy_gradient else logprobs_NV.detach()
    # A token cut away has log-probability -inf and must count 0, in the gradient too.
    entropy = -(measured_NV.exp() * measured_NV.clamp_min(-100)).sum(-1)
    return chosen, entropy
