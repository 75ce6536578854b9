"""The reward that an instrument asks: reward models in folders, put together as practice pays by them, or
functions and judges in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from practicum.errors import InputError
from practicum.reward.config import FunctionsConfig
from practicum.reward.plain import PlainReward
from practicum.stats import Floats
from practicum.types import Prompt, RewardFormat

if TYPE_CHECKING:
    from practicum.audit.classifier import Classifier
    from practicum.audit.gradient import Gradient
    from practicum.reward.model import RewardModel

LLM_JUDGE = "llm_judge"


def judge_in(
    folders: Sequence[Path], reward_format: RewardFormat = "auto", device: str = "cpu"
) -> PlainReward:
    """What the reward models in these folders pay together, see `reward.parts.judge_of`.

    `device` names where they are, as `--device` does. Raises InputError for a folder that holds none.
    """
    return paid_by(members_in(folders, reward_format, device))


def members_in(
    folders: Sequence[Path], reward_format: RewardFormat = "auto", device: str = "cpu", label: str = ""
) -> list[RewardModel | Classifier]:
    """The reward models in these folders, and sequence classifiers of any other kind.

    `label` names the one that pays, of a classifier with several. Raises InputError for anything else.
    """
    # PyTorch takes seconds to load, and most instruments can do without reward models.
    import torch

    from practicum.audit.classifier import Classifier, is_classifier
    from practicum.model.device import told_device
    from practicum.reward.model import load_reward_model

    place = told_device(device)
    found: list[RewardModel | Classifier] = []
    for folder in folders:
        if label:
            found.append(Classifier(folder, label, reward_format, str(place)))
            continue
        try:
            found.append(load_reward_model(folder, torch.float32, reward_format, place))
        except InputError:
            # What practice cannot pay by, an audit may still be able to read.
            if not is_classifier(folder):
                raise
            found.append(Classifier(folder, label, reward_format, str(place)))
    return found


def paid_by(members: Sequence[RewardModel | Classifier]) -> PlainReward:
    """The mean over all heads of all members, as practice pays."""
    import torch

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
        rewards = [member.rewards(prompts, list(texts)) for member in members]
        return np.asarray(torch.cat(rewards, 1).double().mean(1).numpy(), dtype=np.float64)

    return reward


def gradient_of(members: Sequence[RewardModel | Classifier]) -> Gradient | None:
    """The gradient that leads the search: the first member's; the reward that is asked is that of all."""
    from practicum.audit.classifier import Classifier
    from practicum.audit.gradient import Gradient, ModelWeights

    if not members:
        return None
    first = members[0]
    return Gradient(first if isinstance(first, Classifier) else ModelWeights(first))


@contextmanager
def functions_of(config: FunctionsConfig, prompts: Sequence[Prompt]) -> Iterator[PlainReward]:
    """What these functions pay together, as in training: `llm_judge` and the user's own, by weight.

    Their processes end with the block. Raises InputError for one that cannot be called on such prompts.
    """
    from practicum.reward.function import FunctionReward

    paid = FunctionReward(config, None, {})
    try:
        paid.check(prompts[0])

        def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
            return np.array([score.value for score in paid.score(prompts, texts)], dtype=np.float64)

        yield reward
    finally:
        paid.close()


def judge_settings(config: FunctionsConfig) -> Mapping[str, object] | None:
    """The settings of the judge among these functions; None where there is none."""
    if not any(text.partition(":")[0] == LLM_JUDGE for text in config.functions):
        return None
    return asdict(config.judge)
