"""Practice: sample solutions, let the task or a reward model judge them, and make what paid more likely.

One iteration = prompts -> groups of completions -> scores -> advantages -> update(s) -> one metrics row.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.guard.controllers import (
    BudgetController,
    CompletionLimit,
    KLConfig,
    KLController,
    ShareController,
)
from practicum.guard.counted import COUNTING, Counted, WatchConfig
from practicum.guard.guard import GuardConfig
from practicum.guard.observer import Adjustments, Observer, Paid, StepResult, adjustments
from practicum.guard.signals import repeated_triples
from practicum.guard.watch import Watch, ended_by_guard, warning_signals
from practicum.model.decoder import compute_dtype
from practicum.model.device import chosen_device, described
from practicum.model.heads import Critic, ValueHead
from practicum.model.lora import LoraConfig
from practicum.model.policy import Policy, load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import rollout_lengths
from practicum.ranges import MOST_HELD, Common, Count, NonNegativeInt, Ranged, Seed
from practicum.reward.controls import Control, check_control, with_control
from practicum.reward.function import close, tell_progress, with_functions
from practicum.reward.model import RewardModel, load_reward_model
from practicum.reward.parts import (
    UNFINISHED,
    RewardConfig,
    check_shares,
    extra_pay,
    most_multipliers,
    pay,
    repetition,
)
from practicum.reward.shaping import Potential, load_potential, shaped_tokens
from practicum.reward.truth import truth_for
from practicum.rollout.collect import ScoredRollout, collect, joined, rows_of, solved_share
from practicum.rollout.converse import conversation_of
from practicum.rollout.fitting import fitted
from practicum.rollout.sampler import Sampler
from practicum.rollout.samplers import make_sampler
from practicum.run.folder import Run
from practicum.run.profile import span
from practicum.tasks.registry import TaskConfig, load_task_on, stamped, without_effect
from practicum.tasks.table import TableTask, check_judged
from practicum.tasks.task import Task, behaviours_of
from practicum.training.algorithms import ALGORITHMS, Name
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals
from practicum.training.algorithms.dapo import DapoConfig
from practicum.training.algorithms.gfpo import GfpoConfig
from practicum.training.algorithms.grpo import GrpoConfig
from practicum.training.algorithms.online_dpo import OnlineDpoConfig
from practicum.training.algorithms.ppo import PpoConfig
from practicum.training.answer_room import no_room
from practicum.training.curriculum import Curriculum, CurriculumConfig, make_curriculum
from practicum.training.defaults import defaults_for
from practicum.training.loop import (
    LoopConfig,
    Stage,
    Trainee,
    generator_for,
    run_steps,
    sampling_seed,
    set_threads,
    step_seed,
)
from practicum.training.objectives import explained_variance
from practicum.training.optimizer import Optimizer, OptimizerConfig, Together
from practicum.training.profiler import Profiler
from practicum.training.spoken import tokens_of
from practicum.training.update import (
    ScoreSettings,
    Step,
    UpdateConfig,
    reference_logprobs,
    score_tokens,
    update_policy,
)
from practicum.types import Prompt, Reward, RewardFormat, Score


@dataclass(frozen=True, kw_only=True)
class PracticeSettings(Ranged):
    """How a policy practises, whoever decides on its model, its task and what pays."""

    own_reward: ClassVar[bool] = False
    """Whether Python code brings the reward (`build`), which no setting can hold."""

    algorithm: Common[Name] = "group"
    """How rewards teach; see `practicum algorithms`. group compares the answers to one prompt, ppo
    trains a value head."""
    prompts_per_step: Common[Count] = 32
    """Prompts of one iteration. The default is 16 for a model of 20M weights or more."""
    group_size: Common[Count] = 8
    """Completions sampled for each prompt."""
    samples_per_step: NonNegativeInt = 8
    """Rows of samples.jsonl an iteration."""
    samples_tokens: bool = False
    """Write each row's tokens too, with their log-probabilities, advantages and, with a reference, KL."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Matrix products of the update; master weights are always float32."""
    profile: bool = False
    """Print where a step's time goes and write trace.json."""
    reward: RewardConfig = field(default_factory=RewardConfig)
    """Who pays, and what each named part is worth."""
    guard: WatchConfig = field(default_factory=WatchConfig)
    """What watches the signals of a run and its answers, and ends it when its reward can no longer be
    trusted."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Adapters that learn in place of all weights."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """How completions are drawn."""
    update: UpdateConfig = field(default_factory=UpdateConfig)
    """How a batch becomes weight updates."""
    grpo: GrpoConfig = field(default_factory=GrpoConfig)
    """Settings of group and grpo."""
    dapo: DapoConfig = field(default_factory=DapoConfig)
    """Settings of dapo."""
    gfpo: GfpoConfig = field(default_factory=GfpoConfig)
    """Settings of gfpo."""
    online_dpo: OnlineDpoConfig = field(default_factory=OnlineDpoConfig)
    """Settings of online_dpo."""
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

    def without_effect(self) -> Mapping[str, str]:
        """Settings of the algorithms that are not chosen, and of a count that nothing asks for."""
        chosen = ALGORITHMS[self.algorithm]
        idle = {
            one.section or name: f"the algorithm is {self.algorithm}: drop it, or choose --algorithm {name}"
            for name, one in ALGORITHMS.items()
            if one.settings(self) is not None and (one.section or name) != (chosen.section or chosen.name)
        }
        for name in ("clip_low", "clip_high"):
            if getattr(chosen, name) is None:
                idle[f"update.{name}"] = f"the loss of {self.algorithm} has no such bound: drop it"
        if self.kl is not self.update.kl:
            why = f"{self.algorithm} brings a KL of its own: give --update.kl.weight with it for another"
            idle |= dict.fromkeys(("update.kl.estimator", "update.kl.placement"), why)
        if not self.reward.functions:
            idle["guard.fuzz"] = "no function pays: give one with --reward"
        if not self.guard.countable(self.own_reward or bool(self.reward.functions)):
            why = (
                "no answers are counted: give the function that pays (--reward), or something to count them "
                "by (--guard.findings, --guard.truth)"
            )
            idle |= dict.fromkeys([f"guard.{name}" for name in ("known", *COUNTING)], why)
        return idle

    @property
    def kl(self) -> KLConfig:
        """The pull to the reference: of the settings where they give a weight, else the algorithm's own."""
        own = ALGORITHMS[self.algorithm].kl
        return own if self.update.kl.weight is None and own.beta else self.update.kl

    def __post_init__(self) -> None:
        super().__post_init__()
        fewest = ALGORITHMS[self.algorithm].fewest
        if self.group_size < fewest:
            raise InputError(
                f"group_size is {self.group_size}; {self.algorithm} needs at least {fewest} answers a prompt"
            )
        self._check_algorithm()
        if self.ppo.potential and self.algorithm != "ppo":
            raise InputError(
                f"ppo.potential pays steps, and {self.algorithm} compares whole answers, over which "
                "potentials cancel: use --algorithm ppo"
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

    def _check_algorithm(self) -> None:
        """Raise InputError for what the algorithm is not defined for."""
        name, kl, pulls = self.algorithm, self.kl, ALGORITHMS[self.algorithm].pulls
        if kl.beta and kl.placement not in pulls:
            where = " or ".join(pulls)
            remedy = f"use --update.kl.placement {where}" if pulls else "drop --update.kl.weight"
            raise InputError(f"update.kl: {name} has no place for a KL in the {kl.placement}: {remedy}")
        if name == "gfpo" and not 2 <= self.gfpo.keep < self.group_size:
            raise InputError(
                f"gfpo.keep is {self.gfpo.keep}; of group_size {self.group_size} answers it must keep at "
                "least 2 and leave out at least 1"
            )
        if name == "online_dpo" and self.update.epochs * self.update.minibatches > 1:
            raise InputError(
                "online_dpo makes one update a batch, for which its gradient is right: drop update.epochs "
                "and update.minibatches"
            )


@dataclass(frozen=True)
class RlConfig(PracticeSettings):
    """Practice: reinforcement learning against a task's own judgement, or against a reward model.

    practicum rl --model runs/sft --run runs/rl
    practicum rl --model runs/sft --algorithm dr_grpo --loop.steps 200
    practicum rl --model runs/jokes --task jokes --reward_model runs/reward
    """

    before: ClassVar[Mapping[str, Any]] = {"guard.action": "off"}

    model: Path
    """Folder of the model to start from (a model folder, or a run's folder)."""
    reward_model: Common[tuple[Path, ...]] = ()
    """Folders of reward models (or their runs); several are an ensemble. None: the task pays."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template). Ours know it themselves."""
    reference: Path | None = None
    """The model that the KL pulls to, and distill's teacher; none means the one practice starts from."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task that gives prompts and judges completions."""
    data: DataConfig = field(default_factory=DataConfig)
    """Your own rows in place of the task's prompts."""
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    """From easy to hard, for a task with levels."""
    control: Common[Control] = "none"
    """A null reward in place of the true one: random pays a coin, format pays any answer that parses."""
    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 0
    """Fixes prompts and sampling."""

    def by_model(self) -> tuple[str, dict[str, Any]]:
        """Defaults for a model of this size."""
        return defaults_for("rl", self.model, self.lora.rank)

    def without_effect(self) -> Mapping[str, str]:
        """What needs a reward model or a KL, where there is none, and what task or rows leave out."""
        idle = dict(super().without_effect()) | without_effect(self.task, self.data, "practice")
        if self.control != "none":
            idle["guard.fuzz"] = f"control {self.control} pays in place of the function"
        if self.reward_model:
            idle["guard.rewards"] = "a reward model pays, and beside one the signals are always watched"
        else:
            learned = ("reward.ensemble", "reward.variance_weight", "reward.scale", "reward_format")
            idle |= dict.fromkeys(learned, "no reward model pays: give one with --reward_model")
            signals = [f"guard.{one.name}" for one in fields(GuardConfig)]
            if self.guard.rewards == "learned":
                idle |= dict.fromkeys(
                    signals,
                    "no reward model pays: give one with --reward_model, or watch any reward with "
                    "--guard.rewards any",
                )
        if not self.measures_kl:
            idle["reference"] = "no KL is measured: give --update.kl.weight above 0"
        if not (self.kl.beta or (self.watched and self.guard.action == "hold")):
            why = (
                "no KL pulls: give --update.kl.weight above 0"
                if ALGORITHMS[self.algorithm].pulls
                else f"{self.algorithm} has no place for a KL: drop it"
            )
            idle |= dict.fromkeys(("update.kl.estimator", "update.kl.placement"), why)
        return idle

    @property
    def measures_kl(self) -> bool:
        """Whether a reference is loaded and the KL to it measured: always where the guard may watch it."""
        guarded = self.watched and self.guard.action != "off"
        compared = "reference" in ALGORITHMS[self.algorithm].needs
        return bool(self.kl.beta or self.reward_model or guarded or compared)

    @property
    def watched(self) -> bool:
        """Whether the guard's signals are watched, if the guard is on."""
        return bool(self.reward_model) or self.guard.rewards == "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.reward_model and self.reward.unfinished != UNFINISHED:
            raise InputError(
                f"reward.unfinished is {self.reward.unfinished:g}, and only a --reward_model pays it: leave "
                "it out, or have a function pay for length"
            )
        if (
            self.watched
            and self.guard.action == "hold"
            and self.kl.placement not in ALGORITHMS[self.algorithm].pulls
        ):
            raise InputError(
                f"guard.action is hold, which pins a KL in the {self.kl.placement}, and {self.algorithm} has "
                "no place for it: use --guard.action roll_back"
            )
        if "teacher" in ALGORITHMS[self.algorithm].needs and self.reference is None:
            raise InputError(f"{self.algorithm} learns from a teacher: give its model with --reference")
        if self.control != "none" and (self.reward.budgets or self.reward.shares):
            raise InputError(f"control {self.control} replaces the reward: drop reward.budgets and shares")
        if self.reward_model and self.control != "none":
            raise InputError(f"control {self.control} replaces the task's reward: drop --reward_model")


@dataclass(frozen=True)
class OwnRewardConfig(RlConfig):
    """The same, where Python code brings the reward that pays."""

    own_reward: ClassVar[bool] = True


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
    if config.kl.target or (guarded and config.guard.action == "hold"):
        observers.append(KLController(config.kl, config.guard.held_kl))
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


def train(
    config: RlConfig, run_path: Path, *, resume: bool = False, parts: Parts | None = None
) -> dict[str, Any]:
    """Practise and return the summary; the model is the run's newest checkpoint.

    `parts` are those of `build(config)`, changed as you like. Against reward models the guard watches. A run
    that it ended is over: resuming it changes nothing. One that it holds goes on from the trusted checkpoint
    with its KL pinned.
    """
    config = replace(config, task=stamped(config.task))
    if resume and (ended := ended_by_guard(Run(run_path))):
        Run(run_path).check_config(config)
        return ended
    parts = parts or build(config)
    if parts.reward_models and not config.kl.beta:
        print(
            "practicum: nothing holds the policy near what people ranked, and a reward model is right only "
            "there: consider --update.kl.weight 0.1",
            file=sys.stderr,
        )
    guarded = any(isinstance(observer, Watch) for observer in parts.observers)
    goes_back = guarded and config.guard.action in ("roll_back", "hold")
    # Where the guard will want to go back to is known when it alarms, so until then every checkpoint stays.
    keep = config.loop.steps + 1 if goes_back else config.loop.keep_checkpoints
    device = parts.policy.device
    run = Run.open(run_path, config, "rl", resume=resume, keep=keep, device=described(device))
    set_threads(config.loop.threads)
    if cut := no_room(parts.task, parts.tokenizer, config.sampling.max_new_tokens, config.seed):
        print(f"practicum: {cut}", file=sys.stderr)
    trainee = trainee_of(parts, config)
    shown: tuple[str, ...] = ("reward", "completion_tokens")
    if any(isinstance(observer, Counted) for observer in parts.observers):
        shown = (*shown, "known_paid")
    stage = Stage(run, config.loop, trainee, shown, parts.observers, keep_start=goes_back)
    try:
        last = run_steps(stage, lambda index: practise(parts, trainee, config, index))
    finally:
        close(parts.reward)
    summary = {
        "stage": "rl",
        "task": parts.task.name,
        "algorithm": config.algorithm,
        "control": config.control,
        **last,
    }
    for observer in parts.observers:
        summary |= observer.conclude(run)
    run.prune(config.loop.keep_checkpoints)
    run.finish(summary)
    return summary


def trainee_of(parts: Parts, config: RlConfig) -> Trainee:
    """The policy and its heads with the optimizer of both."""
    updates = config.loop.steps * config.update.epochs * config.update.minibatches
    trained = Together(policy=parts.policy, heads=parts.heads)
    optimizer = Optimizer(trained, config.optimizer, updates)
    return Trainee(parts.policy, parts.tokenizer, parts.heads, optimizer)


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
    shown = [learned.prompts[row] for row in _shown_rows(learned, config)]
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


def step_of(config: RlConfig, parts: Parts, adjusted: Adjustments) -> Step:
    """What this step's update needs, with the KL weight that holds for it."""
    kl = config.kl
    return Step(
        config.update,
        config.sampling,
        compute_dtype(config.dtype, parts.policy.device),
        kl if adjusted.kl_weight is None else replace(kl, weight=adjusted.kl_weight),
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
    if step.config.importance_cap:
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


def describe_gap(gap_BT: Tensor, mask_BT: Tensor, cap: float) -> dict[str, float]:
    """How far the sampler's log-probabilities are from the learner's, and the weights that mend it."""
    gap, weights = gap_BT[mask_BT], gap_BT[mask_BT].exp()
    return {
        "sampling/sampling_logp_difference/mean": float(gap.abs().mean()),
        "sampling/sampling_logp_difference/max": float(gap.abs().max()),
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
        for row in _shown_rows(batch, config)
    ]


def _shown_rows(batch: ScoredRollout, config: RlConfig) -> range:
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
