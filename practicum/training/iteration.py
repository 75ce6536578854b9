"""One iteration of practice: sample, score, give credit, update."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from torch import Tensor

from practicum.guard.observer import Adjustments, Paid, StepResult, adjustments
from practicum.guard.watch import Watch, warning_signals
from practicum.model.decoder import compute_dtype
from practicum.model.heads import Critic
from practicum.model.scorer import rollout_lengths
from practicum.reward.function import tell_progress
from practicum.reward.parts import (
    extra_pay,
    pay,
)
from practicum.reward.shaping import shaped_tokens
from practicum.rollout.collect import ScoredRollout, collect, joined, rows_of
from practicum.rollout.converse import conversation_of
from practicum.run.profile import span
from practicum.training.algorithms.algorithm import Experience, Signals
from practicum.training.iteration_log import describe, describe_credit, sample_rows, shown_rows
from practicum.training.loop import (
    Trainee,
    generator_for,
    sampling_seed,
)
from practicum.training.rl_parts import Parts, step_prompts
from practicum.training.rl_settings import RlConfig
from practicum.training.update import (
    ScoreSettings,
    Step,
    reference_logprobs,
    score_tokens,
    update_policy,
)


def practise(parts: Parts, trainee: Trainee, config: RlConfig, index: int) -> StepResult:
    """One iteration: sample, score, give credit, update."""
    started = time.perf_counter()
    adjusted = adjustments(parts.observers, index + 1)
    tell_progress(parts.reward, index, config.loop.steps)
    first_update = index * config.update.epochs * config.update.minibatches
    with span("sample"):
        parts.sampler.load(trainee.decoder, first_update)
    batch, kept = gathered(parts, trainee, config, index, adjusted)
    learned = batch if kept is None else kept
    sampled = time.perf_counter()
    step = step_of(config, parts, adjusted)
    experience = give_credit(parts, trainee, learned, config, step)
    if kept is None:
        experience = replace(
            experience,
            advantages_BT=torch.zeros_like(experience.advantages_BT),
            row_matters_B=torch.zeros_like(experience.row_matters_B),
        )
    metrics = update_policy(
        trainee, experience, step, first_update, generator_for(config.seed, "minibatches", index)
    )
    with span("verify"):
        metrics |= describe(parts.task, batch)
    metrics |= describe_credit(experience, step)
    if parts.algorithm.keep is not None:
        metrics["kept"] = (0 if kept is None else len(kept.scores)) / len(batch.scores)
        metrics["completions"] = len(batch.scores)
    if parts.algorithm.fewest == 1 and "values" not in parts.algorithm.needs:
        # What compares no answers to one prompt learns from tied groups too.
        del metrics["groups_tied"]
    if "teacher" in parts.algorithm.needs:
        # It learns whatever is paid, so rewards that are all equal are no sign of death.
        del metrics["reward_std"]
    metrics |= {f"multiplier/{name}": value for name, value in adjusted.multipliers.items()}
    metrics |= {f"price/{name}": value for name, value in adjusted.prices.items()}
    if parts.reward_models or any(isinstance(observer, Watch) for observer in parts.observers):
        watching = time.perf_counter()
        metrics |= warning_signals(batch)
        metrics["guard_seconds"] = time.perf_counter() - watching
    metrics["tokens"] = float(sum(rollout_lengths(batch.rollout)))
    metrics["sample_seconds"] = sampled - started
    metrics["update_seconds"] = time.perf_counter() - sampled
    shown = [learned.prompts[row] for row in shown_rows(learned, config)]
    paid = [
        Paid(prompt, text, float(reward), score.solved)
        for prompt, text, reward, score in zip(
            batch.prompts, batch.rollout.texts, batch.reward_B, batch.scores, strict=True
        )
    ]
    rows = sample_rows(learned, experience, config, index, trainee.tokenizer)
    return StepResult(metrics, rows, shown, paid)


def gathered(
    parts: Parts, trainee: Trainee, config: RlConfig, index: int, adjusted: Adjustments
) -> tuple[ScoredRollout, ScoredRollout | None]:
    """(all that was sampled and paid, what is learned from) in one iteration; None where nothing was kept.

    An algorithm that keeps some rows only may sample other prompts in the place of those that it dropped,
    until it has as many as an iteration has.
    """
    algorithm = parts.algorithm
    settings = algorithm.settings(config)
    batches = [sampled_and_paid(parts, trainee, config, index, 0, adjusted)]
    if algorithm.keep is None:
        return batches[0], batches[0]
    kept = [algorithm.keep(batches[0], settings)]
    most = min(algorithm.most_rounds(settings), adjusted.rounds or algorithm.most_rounds(settings))
    groups = len(_groups_of(batches[0].rollout.group_B, kept[0]))
    while len(batches) < most and groups < config.prompts_per_step:
        batches.append(sampled_and_paid(parts, trainee, config, index, len(batches), adjusted))
        kept.append(algorithm.keep(batches[-1], settings))
        groups += len(_groups_of(batches[-1].rollout.group_B, kept[-1]))
    batch, keep_B = joined(batches), torch.cat(kept)
    if not bool(keep_B.any()):
        return batch, None
    group_B = batch.rollout.group_B
    last = _groups_of(group_B, keep_B)[: config.prompts_per_step][-1]
    return batch, rows_of(batch, keep_B & (group_B <= last))


def _groups_of(group_B: Tensor, keep_B: Tensor) -> Tensor:
    """Numbers of the groups that have a row left, in order."""
    return (torch.bincount(group_B[keep_B]) > 0).nonzero().squeeze(1)


def sampled_and_paid(
    parts: Parts, trainee: Trainee, config: RlConfig, index: int, again: int, adjusted: Adjustments
) -> ScoredRollout:
    """Completions of an iteration's prompts with their pay; `again` counts the times before."""
    prompts = step_prompts(parts.task, config, index, again, parts.curriculum)
    with span("sample"):
        seed = sampling_seed(config.seed, "sampling", index, *([again] if again else []))
        conversation = conversation_of(parts.task, trainee.decoder, config.sampling)
        batch = collect(
            parts.sampler,
            trainee.tokenizer,
            parts.reward,
            prompts,
            config.group_size,
            seed,
            conversation=conversation,
        )
    if parts.reward_models or (config.reward.adds_up and config.control == "none"):
        with span("verify"):
            extra, longest = extra_pay(adjusted, parts.task, batch), config.sampling.max_new_tokens
            batch = pay(batch, parts.reward_models, config.reward, longest, extra)
    if parts.potential is not None:
        with span("verify"):
            shaped_BT = shaped_tokens(batch, trainee.tokenizer, parts.potential, config.ppo.discount)
            batch = replace(batch, shaped_BT=shaped_BT)
    return batch


