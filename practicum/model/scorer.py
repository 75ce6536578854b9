"""Scoring rows of tokens: hidden states and log-probabilities by one version of a policy's weights.

Rows come packed end to end, with the targets marked. Our decoder on a CPU with a compiler takes them through
kernels as they are (`model/native/scorer.py`); any other policy reads them right-padded, in micro-batches of
similar length.

Rows and their ids lie on the CPU. A scorer moves what it needs to the policy's device; hidden states stay
there, where heads read them, and token scores come back to the CPU, where rollouts and their credit are.
Suffixes: N packed tokens, M targets, D hidden width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.model.decoder import Decoder
from practicum.model.native.scorer import PackedWeights, pack_weights, packed_hidden, packed_logprobs, work
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig, filter_logits
from practicum.threads import one_thread
from practicum.types import Rollout

MOST_PADDING = 0.05
"""Largest share of a micro-batch that may be padding."""


@dataclass(frozen=True)
class Rows:
    """Token rows ready for one forward pass; row r is tokens starts[r] to starts[r + 1], exclusive.

    ids_N: int64, rows end to end. starts: int64 [rows + 1]. target_N: bool, True where the token is one the
    loss counts (never a row's first, which nothing predicts).
    """

    ids_N: Tensor
    starts: Tensor
    target_N: Tensor

    @property
    def target_ids(self) -> Tensor:
        """Ids of the targets, int64, row after row."""
        return self.ids_N[self.target_N]


def make_rows(sequences: Sequence[Sequence[int]], prompt_lengths: Sequence[int]) -> Rows:
    """Pack sequences; targets are the tokens after each row's prompt. Same order as given."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    starts = _starts(lengths)
    ids = torch.tensor([token for sequence in sequences for token in sequence], dtype=torch.int64)
    place = torch.arange(len(ids)) - starts[:-1].repeat_interleave(lengths)
    given = torch.tensor(prompt_lengths).clamp_min(1)
    return Rows(ids, starts, place >= given.repeat_interleave(lengths))


def equal_rows(ids_BT: Tensor) -> Rows:
    """Rows of one length without padding, int64 [B, T]; every token but a row's first is a target."""
    rows, length = ids_BT.shape
    target_BT = torch.ones((rows, length), dtype=torch.bool)
    target_BT[:, 0] = False
    return Rows(ids_BT.flatten(), torch.arange(rows + 1) * length, target_BT.flatten())


def _starts(lengths: Tensor) -> Tensor:
    return torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])


def micro_batches(
    lengths: Sequence[int],
    max_tokens: int,
    *,
    packed: bool = False,
    workers: int = 1,
    alike: Sequence[int] | None = None,
) -> list[list[int]]:
    """Row numbers cut into micro-batches, each at most `max_tokens` with its padding, a longer row alone.

    Packed rows have no padding: the longest rows left go to the micro-batch with the fewest tokens, and
    there are as many micro-batches as `max_tokens` asks for, rounded up to serve all workers alike. Rows with
    one number in `alike` begin alike and stay together, up to half of what a worker has to do. Otherwise
    rows are sorted by length, and a micro-batch is closed before more than MOST_PADDING of it is padding.
    """
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    return _even(lengths, alike, max_tokens, workers) if packed else _padded(lengths, order, max_tokens)


