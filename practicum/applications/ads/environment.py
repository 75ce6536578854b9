"""Two Gymnasium environments of recommendation: one visitor at a time, and whole sessions in which visitors tire.

`Recommend`: a visitor comes, an item is shown, a click is paid: a contextual bandit, episodes of one step.
`Session`: one visitor sees several items. Categories that were just shown are clicked less, and bore the visitor
into leaving: what is shown now costs clicks later, so that the best item now is not always the best choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from practicum.applications.ads.data import Catalogue, Contexts
from practicum.ranges import NonNegativeFloat, PositiveInt, Ranged, Share

Floats = NDArray[np.float64]
Observation = NDArray[np.float32]
Info = dict[str, Any]
Pays = Literal["chance", "click"]


class Clicks(Protocol):
    """What visitors click: a fitted click model, or the truth of a made-up log."""

    def probabilities(self, contexts: Contexts) -> Floats:
        """Probabilities of a click on each item, float64 [N, A]."""
        ...


def observations_of(contexts: Contexts) -> Observation:
    """What an agent observes of contexts: their features and affinities, float32 [N, F + A]."""
    return np.concatenate([contexts.features_NF, contexts.affinity_NA], axis=1).astype(np.float32)


class Recommend(gymnasium.Env[Observation, np.int64]):
    """One visitor, one item. The reward is a click, or its chance, over `unit`, the mean click rate.

    `contexts` are the visitors that come, each as likely as any other; the chance in place of the click has
    the same mean and no noise.
    """

    def __init__(self, clicks: Clicks, contexts: Contexts, pays: Pays = "chance") -> None:
        self.chance_NA = clicks.probabilities(contexts)
        self.seen_NO = observations_of(contexts)
        self.unit = float(self.chance_NA.mean())
        self.pays = pays
        self.row = 0
        self.observation_space = gymnasium.spaces.Box(self.seen_NO.min(0), self.seen_NO.max(0))
        self.action_space = gymnasium.spaces.Discrete(self.chance_NA.shape[1])

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Observation, Info]:
        """The next visitor."""
        super().reset(seed=seed)
        self.row = int(self.np_random.integers(len(self.seen_NO)))
        return self.seen_NO[self.row].copy(), {}

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, Info]:
        """Show an item; the visit ends."""
        chance = float(self.chance_NA[self.row, int(action)])
        clicked = chance if self.pays == "chance" else float(self.np_random.random() < chance)
        return self.seen_NO[self.row].copy(), clicked / self.unit, True, False, {"chance": chance}


# ------------------------------------------------------------------------------------------------- sessions


@dataclass(frozen=True)
class SessionConfig(Ranged, section="session"):
    """How visitors tire. No log here shows sessions: these are assumptions, the same for every policy."""

    items: PositiveInt = 8
    """Most items that a visitor sees."""
    tire: NonNegativeFloat = 0.7
    """The logit of a click falls by so much for each recent item of the same category."""
    forget: Share = 0.4
    """Share of the tiredness that is forgotten from one item to the next."""
    leave: Share = 0.05
    """Chance to leave after any item."""
    bore: Share = 0.15
    """Added chance to leave for each recent item of the same category."""


@dataclass
class Tiredness:
    """How recently each category was shown to each visitor, float64 [N, C]; 1 is one item ago, just now."""

    config: SessionConfig
    category_A: NDArray[np.int64]
    shown_NC: Floats

    @classmethod
    def fresh(cls, config: SessionConfig, items: Catalogue, visitors: int) -> Tiredness:
        """Visitors who have seen nothing yet."""
        return cls(config, items.category_A, np.zeros((visitors, int(items.category_A.max()) + 1)))

    def lowers(self) -> Floats:
        """By how much the logit of a click on each item is lower, float64 [N, A]."""
        return np.asarray(self.config.tire * self.shown_NC[:, self.category_A])

    def show(self, action_N: NDArray[np.int64]) -> Floats:
        """Show each visitor an item; the chance that each leaves, float64 [N]."""
        rows, category_N = np.arange(len(action_N)), self.category_A[action_N]
        bored_N = self.shown_NC[rows, category_N]
        self.shown_NC *= 1 - self.config.forget
        self.shown_NC[rows, category_N] += 1
        return np.asarray(np.minimum(1.0, self.config.leave + self.config.bore * bored_N))


class Session(gymnasium.Env[Observation, np.int64]):
    """One visitor who sees several items; observed are the context, what was shown recently, and how far it is.

    The reward is a click, or its chance, over `unit`, the mean click rate of visitors who are not tired.
    """

    def __init__(
        self,
        clicks: Clicks,
        contexts: Contexts,
        items: Catalogue,
        config: SessionConfig,
        pays: Pays = "chance",
    ) -> None:
        chance_NA = clicks.probabilities(contexts)
        self.logit_NA = np.log(chance_NA) - np.log1p(-chance_NA)
        self.seen_NO = observations_of(contexts)
        self.unit = float(chance_NA.mean())
        self.config, self.items, self.pays = config, items, pays
        self.row, self.shown = 0, 0
        self.tired = Tiredness.fresh(config, items, 1)
        # A category shown at every step adds up to at most 1 / forget, and to the number of items.
        most = min(1 / max(config.forget, 1e-9), float(config.items))
        room = np.full(self.tired.shown_NC.shape[1], most, dtype=np.float32)
        self.observation_space = gymnasium.spaces.Box(
            np.concatenate([self.seen_NO.min(0), 0 * room, np.zeros(1, np.float32)]),
            np.concatenate([self.seen_NO.max(0), room, np.ones(1, np.float32)]),
        )
        self.action_space = gymnasium.spaces.Discrete(len(items))

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Observation, Info]:
        """The next visitor."""
        super().reset(seed=seed)
        self.row, self.shown = int(self.np_random.integers(len(self.seen_NO))), 0
        self.tired = Tiredness.fresh(self.config, self.items, 1)
        return self._seen(), {}

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, Info]:
        """Show an item; the visitor may leave."""
        lower = float(self.tired.lowers()[0, int(action)])
        chance = float(expit(self.logit_NA[self.row, int(action)] - lower))
        leaves = self.np_random.random() < self.tired.show(np.array([action]))[0]
        clicked = chance if self.pays == "chance" else float(self.np_random.random() < chance)
        self.shown += 1
        over = bool(leaves) or self.shown >= self.config.items
        return self._seen(), clicked / self.unit, over, False, {"chance": chance}

    def _seen(self) -> Observation:
        return session_observations(
            self.seen_NO[[self.row]], self.tired, np.array([self.shown / self.config.items])
        )[0]


def session_observations(seen_NO: Observation, tired: Tiredness, way_N: Floats) -> Observation:
    """What an agent observes within sessions, float32 [N, O + C + 1]."""
    return np.concatenate([seen_NO, tired.shown_NC, way_N[:, None]], axis=1).astype(np.float32)


Chooser = Callable[[NDArray[np.int64], Tiredness, Floats], NDArray[np.int64]]
"""Which item each visitor is shown: the visitors' rows, how tired they are, how far each session is."""


