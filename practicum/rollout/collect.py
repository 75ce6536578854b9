"""From prompts to groups of scored rollouts: sample, decode, score, keep every id and log-probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer
from torch import Tensor

from practicum.model.tokenizer import encode_prompts
from practicum.rollout.converse import Conversation, converse
from practicum.rollout.sampler import Completion, Heard, Sampler, nobody
from practicum.rollout.scores import checked_scores
from practicum.run.profile import span
from practicum.types import Prompt, ReadsTokens, Reward, Rollout, Score


@dataclass(frozen=True)
class ScoredRollout:
    """Rollouts of a batch of prompts with their judgements, row for row.

    reward_B: float64 [B], finite; finished_B: bool [B], False where a completion was cut at its length limit.
    shaped_BT: float64 [B, T], what shaping pays each token besides, where there is any.
    """

    rollout: Rollout
    prompts: list[Prompt]
    scores: list[Score]
    reward_B: Tensor
    finished_B: Tensor
    shaped_BT: Tensor | None = None


def solved_share(scores: Sequence[Score]) -> float | None:
    """Share that solve their problem, of the scores that say whether they do; None where none says."""
    judged = [score.solved for score in scores if score.solved is not None]
    return sum(judged) / len(judged) if judged else None


def collect(
    sampler: Sampler,
    tokenizer: Tokenizer,
    reward: Reward,
    prompts: Sequence[Prompt],
    group_size: int,
    seed: int,
    on_finished: Heard = nobody,
    conversation: Conversation | None = None,
) -> ScoredRollout:
    """Sample `group_size` completions of each prompt and score them; rows of a prompt stand together.

    With a `conversation` the task replies and completions go on. What is scored is then the policy's last
    turn; the prompts of the rows hold all turns in `data["turns"]`, the policy's and the task's alternately.
    Raises InputError for a reward that is not a finite number.
    """
    prompt_ids = encode_prompts(tokenizer, prompts)
    groups = sampler.sample(prompt_ids, group_size, seed, on_finished)
    completions = [completion for group in groups for completion in group]
    row_prompts = [prompt for prompt in prompts for _ in range(group_size)]
    last_turns = None
    if conversation is not None:
        row_ids = [ids for ids in prompt_ids for _ in range(group_size)]
        spoken = converse(sampler, tokenizer, row_prompts, row_ids, completions, conversation, seed)
        completions = [one.completion for one in spoken]
        row_prompts = [
            replace(prompt, data={**prompt.data, "turns": list(one.turns)})
            for prompt, one in zip(row_prompts, spoken, strict=True)
        ]
        last_turns = [one.turns[-1] for one in spoken]
    texts = tokenizer.decode_batch([completion.ids for completion in completions], skip_special_tokens=True)
    judged = last_turns or texts
    with span("verify"):
        scores = _scored(reward, row_prompts, judged, completions)
    if len(scores) != len(texts):
        raise RuntimeError(f"task {reward.name!r} returned {len(scores)} scores for {len(texts)} texts")
    scores = checked_scores(reward.name, row_prompts, judged, scores)
    group_B = torch.arange(len(prompts)).repeat_interleave(group_size)
    return ScoredRollout(
        rollout=to_rollout(prompt_ids, group_B, completions, texts),
        prompts=row_prompts,
        scores=scores,
        reward_B=torch.tensor([score.value for score in scores], dtype=torch.float64),
        finished_B=torch.tensor([completion.finished for completion in completions]),
    )


def rows_of(batch: ScoredRollout, keep_B: Tensor) -> ScoredRollout:
    """The chosen rows, bool [B]; their groups are numbered anew from 0, in order."""
    rollout, rows = batch.rollout, keep_B.nonzero().squeeze(1)
    number = (torch.bincount(rollout.group_B[rows]) > 0).cumsum(0) - 1
    chosen = {
        name: getattr(rollout, name)[rows]
        for name in ("prompt_ids_BP", "prompt_lengths_B", "completion_ids_BT", "mask_BT", "logprobs_BT")
    }
    return ScoredRollout(
        rollout=replace(
            rollout,
            **chosen,
            group_B=number[rollout.group_B[rows]],
            texts=[rollout.texts[row] for row in rows],
            lengths_B=None if rollout.lengths_B is None else rollout.lengths_B[rows],
        ),
        prompts=[batch.prompts[row] for row in rows],
        scores=[batch.scores[row] for row in rows],
        reward_B=batch.reward_B[rows],
        finished_B=batch.finished_B[rows],
        shaped_BT=None if batch.shaped_BT is None else batch.shaped_BT[rows],
    )


def joined(batches: Sequence[ScoredRollout]) -> ScoredRollout:
    """The rows of batches by one policy one after another, no two batches sharing a group."""
    if len(batches) == 1:
        return batches[0]
    rollouts = [batch.rollout for batch in batches]
    starts = [0]
    for rollout in rollouts:
        starts.append(starts[-1] + int(rollout.group_B.max()) + 1)
    lengths = [rollout.present_BT.sum(1) for rollout in rollouts]
    spoken = any(rollout.lengths_B is not None for rollout in rollouts)
    rollout = Rollout(
        prompt_ids_BP=_stacked([one.prompt_ids_BP for one in rollouts], left=True),
        prompt_lengths_B=torch.cat([one.prompt_lengths_B for one in rollouts]),
        completion_ids_BT=_stacked([one.completion_ids_BT for one in rollouts]),
        mask_BT=_stacked([one.mask_BT for one in rollouts]),
        logprobs_BT=_stacked([one.logprobs_BT for one in rollouts]),
        group_B=torch.cat([one.group_B + start for one, start in zip(rollouts, starts, strict=False)]),
        policy_version=min(one.policy_version for one in rollouts),
        texts=[text for one in rollouts for text in one.texts],
        lengths_B=torch.cat(lengths) if spoken else None,
    )
    shaped = [batch.shaped_BT for batch in batches if batch.shaped_BT is not None]
    return ScoredRollout(
        rollout=rollout,
        prompts=[prompt for batch in batches for prompt in batch.prompts],
        scores=[score for batch in batches for score in batch.scores],
        reward_B=torch.cat([batch.reward_B for batch in batches]),
        finished_B=torch.cat([batch.finished_B for batch in batches]),
        shaped_BT=_stacked(shaped) if shaped else None,
    )


def _stacked(parts: Sequence[Tensor], *, left: bool = False) -> Tensor:
    """Rows of different widths one after another, padded with 0 on the right, or on the left."""
    width = max(part.shape[1] for part in parts)
    padded = [
        torch.nn.functional.pad(part, (width - part.shape[1], 0) if left else (0, width - part.shape[1]))
        for part in parts
    ]
    return torch.cat(padded)


def _scored(
    reward: Reward, prompts: Sequence[Prompt], texts: Sequence[str], completions: Sequence[Completion]
) -> list[Score]:
    """What the reward says; one that reads tokens is given those that were sampled."""
    if isinstance(reward, ReadsTokens):
        return reward.score_tokens(prompts, texts, [completion.ids for completion in completions])
    return reward.score(prompts, texts)


def to_rollout(
    prompt_ids: Sequence[Sequence[int]],
    group_B: Tensor,
    completions: Sequence[Completion],
    texts: list[str],
) -> Rollout:
    """Pad prompts on the left and completions on the right into one `Rollout`; ids are never re-encoded.

    Its policy version is the oldest of its completions'.
    """
    rows = len(completions)
    prompt_width = max(len(ids) for ids in prompt_ids)
    width = max(len(completion.ids) for completion in completions)
    prompt_ids_BP = torch.zeros((rows, prompt_width), dtype=torch.int64)
    prompt_lengths_B = torch.tensor([len(prompt_ids[group]) for group in group_B.tolist()])
    completion_ids_BT = torch.zeros((rows, width), dtype=torch.int64)
    mask_BT = torch.zeros((rows, width), dtype=torch.bool)
    logprobs_BT = torch.zeros((rows, width))
    for row, (group, completion) in enumerate(zip(group_B.tolist(), completions, strict=True)):
        prompt, length = prompt_ids[group], len(completion.ids)
        prompt_ids_BP[row, prompt_width - len(prompt) :] = torch.tensor(prompt)
        completion_ids_BT[row, :length] = torch.tensor(completion.ids)
        mask_BT[row, :length] = True if completion.chosen is None else torch.tensor(completion.chosen)
        logprobs_BT[row, :length] = torch.tensor(completion.logprobs)
    return Rollout(
        prompt_ids_BP=prompt_ids_BP,
        prompt_lengths_B=prompt_lengths_B,
        completion_ids_BT=completion_ids_BT,
        mask_BT=mask_BT,
        logprobs_BT=logprobs_BT,
        group_B=group_B,
        policy_version=min(completion.policy_version for completion in completions),
        texts=texts,
        lengths_B=_lengths(completions),
    )


def _lengths(completions: Sequence[Completion]) -> Tensor | None:
    """Tokens of each completion where some were not chosen, else None."""
    if all(completion.chosen is None for completion in completions):
        return None
    return torch.tensor([len(completion.ids) for completion in completions])
