"""What a run of practice is made of, put together from its settings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from tokenizers import Tokenizer
from torch import nn

from practicum.errors import InputError
from practicum.guard.controllers import (
    BudgetController,
    CompletionLimit,
    KLController,
    ShareController,
)
from practicum.guard.counted import Counted
from practicum.guard.observer import Observer
from practicum.guard.watch import Watch
from practicum.model.decoder import compute_dtype
from practicum.model.device import chosen_device
from practicum.model.heads import Critic, ValueHead
from practicum.model.policy import Policy, load_policy
from practicum.reward.controls import check_control, with_control
from practicum.reward.function import with_functions
from practicum.reward.model import RewardModel, load_reward_model
from practicum.reward.parts import (
    check_shares,
    most_multipliers,
)
from practicum.reward.shaping import Potential, load_potential
from practicum.reward.truth import truth_for
from practicum.rollout.fitting import fitted
from practicum.rollout.sampler import Sampler
from practicum.rollout.samplers import make_sampler
from practicum.tasks.registry import load_task_on
from practicum.tasks.table import TableTask, check_judged
from practicum.tasks.task import Task
from practicum.training.algorithms import ALGORITHMS
from practicum.training.algorithms.algorithm import Algorithm
from practicum.training.curriculum import Curriculum, make_curriculum
from practicum.training.loop import (
    step_seed,
)
from practicum.training.profiler import Profiler
from practicum.training.rl_settings import RlConfig
from practicum.types import Prompt, Reward


@dataclass(frozen=True)
class Parts:
    """Everything concrete that a run of practice is made of; `train` only runs it.

    `task` gives prompts and says what answers show, `reward` judges them, and `reward_models`, where there
    are any, pay for them. `sampler` is loaded with the policy's weights at every step. `heads` are trained
    beside the policy. `potential` pays progress besides (ppo). `curriculum`, if any, draws the prompts.
    """

    policy: Policy
    tokenizer: Tokenizer
    task: Task
    reward: Reward
    algorithm: Algorithm
    sampler: Sampler
    reward_models: Sequence[RewardModel] = ()
    reference: Policy | None = None
    heads: nn.ModuleDict = field(default_factory=nn.ModuleDict)
    observers: Sequence[Observer] = ()
    potential: Potential | None = None
    curriculum: Curriculum | None = None


def build(config: RlConfig, *, task: Task | None = None, reward: Reward | None = None) -> Parts:
    """Load and put together what the settings name.

    `task` practises a task of your own in place of the one that the settings name; prompts and scores are all
    it needs. `reward` judges in place of the task. The run's config.toml can hold neither: give them again to
    resume. Raises InputError where parts do not fit each other.
    """
    check_paid(config, reward)
    device = chosen_device(config.device)
    policy, tokenizer = load_policy(config.model, device, config.lora, config.seed)
    task = task or load_task_on(config.task, config.data, "practice")
    if isinstance(task, TableTask):
        task = fitted(task, tokenizer, policy.spec.max_positions, config.data.longest_prompt)
        check_judged(task, reward or config.reward_model or config.reward.functions)
    told = {"max_new_tokens": config.sampling.max_new_tokens}
    own = reward is not None or bool(config.reward.functions)
    reward = with_control(with_functions(config.reward, task, reward, told), config.control, config.seed)
    check_control(reward, config.control, task.prompts("train", 1, 0)[0])
    check_shares(task, config.reward.shares)
    dtype = compute_dtype(config.dtype, device)
    reward_models = [
        load_reward_model(path, dtype, config.reward_format, device) for path in config.reward_model
    ]
    tell_one_member(config, reward_models)
    anchor = config.reference or config.model
    reference, its_tokenizer = load_policy(anchor, device) if config.measures_kl else (None, tokenizer)
    algorithm = ALGORITHMS[config.algorithm]
    if "teacher" in algorithm.needs and its_tokenizer.to_str() != tokenizer.to_str():
        raise InputError(
            f"{anchor}: its tokenizer is not that of {config.model}, so it cannot say how likely the tokens "
            "are: give a teacher of the same family"
        )
    if reference is not None and reference.spec.vocab_size != policy.spec.vocab_size:
        raise InputError(f"{anchor}: its vocabulary is not the policy's, so there is no KL between them")
    curriculum = make_curriculum(config.curriculum, task, config.prompts_per_step, config.group_size)
    return Parts(
        policy,
        tokenizer,
        task,
        reward,
        algorithm,
        make_sampler(policy, config.sampling),
        reward_models,
        reference,
        make_heads(config, policy, tokenizer, reward_models),
        make_observers(config, task, curriculum, own_reward=own),
        load_potential(config.ppo.potential) if config.ppo.potential else None,
        curriculum,
    )


def tell_one_member(config: RlConfig, reward_models: Sequence[RewardModel]) -> None:
    """Say on stderr where one member alone is combined in a way of several."""
    members = sum(len(model.calibration.mean) for model in reward_models)
    if members == 1 and config.reward.ensemble != "mean":
        print(
            f"practicum: reward.ensemble {config.reward.ensemble}: the reward model is one member, with "
            "nothing to be combined with: give several --reward_model, or one of several heads",
            file=sys.stderr,
        )


def check_paid(config: RlConfig, reward: Reward | None) -> None:
    """Raise InputError for budgets and shares where the task alone pays."""
    if config.reward_model or config.reward.functions or reward is not None:
        return
    if config.reward.budgets:
        raise InputError(
            "reward.budgets hold parts of what a --reward_model or a --reward function pays: give one"
        )
    if config.reward.shares:
        raise InputError(
            "reward.shares add a price to what a --reward_model or a --reward function pays: give one"
        )


def make_heads(
    config: RlConfig, policy: Policy, tokenizer: Tokenizer, reward_models: Sequence[RewardModel]
) -> nn.ModuleDict:
    """What is trained beside the policy: a value head or a critic, where the algorithm needs values.

    Raises InputError for a critic without a reward model to start from, or with one of another tokenizer
    than the policy's, whose tokens it reads.
    """
    if "values" not in ALGORITHMS[config.algorithm].needs:
        return nn.ModuleDict()
    if config.ppo.critic == "head":
        return nn.ModuleDict({"value": ValueHead(policy.spec.hidden_size, config.seed).to(policy.device)})
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
    path, form = config.reward_model[0], config.reward_format
    own = load_reward_model(path, torch.float32, form, policy.device).decoder
    return nn.ModuleDict({"value": Critic(own, start.head.weight.mean(0) / scale, -mean / scale)})


def make_observers(
    config: RlConfig, task: Task, curriculum: Curriculum | None = None, *, own_reward: bool = False
) -> tuple[Observer, ...]:
    """The controllers that the settings ask for, the guard beside reward models, the count, the profile.

    Answers are counted where a reward of the user's own pays, or where there is something to count them by.
    """
    learned = bool(config.reward_model) or config.guard.rewards == "any"
    guarded = learned and config.guard.action != "off"
    observers: list[Observer] = []
    algorithm = ALGORITHMS[config.algorithm]
    if limit := algorithm.most_completions(algorithm.settings(config)):
        observers.append(CompletionLimit(limit, config.prompts_per_step * config.group_size))
    kl = config.update.kl
    if kl.target or (guarded and config.guard.action == "hold"):
        observers.append(KLController(replace(kl, weight=config.kl.beta), config.guard.held_kl))
    if config.reward.budgets:
        most = most_multipliers(config.reward, learned=bool(config.reward_model))
        observers.append(BudgetController(config.reward.budgets, config.reward.budget_rate, most))
    if config.reward.shares:
        observers.append(ShareController(config.reward.shares, config.reward.share_rate))
    if curriculum is not None:
        observers.append(curriculum)
    prompts_of = partial(_prompts_of_step, task, config, curriculum)
    if guarded:
        observers.append(Watch(config.guard, config.loop.checkpoint_every, prompts_of))
    if config.guard.known != "off" and config.guard.countable(own_reward):
        truth = truth_for(config.guard.truth, task, config.reward.time_limit)
        observers.append(Counted(config.guard, prompts_of, truth))
    if config.profile:
        observers.append(Profiler())
    return tuple(observers)


def step_prompts(
    task: Task, config: RlConfig, index: int, again: int = 0, curriculum: Curriculum | None = None
) -> list[Prompt]:
    """The prompts of one iteration; others each time that it samples `again`."""
    count = config.prompts_per_step
    seed = step_seed(config.seed, "again", again) if again else config.seed
    if curriculum is not None:
        return curriculum.prompts(index + 1, step_seed(seed, "prompts", index))
    if isinstance(task, TableTask):
        return task.prompts_from(index * count, count, seed)
    return task.prompts("train", count, step_seed(seed, "prompts", index))


def _prompts_of_step(task: Task, config: RlConfig, curriculum: Curriculum | None, step: int) -> list[Prompt]:
    return step_prompts(task, config, step - 1, curriculum=curriculum)