@dataclass(frozen=True)
class Sessions:
    """What happens at each place of a session, means over visitors, float64 [S].

    Clicks (of those still there), the share still there, and the share of these who are shown a category that
    they saw within the last two items.
    """

    clicks_S: Floats
    here_S: Floats
    repeated_S: Floats

    @property
    def clicks(self) -> float:
        """Clicks of a whole session."""
        return float(self.clicks_S.sum())


def play(
    clicks: Clicks,
    contexts: Contexts,
    items: Catalogue,
    config: SessionConfig,
    choose: Chooser,
    random: np.random.Generator,
) -> Sessions:
    """A session of each context under a policy; clicks are expected ones.

    The same dynamics as `Session`, all visitors at once.
    """
    chance_NA = clicks.probabilities(contexts)
    logit_NA = np.log(chance_NA) - np.log1p(-chance_NA)
    rows_N, tired = np.arange(len(contexts)), Tiredness.fresh(config, items, len(contexts))
    here_N = np.ones(len(contexts), dtype=bool)
    recent = (1 - config.forget) ** 1.5
    steps = []
    for shown in range(config.items):
        action_N = choose(rows_N, tired, np.full(len(contexts), shown / config.items))
        chance_N = expit(logit_NA[rows_N, action_N] - tired.lowers()[rows_N, action_N])
        repeated_N = tired.shown_NC[rows_N, items.category_A[action_N]] > recent
        steps.append((here_N * chance_N, here_N, here_N * repeated_N))
        here_N = here_N & (random.random(len(contexts)) >= tired.show(action_N))
    clicks_S, here_S, repeated_S = (
        np.array([one.mean() for one in step]) for step in zip(*steps, strict=True)
    )
    return Sessions(clicks_S, here_S, repeated_S / np.maximum(here_S, 1e-12))
