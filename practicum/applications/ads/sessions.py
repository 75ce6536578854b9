"""Policies within sessions: who ignores that visitors tire, who knows it for the moment, and PPO, who plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from practicum.applications.ads.click_model import Fitted
from practicum.applications.ads.data import Contexts, Log
from practicum.applications.ads.environment import (
    Chooser,
    Clicks,
    Session,
    SessionConfig,
    Sessions,
    Tiredness,
    observations_of,
    play,
    session_observations,
)
from practicum.applications.ads.policies import Policy
from practicum.applications.agent import Agent, AgentConfig, train_agent

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LEARNER = "ppo"


def train(fitted: Fitted, session: SessionConfig, config: AgentConfig, folder: Path) -> Agent:
    """PPO in sessions on a click model; what is there already is continued."""
    log, model = fitted.log, fitted.mean
    return train_agent(
        config, lambda seed: Session(model, log.contexts, log.items, session), folder, resume=True
    )


def played(
    fitted: Fitted,
    agent: Agent,
    best_seller: Policy,
    held: Log,
    worlds: list[Clicks],
    session: SessionConfig,
    seed: int,
) -> dict[str, Any]:
    """Each policy's sessions with the contexts of a half of the log, mean over worlds, and PPO's lifts."""
    found: dict[str, list[Sessions]] = {}
    for number, world in enumerate(worlds):
        for name, choose in choosers(fitted, agent, best_seller, held.contexts, seed).items():
            # The same luck for every policy.
            random = np.random.default_rng([seed, 47, number])
            one = play(world, held.contexts, held.items, session, choose, random)
            found.setdefault(name, []).append(one)
    clicks = {name: np.array([one.clicks for one in several]) for name, several in found.items()}
    return {
        "clicks": {name: float(values.mean()) for name, values in clicks.items()},
        "steps": {
            name: {
                key: np.mean([getattr(one, f"{key}_S") for one in several], axis=0).tolist()
                for key in ("clicks", "here", "repeated")
            }
            for name, several in found.items()
        },
        "lifts": {
            name: float((clicks[LEARNER] / values).mean() - 1)
            for name, values in clicks.items()
            if name != LEARNER
        },
    }


def choosers(
    fitted: Fitted, agent: Agent, best_seller: Policy, contexts: Contexts, seed: int
) -> dict[str, Chooser]:
    """What each policy shows next. All but PPO look no further than this item."""
    logit_NA = fitted.mean.logits(contexts)
    seen_NO = observations_of(contexts)
    best_N = best_seller.probabilities(contexts).argmax(1)
    random = np.random.default_rng([seed, 53])
    count = logit_NA.shape[1]

    def even(rows_N: Integers, tired: Tiredness, way_N: Floats) -> Integers:
        return random.integers(count, size=len(rows_N))

    def popular(rows_N: Integers, tired: Tiredness, way_N: Floats) -> Integers:
        return best_N[rows_N]

    def tireless(rows_N: Integers, tired: Tiredness, way_N: Floats) -> Integers:
        return np.asarray(logit_NA[rows_N].argmax(1))

    def myopic(rows_N: Integers, tired: Tiredness, way_N: Floats) -> Integers:
        return np.asarray(expit(logit_NA[rows_N] - tired.lowers()).argmax(1))

    def freshest(rows_N: Integers, tired: Tiredness, way_N: Floats) -> Integers:
        shown_NA = tired.shown_NC[:, tired.category_A]
        return np.asarray((logit_NA[rows_N] - 100 * np.round(shown_NA, 6)).argmax(1))

    def practised(rows_N: Integers, tired: Tiredness, way_N: Floats) -> Integers:
        return np.asarray(agent.act(session_observations(seen_NO[rows_N], tired, way_N)), dtype=np.int64)

    return {
        "random": even,
        "popularity": popular,
        "click model": tireless,
        "click model, tired": myopic,
        "click model, freshest category": freshest,
        LEARNER: practised,
    }
