"""Practice: sample solutions, let the task or a reward model judge them, and make what paid more likely.

One iteration = prompts -> groups of completions -> scores -> advantages -> update(s) -> one metrics row.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from torch import nn

from practicum.errors import InputError
from practicum.files import atomic_write
from practicum.guard.controllers import adapted_kl_weight, holding_kl_weight
from practicum.guard.guard import GuardConfig
from practicum.guard.signals import repeated_triples
from practicum.model.checkpoint import load_model, model_folder
from practicum.model.decoder import compute_dtype
from practicum.model.heads import Critic, KLWeight, Multipliers, ValueHead
from practicum.model.lora import LoraConfig, add_adapters
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import rollout_lengths
from practicum.ranges import MOST_HELD, Count, NonNegativeInt, Ranged, Seed
from practicum.reward.controls import Control, check_control, with_control
from practicum.reward.model import RewardModel, load_reward_model
from practicum.reward.parts import (
    RewardConfig,
    check_shares,
    hold_budgets,
    hold_shares,
    multipliers_of,
    pay,
    priced,
    repetition,
)
from practicum.rollout.collect import ScoredRollout, collect, solved_share
from practicum.rollout.sampler import Sampler, make_sampler
from practicum.run.folder import Run
from practicum.run.profile import Profile, span
from practicum.tasks.registry import TaskConfig, load_task
from practicum.tasks.task import Task, behaviours_of
from practicum.training.algorithms import grpo, ppo
from practicum.training.algorithms.grpo import GrpoConfig
from practicum.training.algorithms.ppo import PpoConfig
from practicum.training.guarding import Watch, act, ended_by_guard, held_since, hold, warning_signals
from practicum.training.loop import (
    LoopConfig,
    StepResult,
    Trainee,
    generator_for,
    run_steps,
    sampling_seed,
    set_threads,
    step_seed,
)
from practicum.training.objectives import explained_variance
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.update import (
    Experience,
    KLConfig,
    UpdateConfig,
    reference_logprobs,
    score_tokens,
    update_policy,
)
from practicum.training.watched import WatchedTask
from practicum.types import Prompt, RewardFormat, Score

HELD_WEIGHT = 0.1
"""KL weight that a run without one begins with when the guard holds it; from there it is adapted."""


@dataclass(frozen=True)
class RlConfig(Ranged):
    """Practice: reinforcement learning against a task's own judgement, or against a reward model."""

    model: Path
    """Folder of the model to start from (a model folder, or a run's folder)."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template). Ours know it themselves."""
    reward_model: tuple[Path, ...] = ()
    """Folders of reward models (or their runs); several are an ensemble. None: the task pays."""
    reward: RewardConfig = field(default_factory=RewardConfig)
    """What a reward model's opinion and other named parts are worth."""
    guard: GuardConfig = field(default_factory=GuardConfig)
    """What watches a run against reward models, and ends it when they no longer speak for people."""
    reference: Path | None = None
    """The model that the KL pulls to; none means the one practice starts from."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task that gives prompts and judges completions."""
    algorithm: Literal["grpo", "ppo"] = "grpo"
    """grpo compares the answers to one prompt; ppo trains a value head."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Adapters that learn in place of all weights."""
    control: Control = "none"
    """A null reward in place of the true one: random pays a coin, format pays any answer that parses."""
    prompts_per_step: Count = 32
    """Prompts of one iteration."""
    group_size: Count = 8
    """Completions sampled for each prompt."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """How completions are drawn."""
    update: UpdateConfig = field(default_factory=UpdateConfig)
    """How a batch becomes weight updates."""
    grpo: GrpoConfig = field(default_factory=GrpoConfig)
    """Settings of grpo."""
    ppo: PpoConfig = field(default_factory=PpoConfig)
    """Settings of ppo."""
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            algorithm="adamw", learning_rate=1.5e-4, warmup_steps=5, final_share=0.2, weight_decay=0.0
        )
    )
    """The optimizer."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=120, checkpoint_every=40))
    """Iterations and checkpoints."""
    samples_per_step: NonNegativeInt = 8
    """Rows of samples.jsonl an iteration."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Matrix products of the update; master weights are always float32."""
    seed: Seed = 0
    """Fixes prompts and sampling."""
    profile: bool = False
    """Print where a step's time goes and write trace.json."""

    def __post_init__(self) -> None:
        super().__post_init__()
        fewest = 2 if self.algorithm == "grpo" else 1
        if self.group_size < fewest:
            raise InputError(
                f"group_size is {self.group_size}; {self.algorithm} needs at least {fewest} answers a prompt"
            )
        if self.prompts_per_step < self.update.minibatches:
            raise InputError(
                f"prompts_per_step is {self.prompts_per_step}; each of update.minibatches "
                f"{self.update.minibatches} needs at least one prompt"
            )
        if self.prompts_per_step * self.group_size > MOST_HELD:
            raise InputError(
                f"prompts_per_step {self.prompts_per_step} times group_size {self.group_size} is more than "
                f"{MOST_HELD:,}, the most completions of an iteration: lower one of them"
            )
        if self.sampling.temperature <= 0:
            raise InputError(
                f"sampling.temperature is {self.sampling.temperature}; practice must try different answers, "
                "so it must be above 0"
            )
        if self.reward.budgets and not self.reward_model:
            raise InputError("reward.budgets hold parts of a --reward_model's reward: give one")
        if self.reward.shares and not self.reward_model:
            raise InputError("reward.shares add a price to a --reward_model's reward: give one")
        if self.reward_model and self.control != "none":
            raise InputError(f"control {self.control} replaces the task's reward: drop --reward_model")