def step_of(config: RlConfig, parts: Parts, adjusted: Adjustments) -> Step:
    """What this step's update needs, with the KL weight that holds for it."""
    kl = config.kl
    return Step(
        config.update,
        config.sampling,
        compute_dtype(config.dtype, parts.policy.device),
        kl if adjusted.kl_weight is None else replace(kl, beta=adjusted.kl_weight),
        parts.algorithm,
        config.ppo.value_weight,
        config.ppo.value_clip,
    )


def give_credit(
    parts: Parts, trainee: Trainee, batch: ScoredRollout, config: RlConfig, step: Step
) -> Experience:
    """The algorithm's advantages; reference log-probabilities and values are each computed once."""
    settings = ScoreSettings(step.sampling, step.config.micro_batch_tokens, step.dtype)
    reference_logprobs_BT = values_BT = gap_BT = None
    # The ratio of a whole answer is clipped closer to 1 than samplers and learners round alike in bfloat16.
    if step.config.importance_cap or parts.algorithm.ratio == "sequence":
        batch, gap_BT = rescored(trainee, batch, settings)
    if parts.reference is not None:
        with span("reference"):
            reference_logprobs_BT = reference_logprobs(
                parts.reference, trainee.decoder, batch.rollout, settings
            )
    if "values" in parts.algorithm.needs:
        value = trainee.heads["value"]
        reader, head = (value.decoder, value.head) if isinstance(value, Critic) else (trainee.decoder, value)
        with span("forward"):
            _, values_BT = score_tokens(reader, batch.rollout, settings, head)
    signals = Signals(step.kl, reference_logprobs_BT, values_BT, config.sampling.max_new_tokens)
    experience = parts.algorithm.credit(batch, signals, parts.algorithm.settings(config))
    return experience if gap_BT is None else replace(experience, sampler_gap_BT=gap_BT)


def rescored(trainee: Trainee, batch: ScoredRollout, settings: ScoreSettings) -> tuple[ScoredRollout, Tensor]:
    """The batch with the learner's log-probabilities as those to compare with, and how much larger they are.

    Source of the correction: Yao et al. 2025, "Your Efficient RL Framework Secretly Brings You Off-Policy RL
    Training"; truncated importance sampling: Ionides 2008.
    """
    with span("forward"):
        own_BT, _ = score_tokens(trainee.decoder, batch.rollout, settings)
    gap_BT = (own_BT - batch.rollout.logprobs_BT) * batch.rollout.mask_BT
    return replace(batch, rollout=replace(batch.rollout, logprobs_BT=own_BT)), gap_BT
