"""Copies of an environment, stepped together; ended episodes begin anew at once.

Every episode of every copy has a seed of its own. So the copies need no saved state: the number of the
episode and the actions taken in it lead back to any moment, and that is how a run is resumed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from practicum.applications.agent.spaces import specs_of
from practicum.errors import InputError

Array = NDArray[Any]
Make = Callable[[int], "gymnasium.Env[Any, Any]"]
"""An environment from a seed: each copy gets its own, and each of its episodes is reset with one."""


@dataclass(frozen=True)
class Outcome:
    """What one step of all copies brought: rewards float64 [B], and what ended.

    final: the observation that an episode ended with, by copy, since `Copies.now` has the next one's first.
    """

    rewards: Array
    terminated: Array
    truncated: Array
    final: Mapping[int, Array]


class Copies:
    """`count` copies of an environment; `now` holds what each of them shows, float64 [B, N]."""

    def __init__(self, make: Make, count: int, seed: int) -> None:
        self.seed = seed
        self.environments = [make(seed_of(seed, "copy", copy)) for copy in range(count)]
        self.observation, self.action = specs_of(self.environments[0])
        self.now = np.zeros((count, self.observation.size))
        self.episode = [-1] * count
        self.taken: list[list[Array]] = [[] for _ in range(count)]
        self.totals = [0.0] * count
        self._finished: list[tuple[int, float, int]] = []

    def reset(self) -> None:
        """Begin each copy's first episode."""
        for copy in range(len(self.environments)):
            self._begin(copy, 0)
        self._finished.clear()

    def step(self, actions: Array) -> Outcome:
        """Step each copy by its action, and begin anew those that end."""
        count = len(self.environments)
        rewards, terminated, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
        final: dict[int, Array] = {}
        for copy, environment in enumerate(self.environments):
            action = actions[copy]
            seen, reward, done, cut, _ = environment.step(action)
            self.taken[copy].append(action)
            self.totals[copy] += float(reward)
            rewards[copy], terminated[copy], truncated[copy] = reward, done, cut
            self._show(copy, seen)
            if done or cut:
                final[copy] = self.now[copy].copy()
                self._finished.append((copy, self.totals[copy], len(self.taken[copy])))
                self._begin(copy, self.episode[copy] + 1)
        return Outcome(rewards, terminated, truncated, final)

    def finished(self) -> list[tuple[int, float, int]]:
        """Copy, return and length of the episodes that have ended since this was last asked."""
        ended, self._finished = self._finished, []
        return ended

    def tensors(self) -> dict[str, Tensor]:
        """Where each copy stands, for a checkpoint."""
        flat = [action for actions in self.taken for action in actions]
        return {
            "copies.episode": torch.tensor(self.episode),
            "copies.length": torch.tensor([len(actions) for actions in self.taken]),
            "copies.actions": torch.from_numpy(np.array(flat)) if flat else torch.zeros(0),
            "copies.now": torch.from_numpy(self.now.copy()),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> bool:
        """Play each copy's episode again up to where it stood; whether it came to what it had shown."""
        actions = iter(tensors["copies.actions"].numpy())
        shown = tensors["copies.now"].numpy()
        lengths = tensors["copies.length"].tolist()
        for copy, (episode, length) in enumerate(
            zip(tensors["copies.episode"].tolist(), lengths, strict=True)
        ):
            self._begin(copy, episode)
            for _ in range(length):
                action = next(actions)
                seen, reward, *_ = self.environments[copy].step(action)
                self.taken[copy].append(action)
                self.totals[copy] += float(reward)
                self._show(copy, seen)
        self._finished.clear()
        return bool((self.now == shown).all())

    def close(self) -> None:
        """Close every copy."""
        for environment in self.environments:
            environment.close()

    def _begin(self, copy: int, episode: int) -> None:
        seen, _ = self.environments[copy].reset(seed=seed_of(self.seed, "episode", copy, episode))
        self.episode[copy], self.taken[copy], self.totals[copy] = episode, [], 0.0
        self._show(copy, seen)

    def _show(self, copy: int, seen: Any) -> None:
        spec = self.observation
        if spec.choices:
            self.now[copy] = 0
            self.now[copy, int(seen) - spec.start] = 1
        elif np.shape(seen) == spec.shape:
            self.now[copy] = np.reshape(seen, -1)
        else:
            raise InputError(
                f"the environment shows shape {list(np.shape(seen))} where its observation space says "
                f"{list(spec.shape)}: gymnasium.utils.env_checker.check_env says what else is wrong"
            )


def seed_of(seed: int, *place: int | str) -> int:
    """A seed below 2^31, which every environment takes, from the run's seed and where it is used."""
    text = ":".join(map(str, (seed, *place)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
