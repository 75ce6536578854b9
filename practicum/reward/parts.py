"""What a completion is paid: reward models, the task's own judgement and length, as named parts with weights.

Suffixes: B rows, M members of the ensemble (every head of every reward model).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.guard.observer import Adjustments
from practicum.guard.signals import repeated_triples
from practicum.ranges import FiniteFloat, NonNegativeFloat, OpenShare, PositiveFloat
from practicum.reward.config import PARTS, FunctionsConfig
from practicum.reward.model import RewardModel
from practicum.reward.plain import PlainReward
from practicum.rollout.collect import ScoredRollout
from practicum.rollout.scores import LARGEST, checked_reward
from practicum.stats import Floats
from practicum.tasks.task import Task, behaviours_of
from practicum.types import Prompt

MODEL_ALONE = {"reward_model": 1.0}
UNFINISHED = -5.0
_TOLD = ("reward_model", "disagreement", "task", "length")


@dataclass(frozen=True)
class RewardConfig(FunctionsConfig, section="reward"):
    """The reward of a completion where functions, or a reward model, pay."""

    weights: Mapping[str, FiniteFloat] = field(default_factory=lambda: dict(MODEL_ALONE))
    """Weights of the parts: reward_model, task (its own score, such as a verifier's), length (tokens as a
    share of sampling.max_new_tokens; a negative weight penalises length), and each function by its name
    (1 where none is given)."""
    ensemble: Literal["mean", "min", "mean_minus_variance"] = "mean"
    """How several members are combined; min and mean_minus_variance lower rewards on which they disagree."""
    variance_weight: NonNegativeFloat = 0.5
    """Weight of the variance in mean_minus_variance."""
    budgets: Mapping[str, FiniteFloat] = field(default_factory=dict)
    """Budget of a part: while its batch mean exceeds this value, a Lagrange multiplier, adapted each step,
    lowers the part's weight, at most to its negative (Moskovitz et al. 2023)."""
    budget_rate: PositiveFloat = 0.05
    """Increase of that multiplier per step and unit above the budget."""
    shares: Mapping[str, OpenShare] = field(default_factory=dict)
    """Target share of completions that show a behaviour of the task (jokes: pun, question, one_liner, story,
    absurd). A price on the behaviour, adapted each step, brings the share there from either side; all other
    rewards stay the same."""
    share_rate: PositiveFloat = 0.1
    """Change of that price per step and unit of distance to the target share."""
    scale: bool = False
    """Divide rewards by their standard deviation on the reference set. This changes the meaning of the KL
    weight: unscaled, a reward of 1 is one logit of people's preference."""
    unfinished: FiniteFloat = UNFINISHED
    """With a reward model: total reward of a completion that was cut before its end of sequence, whatever its
    parts are."""

    def without_effect(self) -> Mapping[str, str]:
        """Besides those of functions: how budgets, shares and ensembles are treated, where there are none."""
        idle = dict(super().without_effect())
        if self.ensemble != "mean_minus_variance":
            idle["variance_weight"] = f"reward.ensemble is {self.ensemble}, mean_minus_variance has a weight"
        if not self.budgets:
            idle["budget_rate"] = "no part has a budget: give one with --reward.budgets.PART"
        if not self.shares:
            idle["share_rate"] = "no behaviour has a share: give one with --reward.shares.BEHAVIOUR"
        return idle

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_parts("budgets", self.budgets)
        if not any([*self.weights.values(), *(self.weights.get(name, 1.0) for name in self.names)]):
            raise InputError("reward.weights: every part weighs 0, so nothing would be learned")

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that may have a weight or a budget."""
        return tuple(dict.fromkeys([*PARTS, *self.names]))

    @property
    def adds_up(self) -> bool:
        """Whether a reward is put together from parts even where no reward model pays."""
        asked = self.functions or self.budgets or self.shares
        return bool(asked) or dict(self.weights) != MODEL_ALONE


@dataclass(frozen=True)
class Extra:
    """What observers change in what is paid.

    multipliers: taken off the weights of named parts. prices: of behaviours, with the rows that show them,
    bool [B].
    """

    multipliers: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, tuple[float, Tensor]] = field(default_factory=dict)


def pay(
    batch: ScoredRollout,
    models: Sequence[RewardModel],
    config: RewardConfig,
    max_new_tokens: int,
    extra: Extra | None = None,
) -> ScoredRollout:
    """The batch with its reward replaced: the weighted parts, or the fixed low reward where it was cut.

    Where functions pay, their weighted sum is the batch's reward, and what else has a weight comes to it.
    Where only the task pays, or a reward in its place, that is the part `task`, which then weighs 1 unless
    another weight is given.
    The scores keep their parts and gain `task` and `length`; with reward models also `reward_model` and
    `disagreement` (deviation over members, 0 for one), and with several members `member_1`, `member_2` and so
    on. A reward that is not finite raises InputError with the prompt and the text that got it.
    """
    extra = extra or Extra()
    parts = _judged_parts(batch, config) | _learned_parts(batch, models, config)
    weights: Mapping[str, float] = config.weights
    reward_B = torch.zeros_like(batch.reward_B)
    if config.functions:
        # Functions, and the task beside them, are weighted in the batch's reward already.
        reward_B = batch.reward_B
        weights = {name: weight for name, weight in weights.items() if name in _added(models, config)}
    elif not models:
        weights = {"task": 1.0, **weights}
    parts["length"] = batch.rollout.mask_BT.sum(1) / max_new_tokens
    for name in dict.fromkeys([*weights, *extra.multipliers]):
        weight = weights.get(name, 0.0) - extra.multipliers.get(name, 0.0)
        reward_B = reward_B + weight * parts.get(name, 0.0)
    for price, shown_B in extra.prices.values():
        reward_B = reward_B + price * shown_B
    if models:
        reward_B = torch.where(batch.finished_B, reward_B, torch.full_like(reward_B, config.unfinished))
    _check_finite("the weighted parts", reward_B, batch)
    told = {name: part_B for name, part_B in parts.items() if name in _TOLD or name.startswith("member_")}
    scores = [
        replace(
            score,
            value=float(reward_B[row]),
            parts={**score.parts, **{name: float(part_B[row]) for name, part_B in told.items()}},
        )
        for row, score in enumerate(batch.scores)
    ]
    return replace(batch, scores=scores, reward_B=reward_B)


def _added(models: Sequence[RewardModel], config: RewardConfig) -> set[str]:
    """The parts that come to what the functions pay."""
    return ({"reward_model"} if models else set()) | ({"length"} - set(config.names))


def _judged_parts(batch: ScoredRollout, config: RewardConfig) -> dict[str, Tensor]:
    """What was paid before: the task's score, or the parts of functions; 0 where a row has no such part."""
    if not config.functions:
        return {"task": batch.reward_B}
    names = dict.fromkeys(name for score in batch.scores for name in score.parts)
    return {
        name: torch.tensor([score.parts.get(name, 0.0) for score in batch.scores], dtype=torch.float64)
        for name in names
    }


