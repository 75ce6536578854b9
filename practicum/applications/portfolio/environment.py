"""Weights on assets as an environment: a decision every few days, paid by log growth beyond equal weight.

Two kinds of action. `tilts`: a number from -1 to 1 for each signal; an asset's weight is the softmax of the
weighted sum of its signals (a parametric portfolio policy, Brandt, Santa-Clara & Valkanov 2009), so that no
action is equal weight. `weights`: the weights themselves, on the simplex.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from practicum.applications.agent import Simplex
from practicum.applications.portfolio.backtest import BASIS_POINT, exposure
from practicum.applications.portfolio.features import Market
from practicum.ranges import Range, Ranged

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
LARGEST = 10.0
"""No observation goes beyond."""


@dataclass(frozen=True)
class TradingConfig(Ranged):
    """How a policy trades and what it pays."""

    action: Literal["tilts", "weights"] = "tilts"
    """What the policy chooses: loadings on signals, or each weight by itself."""
    hold: Annotated[int, Range(at_least=1, at_most=252)] = 63
    """Days from one decision to the next; weights drift in between."""
    strength: Annotated[float, Range(above=0, at_most=20)] = 2.0
    """Tilts: the largest loading. At 2 the first asset by one signal weighs about 55 times the last."""
    cost: Annotated[float, Range(at_least=0, at_most=1000)] = 10.0
    """Basis points paid on what is bought and on what is sold."""
    drawdown_limit: Annotated[float, Range(above=0, at_most=1)] = 1.0
    """Below 1: wealth is moved to cash in step with the loss since the last year's peak, all at this loss."""
    episode: Annotated[int, Range(at_least=1, at_most=10_000)] = 4
    """Decisions of an episode of training, which starts on a day at random."""
    names_share: Annotated[float, Range(above=0, at_most=1)] = 0.5
    """Tilts: the share of assets, drawn anew, that an episode of training trades."""
    blind: bool = False
    """Tilts: the policy observes nothing, so that it learns one loading for each signal, for good."""
    caution: Annotated[float, Range(at_least=0, at_most=1000)] = 0.0
    """Taken off the reward for each unit of squared return beyond equal weight."""


class PortfolioEnvironment(gymnasium.Env[Float32s, Floats]):
    """Trading from the close `first` to the close `last`, in episodes, or once through with `whole`.

    The reward is 100 times the log growth net of costs beyond that of equal weight over the same days. `info`
    has `day`, the close of the next decision, and `targets`, the weights chosen at the last. Raises
    ValueError where the days are too few for one decision.
    """

    def __init__(
        self, market: Market, config: TradingConfig, first: int, last: int, *, whole: bool = False
    ) -> None:
        if last - first < (1 if whole else config.hold) or first < 0 or last > market.days:
            raise ValueError(f"days {first} to {last} of {market.days} hold no decision")
        self.market, self.config, self.first, self.last, self.whole = market, config, first, last, whole
        assets, signals = market.signals_TNK.shape[1:]
        size = 2 * signals + market.market_TM.shape[1] + 1
        if config.action == "weights":
            size += assets * (signals + 1)
            self.action_space: gymnasium.Space[Any] = Simplex(assets)
        else:
            self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (signals,), np.float32)
        self.observation_space = gymnasium.spaces.Box(-LARGEST, LARGEST, (size,), np.float32)
        self.day = first
        self.chosen = np.arange(assets)
        self.held = np.zeros(assets)
        self.wealth = [1.0]
        self.end = last

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32s, dict[str, Any]]:
        """Begin with equal weights on a day at random, or on the first one."""
        super().reset(seed=seed)
        self.day, self.end = self.first, self.last
        if not self.whole:
            span = min(self.config.episode * self.config.hold, self.last - self.first)
            span -= span % self.config.hold
            self.day = int(self.np_random.integers(self.first, self.last - span + 1))
            self.end = self.day + span
            if self.config.action == "tilts" and self.config.names_share < 1:
                self.chosen = self._some_names()
        assets = len(self.chosen)
        # Training begins invested, or the first purchase would weigh more than what it buys.
        self.held = np.zeros(assets) if self.whole else np.full(assets, 1 / assets)
        self.wealth = [1.0]
        return self._observation(), {"day": self.day}

    def step(self, action: Floats) -> tuple[Float32s, float, bool, bool, dict[str, Any]]:
        """Trade to the weights that the action means, hold them, and see what they earned."""
        targets = weights_of(action, self.market.signals_TNK[self.day, self.chosen], self.config)
        limit = self.config.drawdown_limit
        aimed = targets * exposure(np.array(self.wealth), limit) if limit < 1 else targets
        turnover = float(np.abs(aimed - self.held).sum())
        until = min(self.day + self.config.hold, self.end)
        growth_DN = np.cumprod(self.market.relatives_TN[self.day : until, self.chosen], 0)
        kept = 1 - self.config.cost * BASIS_POINT * turnover
        path_D = (1 + (growth_DN - 1) @ aimed) * kept
        self.held = aimed * growth_DN[-1] * kept / path_D[-1]
        self.wealth += [self.wealth[-1] * float(one) for one in path_D]
        beyond = float(np.log(path_D[-1]) - np.log(growth_DN[-1].mean()))
        self.day = until
        reward = 100 * (beyond - self.config.caution * beyond**2)
        info = {"day": self.day, "targets": targets, "turnover": turnover, "beyond": beyond}
        return self._observation(), reward, False, self.day >= self.end, info

    def _some_names(self) -> NDArray[np.int64]:
        """Numbers of the assets that an episode trades, at least 2, in order."""
        assets = self.market.relatives_TN.shape[1]
        count = max(2, round(self.config.names_share * assets))
        return np.sort(self.np_random.choice(assets, count, replace=False)).astype(np.int64)

    def _observation(self) -> Float32s:
        if self.config.action == "tilts" and self.config.blind:
            return np.zeros(self.observation_space.shape or (), np.float32)
        # After the last day of all nothing is decided; what is shown there stays out of every return.
        day = min(self.day, self.market.days - 1)
        signals_NK = self.market.signals_TNK[day, self.chosen]
        peak = max(self.wealth[-252:])
        parts = [
            self.market.payoffs_TK[day] * 5,
            self.held @ signals_NK,
            self.market.market_TM[day] * 5,
            np.array([10 * (1 - self.wealth[-1] / peak)]),
        ]
        if self.config.action == "weights":
            parts += [signals_NK.ravel(), self.held * len(self.held)]
        found: Float32s = np.clip(np.concatenate(parts), -LARGEST, LARGEST).astype(np.float32)
        return found


def weights_of(action: Floats, signals_NK: Floats, config: TradingConfig) -> Floats:
    """The weights of at least 0 with sum 1 that an action means, in float64."""
    action = np.asarray(action, dtype=np.float64)
    if config.action == "weights":
        positive = np.maximum(action, 0)
        total = float(positive.sum())
        return positive / total if total > 0 else np.full(len(action), 1 / len(action))
    scores = config.strength * (signals_NK @ np.clip(action, -1, 1))
    raised = np.exp(scores - scores.max())
    return np.asarray(raised / raised.sum())
