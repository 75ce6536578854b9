"""Small environments whose best policies are known."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from practicum.applications.agent import Simplex


class Tabular(gymnasium.Env[Any, Any]):
    """A random MDP of a few states, cut off after some steps."""

    def __init__(self, seed: int = 3, states: int = 4, actions: int = 3, most: int = 40) -> None:
        generator = np.random.default_rng(seed)
        self.chances = generator.dirichlet(np.full(states, 0.4), (states, actions))
        self.rewards = generator.normal(size=(states, actions))
        self.observation_space = spaces.Discrete(states)
        self.action_space = spaces.Discrete(actions)
        self.most = most

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.taken, self.state = 0, int(self.np_random.integers(len(self.rewards)))
        return self.state, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = float(self.rewards[self.state, action])
        self.state = int(self.np_random.choice(len(self.rewards), p=self.chances[self.state, action]))
        self.taken += 1
        return self.state, reward, False, self.taken == self.most, {}

    def best(self, discount: float) -> tuple[Any, Any]:
        """Values [states] and action values [states, actions] of the best policy, by value iteration."""
        values = np.zeros(len(self.rewards))
        for _ in range(2000):
            worth = self.rewards + discount * self.chances @ values
            values = worth.max(1)
        return values, worth


class Bandit(gymnasium.Env[Any, Any]):
    """One action an episode, paid by a function of it."""

    def __init__(self, space: spaces.Space[Any], pay: Any) -> None:
        self.observation_space = spaces.Box(-1, 1, (1,))
        self.action_space, self.pay = space, pay

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(np.asarray(action, self.action_space.dtype)), action
        return np.zeros(1, np.float32), float(self.pay(action)), True, False, {}


class Walk(gymnasium.Env[Any, Any]):
    """Counts its steps; ends by itself or is cut off after `most`. Pays 1 a step."""

    def __init__(self, most: int = 5, terminal: bool = False, shape: tuple[int, ...] = (2, 1)) -> None:
        self.observation_space = spaces.Box(-100, 100, shape)
        self.action_space = spaces.MultiDiscrete([2, 3])
        self.most, self.terminal, self.shape = most, terminal, shape

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.place = 0
        return self.seen(), {}

    def seen(self) -> Any:
        return np.full(self.shape, self.place, np.float32)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place += 1
        over = self.place == self.most
        return self.seen(), 1.0, over and self.terminal, over and not self.terminal, {}


class Broken(Walk):
    """Pays what is no number from the third step on."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        seen, _, terminated, truncated, info = super().step(action)
        return seen, float("nan") if self.place > 2 else 1.0, terminated, truncated, info


class Restless(Walk):
    """Does not repeat itself under a seed."""

    count = 0

    def seen(self) -> Any:
        Restless.count += 1
        return np.full(self.shape, Restless.count % 97, np.float32)


WEIGHTS = np.array([0.6, 0.3, 0.1])
GOAL = np.array([3.0, -4.0])
BANDITS = {
    "discrete": (spaces.Discrete(4, start=2), lambda action: float(action == 4)),
    "multi_discrete": (
        spaces.MultiDiscrete([3, 2], start=[1, 0]),
        lambda action: float(action[0] == 3) + float(action[1] == 1),
    ),
    # The optimum of quadratic pay is the goal, and of logarithmic pay the weights (Kelly 1956).
    "box": (spaces.Box(np.array([-10.0, -5.0]), np.array([10.0, 5.0])), lambda a: -((a - GOAL) ** 2).sum()),
    "unbounded": (spaces.Box(-np.inf, np.inf, (2,)), lambda action: -((action - GOAL) ** 2).sum()),
    "simplex": (Simplex(3), lambda action: (WEIGHTS * np.log(action)).sum()),
}
