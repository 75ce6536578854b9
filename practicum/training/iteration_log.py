"""What an iteration of practice logs: its metrics and the samples that people read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer
from torch import Tensor

from practicum.guard.signals import repeated_triples
from practicum.reward.parts import (
    repetition,
)
from practicum.rollout.collect import ScoredRollout, solved_share
from practicum.tasks.task import Task, behaviours_of
from practicum.training.algorithms.algorithm import Experience
from practicum.training.objectives import explained_variance
from practicum.training.rl_settings import RlConfig
from practicum.training.spoken import tokens_of
from practicum.training.update import (
    Step,
)
from practicum.types import Prompt, Score


def describe_gap(gap_BT: Tensor, mask_BT: Tensor, cap: float) -> dict[str, float]:
    """How far the sampler's log-probabilities are from the learner's, and the weights that mend it, up to
    `cap`; 0 where nothing is weighed."""
    gap, weights = gap_BT[mask_BT], gap_BT[mask_BT].exp()
    apart = {
        "sampling/sampling_logp_difference/mean": float(gap.abs().mean()),
        "sampling/sampling_logp_difference/max": float(gap.abs().max()),
    }
    if not cap:
        return apart
    return apart | {
        "sampling/importance_sampling_ratio/min": float(weights.clamp_max(cap).min()),
        "sampling/importance_sampling_ratio/mean": float(weights.clamp_max(cap).mean()),
        "sampling/importance_sampling_ratio/max": float(weights.clamp_max(cap).max()),
        "sampling/truncated": float((weights > cap).float().mean()),
    }


def describe_credit(experience: Experience, step: Step) -> dict[str, float]:
    """KL of whole completions, the KL weight of the step, and how good values were."""
    rollout, kl = experience.rollout, step.kl
    metrics = {"repetition": repetition(rollout.completion_ids_BT, rollout.mask_BT)}
    if experience.reference_logprobs_BT is not None:
        log_ratio_BT = (rollout.logprobs_BT - experience.reference_logprobs_BT) * rollout.mask_BT
        metrics["kl_completion"] = float(log_ratio_BT.sum(1).mean())
        metrics["kl_weight"] = kl.beta
    if experience.sampler_gap_BT is not None:
        metrics |= describe_gap(experience.sampler_gap_BT, rollout.mask_BT, step.config.importance_cap)
    if experience.values_BT is not None and experience.returns_BT is not None:
        explained = explained_variance(experience.values_BT, experience.returns_BT, rollout.mask_BT)
        metrics["explained_variance"] = float(explained)
    return metrics


def describe(task: Task, batch: ScoredRollout) -> dict[str, float]:
    """Rewards, outcomes, lengths and behaviours of a batch, each a mean over the rows it applies to."""
    rows = len(batch.scores)
    metrics = {
        "reward": float(batch.reward_B.mean()),
        # From the least of them, so that equal rewards have no deviation at all.
        "reward_std": float((batch.reward_B - batch.reward_B.min()).std()),
        "reward_max": float(batch.reward_B.max()),
        "completion_tokens": float(batch.rollout.mask_BT.sum(1).float().mean()),
        "truncated": float((~batch.finished_B).float().mean()),
        "groups_tied": _tied_share(batch),
    }
    turns = [len(prompt.data["turns"]) for prompt in batch.prompts if "turns" in prompt.data]
    if turns:
        metrics["turns"] = sum((count + 1) // 2 for count in turns) / len(turns)
        metrics["replies"] = sum(count // 2 for count in turns) / len(turns)
    solved = solved_share(batch.scores)
    if solved is not None:
        metrics["solved"] = solved
    for outcome, count in Counter(score.outcome for score in batch.scores).items():
        if outcome:
            metrics[f"outcome/{outcome}"] = count / rows
    parts: dict[str, list[float]] = defaultdict(list)
    for score in batch.scores:
        for name, value in score.parts.items():
            parts[name].append(value)
    metrics |= {f"reward/{name}": sum(values) / len(values) for name, values in parts.items()}
    shown: dict[str, list[bool]] = defaultdict(list)
    for prompt, text in zip(batch.prompts, batch.rollout.texts, strict=True):
        for name, present in behaviours_of(task, prompt, text).items():
            shown[name].append(present)
    return metrics | {f"behaviour/{name}": sum(flags) / len(flags) for name, flags in shown.items()}


def _tied_share(batch: ScoredRollout) -> float:
    groups = batch.rollout.group_B
    tied = [
        bool((batch.reward_B[groups == group] == batch.reward_B[groups == group][0]).all())
        for group in range(int(groups.max()) + 1)
    ]
    return sum(tied) / len(tied)


def sample_rows(
    batch: ScoredRollout, experience: Experience, config: RlConfig, index: int, tokenizer: Tokenizer
) -> list[dict[str, Any]]:
    """The first `samples_per_step` rows spread over the groups, for samples.jsonl."""
    return [
        {
            "step": index + 1,
            "prompt": batch.prompts[row].text,
            "completion": batch.rollout.texts[row],
            "reward": float(batch.reward_B[row]),
            "advantage": float(experience.advantages_BT[row].sum() / batch.rollout.mask_BT[row].sum()),
            "outcome": batch.scores[row].outcome,
            "solved": batch.scores[row].solved,
            "reason": batch.scores[row].reason,
            "completion_tokens": int(batch.rollout.mask_BT[row].sum()),
            "repetition": repeated_triples(
                batch.rollout.completion_ids_BT[row][batch.rollout.mask_BT[row]].tolist()
            ),
            **_named_parts(batch.scores[row], config.reward.names),
            **_turns(batch.prompts[row]),
            **({"tokens": tokens_of(experience, row, tokenizer)} if config.samples_tokens else {}),
        }
        for row in shown_rows(batch, config)
    ]


def shown_rows(batch: ScoredRollout, config: RlConfig) -> range:
    """The rows that are kept for people to read, spread over the groups."""
    rows = len(batch.scores)
    return range(0, rows, max(1, rows // max(1, config.samples_per_step)))


def _turns(prompt: Prompt) -> dict[str, list[dict[str, str]]]:
    """Who said what in a conversation; nothing where the completion is one text."""
    speakers = ("policy", "task")
    turns = prompt.data.get("turns")
    if turns is None:
        return {}
    return {"turns": [{"from": speakers[place % 2], "text": text} for place, text in enumerate(turns)]}


def _named_parts(score: Score, functions: Sequence[str]) -> dict[str, dict[str, float]]:
    """What reward models and functions said of a sample; nothing where there were none."""
    named = ("reward_model", "disagreement", *functions)
    found = {
        name: value
        for name, value in score.parts.items()
        if name in named or any(name.startswith(f"{one}.") for one in functions)
    }
    return {"parts": found} if found else {}