def train(
    config: RlConfig, run_path: Path, *, resume: bool = False, task: Task | None = None
) -> dict[str, Any]:
    """Practise and return the summary; the model is the run's newest checkpoint.

    `task` practises a task of your own in place of the one that the config names; prompts and scores are all
    it needs. The run's config.toml cannot hold it: give it again to resume.
    Against reward models the guard watches. A run that it ended is over: resuming it changes nothing. One
    that it holds goes on from the trusted checkpoint, as a resumed run with the KL held.
    """
    given, held = config, held_since(run_path) if resume else None
    if held:
        config = held_near(given)
    if resume and (ended := ended_by_guard(Run(run_path))):
        Run(run_path).check_config(given)
        return ended
    decoder, tokenizer = load_model(model_folder(config.model))
    add_adapters(decoder, config.lora, config.seed)
    own, task = task, with_control(task or load_task(config.task), config.control, config.seed)
    check_control(task, config.control)
    check_shares(task, config.reward.shares)
    dtype = compute_dtype(config.dtype)
    reward_models = [load_reward_model(path, dtype, config.reward_format) for path in config.reward_model]
    heads = make_heads(config, decoder, tokenizer, reward_models)
    anchor = model_folder(config.reference or config.model)
    if reward_models and not config.update.kl.weight:
        print(
            "practicum: nothing holds the policy near what people ranked, and a reward model is right only "
            "there: consider --update.kl.weight 0.1",
            file=sys.stderr,
        )
    reference = load_model(anchor)[0] if config.update.kl.weight or reward_models else None
    if reference is not None and reference.spec.vocab_size != decoder.spec.vocab_size:
        raise InputError(f"{anchor}: its vocabulary is not the policy's, so there is no KL between them")
    guarded = bool(reward_models) and config.guard.action != "off"
    goes_back = guarded and config.guard.action in ("roll_back", "hold")
    # Where the guard will want to go back to is known when it alarms, so until then every checkpoint stays.
    keep = config.loop.steps + 1 if goes_back else config.loop.keep_checkpoints
    run = Run.open(run_path, given, "rl", resume=resume, keep=keep)
    set_threads(config.loop.threads)
    updates = config.loop.steps * config.update.epochs * config.update.minibatches
    optimizer = Optimizer(nn.ModuleDict({"policy": decoder, "heads": heads}), config.optimizer, updates)
    trainee = Trainee(decoder, tokenizer, heads, optimizer)

    watch = Watch(config.guard, run, config.loop.checkpoint_every) if guarded else None
    profile = Profile()
    sampler = make_sampler(decoder, config.sampling)

    def practise_once(index: int) -> StepResult:
        if not config.profile:
            return practise(trainee, reference, task, config, index, reward_models, sampler)
        with profile.step():
            return practise(trainee, reference, WatchedTask(task), config, index, reward_models, sampler)

    def step(index: int) -> StepResult:
        result = practise_once(index)
        return watch.see(index + 1, result) if watch else result

    loop = config.loop
    if watch and watch.alarm:
        # It was killed between the checkpoint of the alarm and the summary.
        loop = replace(loop, steps=watch.alarm.step)
    last = run_steps(run, loop, trainee, step, ("reward", "completion_tokens"), keep_start=goes_back)
    warnings = last["warnings"]
    if profile.steps:
        atomic_write(run.path / "trace.json", profile.trace())
        print(profile.table(), file=sys.stderr)
    if watch and watch.alarm and watch.alarm.action == "hold":
        hold(watch.alarm, run)
        return train(given, run_path, resume=True, task=own)
    if watch and watch.alarm:
        last = act(watch.alarm, run, step_prompts(task, config, watch.alarm.step - 1), last)
    run.prune(config.loop.keep_checkpoints)
    summary = {
        "stage": "rl",
        "task": task.name,
        "algorithm": config.algorithm,
        "control": config.control,
        **last,
        "warnings": warnings,
    }
    if watch and watch.decision:
        summary["guard"] = watch.decision.json()
    if held:
        summary["held"] = held
        if watch and not watch.alarm:
            summary["guard"] = held
    run.finish(summary)
    return summary