def _even(
    lengths: Sequence[int], alike: Sequence[int] | None, max_tokens: int, workers: int
) -> list[list[int]]:
    rounds = max(1, -(-sum(lengths) // (max_tokens * workers)))
    while True:
        most = sum(lengths) // (2 * rounds * workers) if alike is not None else 0
        bundles = _bundles(lengths, range(len(lengths)) if alike is None else alike, most)
        batches: list[list[int]] = [[] for _ in range(min(len(bundles), rounds * workers))]
        loads = [0] * len(batches)
        for bundle in sorted(bundles, key=lambda one: (-sum(lengths[row] for row in one), -one[0])):
            least = loads.index(min(loads))
            batches[least] += bundle
            loads[least] += sum(lengths[row] for row in bundle)
        if all(load <= max_tokens or len(batch) == 1 for load, batch in zip(loads, batches, strict=True)):
            return batches
        rounds += 1


def _bundles(lengths: Sequence[int], alike: Sequence[int], most: int) -> list[list[int]]:
    """Rows with one number together, in bundles of at most `most` tokens, a longer row alone."""
    bundles: list[list[int]] = []
    open_at: dict[int, int] = {}
    loads: list[int] = []
    for row, number in enumerate(alike):
        at = open_at.get(number)
        if at is None or loads[at] + lengths[row] > most:
            open_at[number] = at = len(bundles)
            bundles.append([])
            loads.append(0)
        bundles[at].append(row)
        loads[at] += lengths[row]
    return bundles


def _padded(lengths: Sequence[int], order: list[int], max_tokens: int) -> list[list[int]]:
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


def padding_share(lengths: Sequence[int], batches: Sequence[Sequence[int]], *, packed: bool = False) -> float:
    """Share of processed positions that are padding, in [0, 1)."""
    if packed:
        return 0.0
    processed = sum(len(batch) * max(lengths[row] for row in batch) for batch in batches)
    return 1 - sum(lengths) / processed


def rollout_rows(rollout: Rollout, rows: Sequence[int]) -> Rows:
    """The chosen rows of a rollout as token rows: prompt, then completion, the very ids that were sampled."""
    chosen = torch.tensor(list(rows), dtype=torch.int64)
    prompt_BP, mask_BT = rollout.prompt_ids_BP[chosen], rollout.mask_BT[chosen]
    present_BT = rollout.present_BT[chosen]
    prompt_lengths_B = rollout.prompt_lengths_B[chosen]
    shown_BP = torch.arange(prompt_BP.shape[1]) >= prompt_BP.shape[1] - prompt_lengths_B[:, None]
    present = torch.cat([shown_BP, present_BT], 1)
    target = torch.cat([torch.zeros_like(shown_BP), mask_BT], 1)
    ids = torch.cat([prompt_BP, rollout.completion_ids_BT[chosen]], 1)
    return Rows(ids[present], _starts(present.sum(1)), target[present])


def rollout_lengths(rollout: Rollout) -> list[int]:
    """Tokens of each row, prompt and completion together."""
    lengths: list[int] = (rollout.prompt_lengths_B + rollout.present_BT.sum(1)).tolist()
    return lengths


class TokenScores(NamedTuple):
    """Log-probability of each target and the entropy of its distribution, float32 [M] both, on the CPU."""

    logprobs: Tensor
    entropy: Tensor


class Scorer(Protocol):
    """One version of a policy's weights, ready for any number of micro-batches, side by side too."""

    @property
    def packed(self) -> bool:
        """Whether rows go through without padding."""
        ...

    def cut(
        self, lengths: Sequence[int], max_tokens: int, alike: Sequence[int] | None = None
    ) -> list[list[int]]:
        """Row numbers in micro-batches of at most `max_tokens`, a longer row alone (`micro_batches`).

        Rows with one number in `alike` have one prompt, or begin alike for another reason.
        """
        ...

    def hidden(self, rows: Rows) -> Tensor:
        """Hidden states float32 [M, D] at the positions that predict the M targets, row after row.

        They are on the policy's device. Raises InputError for a token id outside the model's vocabulary.
        """
        ...

    def logprobs(
        self, hidden_MD: Tensor, rows: Rows, sampling: SamplingConfig, *, entropy_gradient: bool = False
    ) -> TokenScores:
        """Scores of the targets by the distribution a sampler draws from, its temperature and truncation too.

        The entropy has a gradient only when asked for, which keeps several more [M, V] tensors where kernels
        do not apply.
        """
        ...


def make_scorer(policy: Policy, dtype: torch.dtype) -> Scorer:
    """The policy's present weights, ready for micro-batches; make a new one after every update."""
    if isinstance(policy, Decoder):
        with one_thread():
            weights = pack_weights(policy, dtype)
        if weights is not None:
            return KernelScorer(policy, dtype, weights)
    return PaddedScorer(policy, dtype)


@dataclass(frozen=True)
class PaddedScorer:
    """A scorer of any policy on any device, in PyTorch."""

    policy: Policy
    dtype: torch.dtype

    packed = False

    def cut(
        self, lengths: Sequence[int], max_tokens: int, alike: Sequence[int] | None = None
    ) -> list[list[int]]:
        """Rows of similar length together."""
        return micro_batches(lengths, max_tokens)

    def hidden(self, rows: Rows) -> Tensor:
        """As `Scorer.hidden`, by way of right-padded rows."""
        ids_N, starts, predicting_M = _read_part(rows, self.policy.spec.vocab_size)
        work.add(forward_passes=1, tokens=len(ids_N), targets=len(predicting_M))
        lengths = starts.diff()
        row_N = torch.arange(len(lengths)).repeat_interleave(lengths)
        place_N = torch.arange(len(ids_N)) - starts[row_N]
        ids_BT = torch.zeros((len(lengths), int(lengths.max())), dtype=torch.int64)
        ids_BT[row_N, place_N] = ids_N
        device = self.policy.device
        hidden = self.policy.hidden(ids_BT.to(device), self.dtype)
        return hidden[row_N[predicting_M].to(device), place_N[predicting_M].to(device)]

    def logprobs(
        self, hidden_MD: Tensor, rows: Rows, sampling: SamplingConfig, *, entropy_gradient: bool = False
    ) -> TokenScores:
        """As `Scorer.logprobs`."""
        targets = rows.target_ids.to(hidden_MD.device)
        logits_MV = self.policy.logits(hidden_MD, self.dtype)
        logprobs_MV = filter_logits(logits_MV, sampling, keep=targets)
        chosen = logprobs_MV.gather(1, targets[:, None]).squeeze(1)
        measured_MV = logprobs_MV if entropy_gradient else logprobs_MV.detach()
        # A token cut away has log-probability -inf and must count 0, in the gradient too.
        entropy = -(measured_MV.exp() * measured_MV.clamp_min(-100)).sum(-1)
        return TokenScores(chosen.cpu(), entropy.cpu())


@dataclass(frozen=True)
class KernelScorer:
    """A scorer of our decoder by C++ kernels on a CPU; `weights` are cast and packed once for all of it."""

    policy: Decoder
    dtype: torch.dtype
    weights: PackedWeights

    packed = True

    def cut(
        self, lengths: Sequence[int], max_tokens: int, alike: Sequence[int] | None = None
    ) -> list[list[int]]:
        """As many tokens in each as in the others, work for every thread, rows that begin alike together."""
        workers = torch.get_num_threads()
        return micro_batches(lengths, max_tokens, packed=True, workers=workers, alike=alike)

    def hidden(self, rows: Rows) -> Tensor:
        """As `Scorer.hidden`."""
        return packed_hidden(self.weights, *_read_part(rows, self.policy.config.vocab_size))

    def logprobs(
        self, hidden_MD: Tensor, rows: Rows, sampling: SamplingConfig, *, entropy_gradient: bool = False
    ) -> TokenScores:
        """As `Scorer.logprobs`; a truncated distribution needs every logit, so PyTorch computes it."""
        if sampling.top_p < 1 or 0 < sampling.top_k < self.policy.config.vocab_size:
            padded = PaddedScorer(self.policy, self.dtype)
            return padded.logprobs(hidden_MD, rows, sampling, entropy_gradient=entropy_gradient)
        temperature = sampling.temperature if sampling.temperature > 0 else 1.0
        targets = rows.target_ids
        return TokenScores(
            *packed_logprobs(self.weights, hidden_MD, targets, temperature, entropy_gradient=entropy_gradient)
        )


def _read_part(rows: Rows, vocabulary: int) -> tuple[Tensor, Tensor, Tensor]:
    """(ids_N, starts, predicting_M): rows without their last tokens, and where in them targets are predicted.

    A row's last token predicts nothing, so it is not read at all. Raises InputError for an id that is none,
    before anything reads it.
    """
    check_ids(rows.ids_N, vocabulary)
    read_N = torch.ones_like(rows.target_N)
    read_N[rows.starts[1:] - 1] = False
    starts = rows.starts - torch.arange(len(rows.starts))
    return rows.ids_N[read_N], starts, rows.target_N.roll(-1)[read_N].nonzero().squeeze(1)


def check_ids(ids_N: Tensor, vocabulary: int) -> None:
    """Raise InputError unless all int64 ids are in [0, vocabulary); kernels would read foreign memory."""
    for token in (int(ids_N.min()), int(ids_N.max())) if len(ids_N) else ():
        if not 0 <= token < vocabulary:
            raise InputError(
                f"token id {token} is outside the model's vocabulary of {vocabulary} "
                f"(0 to {vocabulary - 1}): use the tokenizer that belongs to the model"
            )