def _learned_parts(
    batch: ScoredRollout, models: Sequence[RewardModel], config: RewardConfig
) -> dict[str, Tensor]:
    """What the reward models say, together and each member."""
    if not models:
        return {}
    members_BM = member_rewards(models, batch.prompts, batch.rollout.texts, config.scale)
    for number, part_B in enumerate(members_BM.T, start=1):
        _check_finite(f"reward_model (member {number})", part_B, batch)
    parts = {"reward_model": combined(members_BM, config), "disagreement": members_BM.std(1, unbiased=False)}
    if members_BM.shape[1] > 1:
        parts |= {f"member_{number}": part_B for number, part_B in enumerate(members_BM.T, start=1)}
    return parts


def _check_finite(name: str, reward_B: Tensor, batch: ScoredRollout) -> None:
    """Raise InputError for the first reward that is no finite number."""
    for row in (~(reward_B.abs() <= LARGEST)).nonzero().flatten().tolist():
        checked_reward(name, float(reward_B[row]), batch.prompts[row].text, batch.rollout.texts[row])


def member_rewards(
    models: Sequence[RewardModel], prompts: Sequence[str | Prompt], texts: Sequence[str], scale: bool = False
) -> Tensor:
    """Centred rewards float32 [B, M] of texts by every head of every model."""
    rewards = []
    for model in models:
        deviation = model.calibration.deviation if scale else 1.0
        rewards.append(model.rewards(prompts, texts) / deviation)
    return torch.cat(rewards, 1)


def combined(members_BM: Tensor, config: RewardConfig) -> Tensor:
    """One reward a row, float32 [B], of an ensemble.

    mean; min (worst case) and mean - weight * variance (uncertainty-weighted): Coste et al. 2023
    (2310.02743, eq. 2 and 3).
    """
    if config.ensemble == "min":
        return members_BM.min(1).values
    mean_B = members_BM.mean(1)
    if config.ensemble == "mean_minus_variance":
        return mean_B - config.variance_weight * members_BM.var(1, unbiased=False)
    return mean_B


def judge_of(models: Sequence[RewardModel], config: RewardConfig | None = None) -> PlainReward:
    """What these models pay, as a plain function: the combination that practice pays by, for every audit."""
    settings = config or RewardConfig()

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
        members_BM = member_rewards(models, prompts, list(texts), settings.scale)
        return np.asarray(combined(members_BM.double(), settings).numpy(), dtype=np.float64)

    return reward


def repetition(ids_BT: Tensor, mask_BT: Tensor) -> float:
    """Mean over rows of the share of token triples that came before in their row, in [0, 1]."""
    shares = [repeated_triples(ids_T[mask_T].tolist()) for ids_T, mask_T in zip(ids_BT, mask_BT, strict=True)]
    return sum(shares) / len(shares)


def most_multipliers(config: RewardConfig, *, learned: bool = True) -> dict[str, float]:
    """How much a budget's multiplier may take off each part's weight; `learned`: reward models pay.

    At most, a part's weight is turned round; one that is not paid at all can cost 1.
    """
    # Functions weigh 1 unless another weight is given, and so does what pays alone in the place of the task.
    usual = config.names if config.functions or learned else ("task",)
    weights = dict.fromkeys(usual, 1.0) | dict(config.weights)
    return {name: abs(2 * weights.get(name, 0.0) or 1.0) for name in config.budgets}


def check_shares(task: Task, shares: Mapping[str, float]) -> None:
    """Raise InputError for a share of a behaviour that the task does not know."""
    known = behaviours_of(task, task.prompts("train", 1, 0)[0], "") if shares else {}
    for name in shares:
        if name not in known:
            raise InputError(
                f"reward.shares.{name}: no behaviour of this task; it knows {', '.join(known) or 'none'}"
            )


def extra_pay(adjustments: Adjustments, task: Task, batch: ScoredRollout) -> Extra:
    """What this step's adjustments mean for a batch: each behaviour's price beside the rows that show it."""
    if not adjustments.prices:
        return Extra(adjustments.multipliers)
    shown = [
        behaviours_of(task, prompt, text)
        for prompt, text in zip(batch.prompts, batch.rollout.texts, strict=True)
    ]
    prices = {
        name: (price, torch.tensor([one.get(name, False) for one in shown]))
        for name, price in adjustments.prices.items()
    }
    return Extra(adjustments.multipliers, prices)
