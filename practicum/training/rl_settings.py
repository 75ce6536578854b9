"""The settings of practice: what `practicum rl` reads from flags and files, and what they forbid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.guard.controllers import (
    KLPenalty,
)
from practicum.guard.counted import COUNTING, WatchConfig
from practicum.guard.guard import GuardConfig
from practicum.model.lora import LoraConfig
from practicum.model.sampling import SamplingConfig
from practicum.ranges import MOST_HELD, Common, Count, NonNegativeInt, Ranged, Seed
from practicum.reward.controls import Control
from practicum.reward.parts import (
    UNFINISHED,
    RewardConfig,
)
from practicum.tasks.registry import TaskConfig, without_effect
from practicum.training.algorithms import ALGORITHMS, Name
from practicum.training.algorithms.dapo import DapoConfig
from practicum.training.algorithms.gfpo import GfpoConfig
from practicum.training.algorithms.grpo import GrpoConfig
from practicum.training.algorithms.online_dpo import OnlineDpoConfig
from practicum.training.algorithms.ppo import PpoConfig
from practicum.training.curriculum import CurriculumConfig
from practicum.training.defaults import defaults_for
from practicum.training.loop import (
    LoopConfig,
)
from practicum.training.optimizer import OptimizerConfig
from practicum.training.update import (
    UpdateConfig,
)
from practicum.types import RewardFormat


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
        if "teacher" in chosen.needs:
            why = f"{self.algorithm} learns from its teacher, whatever is paid: drop it"
            idle |= dict.fromkeys(("reward.budgets", "reward.shares"), why)
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
    def kl(self) -> KLPenalty:
        """The pull to the reference: what the settings give of it, the rest as the algorithm has it."""
        return self.update.kl.over(ALGORITHMS[self.algorithm].kl)

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
        if "teacher" in ALGORITHMS[self.algorithm].needs:
            idle["control"] = f"{self.algorithm} learns from its teacher, whatever is paid: drop it"
        if self.control != "none":
            idle["guard.fuzz"] = f"control {self.control} pays in place of the function"
        if self.reward_model:
            idle["guard.rewards"] = "a reward model pays, and beside one the signals are always watched"
        else:
            names = ("ensemble", "variance_weight", "scale", "weights.reward_model")
            learned = ("reward_format", *(f"reward.{name}" for name in names))
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