def held_near(config: RlConfig) -> RlConfig:
    """The config of a run from where the guard holds it: the KL weight is adapted to keep the KL at what the
    guard trusts, and a second alarm goes back and ends the run."""
    kl, target = config.update.kl, config.guard.held_kl
    kl = replace(kl, weight=kl.weight or HELD_WEIGHT, target=min(kl.target or target, target), hold=True)
    return replace(
        config,
        update=replace(config.update, kl=kl),
        guard=replace(config.guard, action="roll_back"),
    )


def make_heads(
    config: RlConfig, decoder: Policy, tokenizer: Tokenizer, reward_models: Sequence[RewardModel]
) -> nn.ModuleDict:
    """What is trained or kept beside the policy: a value head or critic (PPO), an adapted KL weight, the
    multipliers of budgets, the prices of shares.

    Raises InputError for a critic without a reward model to start from, or with one of another tokenizer
    than the policy's, whose tokens it reads.
    """
    heads = nn.ModuleDict()
    if config.algorithm == "ppo" and config.ppo.critic == "reward_model":
        if not reward_models:
            raise InputError("ppo.critic is reward_model: give the --reward_model it starts from")
        start = reward_models[0]
        if start.tokenizer.to_str() != tokenizer.to_str():
            raise InputError(
                f"{config.reward_model[0]}: its tokenizer is not the policy's, so it cannot start the "
                "critic: use --ppo.critic head"
            )
        scale = start.calibration.deviation if config.reward.scale else 1.0
        mean = sum(start.calibration.mean) / len(start.calibration.mean)
        # A copy: the critic learns, the reward model must not.
        own = load_reward_model(config.reward_model[0], torch.float32, config.reward_format).decoder
        heads["value"] = Critic(own, start.head.weight.mean(0) / scale, -mean / scale)
    elif config.algorithm == "ppo":
        heads["value"] = ValueHead(decoder.spec.hidden_size, config.seed).to(decoder.device)
    if config.update.kl.target or (reward_models and config.guard.action == "hold"):
        heads["kl"] = KLWeight(config.update.kl.weight or HELD_WEIGHT)
    if config.reward.budgets:
        heads["budgets"] = Multipliers(sorted(config.reward.budgets))
    if config.reward.shares:
        heads["prices"] = Multipliers(sorted(config.reward.shares))
    return heads


def practise(
    trainee: Trainee,
    reference: Policy | None,
    task: Task,
    config: RlConfig,
    index: int,
    reward_models: Sequence[RewardModel] = (),
    sampler: Sampler | None = None,
) -> StepResult:
    """One iteration: sample, score, assign credit, update.

    `sampler` gets the policy's present weights; None: one is made for this iteration.
    """
    started = time.perf_counter()
    prompts = step_prompts(task, config, index)
    seed = sampling_seed(config.seed, "sampling", index)
    first_update = index * config.update.epochs * config.update.minibatches
    with span("sample"):
        if sampler is None:
            sampler = make_sampler(trainee.decoder, config.sampling, first_update)
        else:
            sampler.load(trainee.decoder, first_update)
        batch = collect(sampler, trainee.tokenizer, task, prompts, config.group_size, seed)
    if reward_models:
        with span("verify"):
            multipliers = multipliers_of(trainee, "budgets").present()
            prices = priced(multipliers_of(trainee, "prices").present(), task, batch)
            longest = config.sampling.max_new_tokens
            batch = pay(batch, reward_models, config.reward, longest, multipliers, prices)
    sampled = time.perf_counter()
    dtype = compute_dtype(config.dtype)
    kl, config = config.update.kl, with_present_kl_weight(trainee, config)
    experience = assign_credit(trainee, reference, batch, config, dtype)
    metrics = update_policy(
        trainee,
        experience,
        config.update,
        config.sampling,
        dtype,
        first_update,
        generator_for(config.seed, "minibatches", index),
        config.ppo.value_weight,
        config.ppo.value_clip,
    )
    with span("verify"):
        metrics |= describe(task, batch)
    metrics |= describe_credit(trainee, experience, config, kl)
    metrics |= hold_budgets(trainee, metrics, config.reward)
    metrics |= hold_shares(trainee, metrics, config.reward)
    if reward_models:
        watching = time.perf_counter()
        metrics |= warning_signals(batch)
        metrics["guard_seconds"] = time.perf_counter() - watching
    metrics["tokens"] = float(sum(rollout_lengths(batch.rollout)))
    metrics["sample_seconds"] = sampled - started
    metrics["update_seconds"] = time.perf_counter() - sampled
    return StepResult(metrics, sample_rows(batch, experience, config.samples_per_step, index))


