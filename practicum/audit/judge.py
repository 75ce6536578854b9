"""The reward that an instrument asks: reward models in folders, put together as practice pays by them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from practicum.reward.plain import PlainReward
from practicum.types import RewardFormat


def judge_in(
    folders: Sequence[Path], reward_format: RewardFormat = "auto", device: str = "cpu"
) -> PlainReward:
    """What the reward models in these folders pay together, see `reward.parts.judge_of`.

    `device` names where they are, as `--device` does. Raises InputError for a folder that holds none.
    """
    # PyTorch takes seconds to load, and most instruments can do without reward models.
    import torch

    from practicum.model.device import told_device
    from practicum.reward.model import load_reward_model
    from practicum.reward.parts import judge_of

    place = told_device(device)
    return judge_of([load_reward_model(folder, torch.float32, reward_format, place) for folder in folders])