def step_prompts(task: Task, config: RlConfig, index: int) -> list[Prompt]:
    """The prompts of one iteration."""
    return task.prompts("train", config.prompts_per_step, step_seed(config.seed, "prompts", index))


def assign_credit(
    trainee: Trainee, reference: Policy | None, batch: ScoredRollout, config: RlConfig, dtype: torch.dtype
) -> Experience:
    """The algorithm's advantages; reference log-probabilities and values are each computed once."""
    micro_batch_tokens = config.update.micro_batch_tokens
    reference_logprobs_BT = None
    if reference is not None:
        with span("reference"):
            reference_logprobs_BT = reference_logprobs(
                reference, trainee.decoder, batch.rollout, config.sampling, micro_batch_tokens, dtype
            )
    if config.algorithm == "grpo":
        return grpo.experience(batch, config.grpo, config.update.kl, reference_logprobs_BT)
    value = trainee.heads["value"]
    reader, head = (value.decoder, value.head) if isinstance(value, Critic) else (trainee.decoder, value)
    with span("forward"):
        _, values_BT = score_tokens(reader, batch.rollout, config.sampling, micro_batch_tokens, dtype, head)
    return ppo.experience(batch, config.ppo, config.update.kl, reference_logprobs_BT, values_BT)


def with_present_kl_weight(trainee: Trainee, config: RlConfig) -> RlConfig:
    """The config with the KL weight as adapted so far, or as it is when the weight is fixed."""
    if not config.update.kl.target:
        return config
    kl = replace(config.update.kl, weight=kl_weight_of(trainee).present())
    return replace(config, update=replace(config.update, kl=kl))


def kl_weight_of(trainee: Trainee) -> KLWeight:
    """The adapted KL weight that is kept with the heads."""
    kept = trainee.heads["kl"]
    assert isinstance(kept, KLWeight)
    return kept


def describe_credit(
    trainee: Trainee, experience: Experience, config: RlConfig, kl: KLConfig
) -> dict[str, float]:
    """KL of whole completions, the KL weight (adapted here for the next step), and how good values were."""
    rollout = experience.rollout
    metrics = {"repetition": repetition(rollout.completion_ids_BT, rollout.mask_BT)}
    if experience.reference_logprobs_BT is not None:
        log_ratio_BT = (rollout.logprobs_BT - experience.reference_logprobs_BT) * rollout.mask_BT
        metrics["kl_completion"] = float(log_ratio_BT.sum(1).mean())
        metrics["kl_weight"] = config.update.kl.weight
    if config.update.kl.target:
        # Holding starts from the weight of the config, adapting from that of the step.
        adapt = holding_kl_weight if kl.hold else adapted_kl_weight
        start = kl.weight if kl.hold else config.update.kl.weight
        adapted = adapt(start, metrics["kl_completion"], kl.target)
        kl_weight_of(trainee).weight.fill_(adapted)
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


def sample_rows(batch: ScoredRollout, experience: Experience, count: int, index: int) -> list[dict[str, Any]]:
    """The first `count` rows spread over the groups, for samples.jsonl."""
    rows = len(batch.scores)
    chosen = range(0, rows, max(1, rows // max(1, count)))
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
            **_learned_parts(batch.scores[row]),
        }
        for row in chosen
    ]


def _learned_parts(score: Score) -> dict[str, dict[str, float]]:
    """What reward models said of a sample; nothing where there were none."""
    found = {name: score.parts[name] for name in ("reward_model", "disagreement") if name in score.parts}
    return {"parts": found} if found else {}
