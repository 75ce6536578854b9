"""Policies that learn from a log: by popularity, LinUCB, Thompson sampling, a click model, and PPO.

A policy says with what probability it shows each item in a context. Learning is offline: each sees the same half
of the log, once, and does not change while it is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from practicum.applications.ads.click_model import ClickModel, Fitted, design_of
from practicum.applications.ads.data import Catalogue, Contexts, Log
from practicum.applications.ads.environment import Recommend, observations_of
from practicum.applications.agent import Agent, AgentConfig, train_agent

Floats = NDArray[np.float64]

DRAWS = 100
OPTIMISM = -1.0
"""LinUCB's alpha. A policy that does not go on learning has nothing to explore: below 0 it is cautious, which was
better than 0 or above on made-up logs of the seeds 100 to 103, from which alone it was chosen."""
RIDGE = 10.0


class Policy(Protocol):
    """What shows items."""

    def probabilities(self, contexts: Contexts) -> Floats:
        """How likely each item is shown in each context, float64 [N, A]; rows sum to 1."""
        ...


@dataclass(frozen=True)
class Even:
    """All items alike, whatever the context."""

    share_A: Floats

    def probabilities(self, contexts: Contexts) -> Floats:
        """The same shares in every context."""
        return np.tile(self.share_A, (len(contexts), 1))


@dataclass(frozen=True)
class Best:
    """The item with the highest score; `scores` maps contexts to float64 [N, A]."""

    scores: Callable[[Contexts], Floats]

    def probabilities(self, contexts: Contexts) -> Floats:
        """1 for the best item, 0 for the others."""
        score_NA = self.scores(contexts)
        return np.asarray(np.eye(score_NA.shape[1])[score_NA.argmax(1)])


@dataclass(frozen=True)
class Thompson:
    """Each item with the probability that it is the best one, by draws from a click model's posterior."""

    models: tuple[ClickModel, ...]

    def probabilities(self, contexts: Contexts) -> Floats:
        """Shares of the draws in which each item is the best."""
        share_NA = np.zeros((len(contexts), len(self.models[0].item_A)))
        rows = np.arange(len(contexts))
        for model in self.models:
            np.add.at(share_NA, (rows, model.logits(contexts).argmax(1)), 1 / len(self.models))
        return share_NA


@dataclass(frozen=True)
class Practised:
    """PPO's policy: `greedy` shows the likeliest item, else items are drawn."""

    agent: Agent
    greedy: bool = True

    def probabilities(self, contexts: Contexts) -> Floats:
        """The network's probabilities, or 1 for the likeliest."""
        share_NA = np.asarray(self.agent.probabilities(observations_of(contexts)), dtype=np.float64)
        return np.eye(share_NA.shape[1])[share_NA.argmax(1)] if self.greedy else share_NA


@dataclass(frozen=True)
class LinUCB:
    """Linear upper confidence bounds (Li, Chu, Langford & Schapire 2010, algorithm 2, hybrid): a ridge regression.

    Context features, items, their features, affinity and items x features, as in the click model, in one
    regression of clicks; `optimism` is alpha in units of a click's standard deviation.
    """

    weights_D: Floats
    covariance_DD: Floats
    noise: float
    items: Catalogue
    optimism: float = OPTIMISM

    def probabilities(self, contexts: Contexts) -> Floats:
        """1 for the item with the highest upper bound."""
        bound_NA = np.empty((len(contexts), len(self.items)))
        for item in range(len(self.items)):
            shown_N = np.full(len(contexts), item, dtype=np.int64)
            design, _ = design_of(contexts, shown_N, self.items)
            # Of all columns only those of this item and of the context are not 0.
            used = np.unique(design.indices)
            rows = design[:, used].toarray()
            variance_N = np.einsum(
                "nd,de,ne->n", rows, self.covariance_DD[np.ix_(used, used)], rows, optimize=True
            )
            spread_N = np.sqrt(np.maximum(variance_N, 0.0))
            bound_NA[:, item] = rows @ self.weights_D[used] + self.optimism * self.noise * spread_N
        return np.asarray(np.eye(len(self.items))[bound_NA.argmax(1)])


def logging(log: Log) -> Even:
    """What the log's own campaigns did, on average: the share of each item."""
    share_A = np.bincount(log.action_N, minlength=len(log.items)) / len(log)
    return Even(share_A)


def random_policy(log: Log) -> Even:
    """All items evenly."""
    return Even(np.full(len(log.items), 1 / len(log.items)))


def popularity(log: Log) -> Best:
    """Always the item with the most clicks a show, smoothed by the mean of all: so many shows as an item has.

    (clicks + m rate) / (shows + m), m the mean number of shows: what dashboards call the best seller.
    """
    shows_A = np.bincount(log.action_N, minlength=len(log.items)).astype(np.float64)
    clicks_A = np.bincount(log.action_N, log.click_N, minlength=len(log.items))
    strength = len(log) / len(log.items)
    rate_A = (clicks_A + strength * log.clicks / len(log)) / (shows_A + strength)
    return Best(lambda contexts: np.tile(rate_A, (len(contexts), 1)))


def linucb(log: Log, optimism: float = OPTIMISM) -> LinUCB:
    """LinUCB from the log's rows."""
    design, _ = design_of(log.contexts, log.action_N, log.items)
    gram = (design.T @ design).toarray() + RIDGE * np.eye(design.shape[1])
    factor = linalg.cholesky(gram, lower=True)
    weights_D = linalg.cho_solve((factor, True), design.T @ log.click_N)
    covariance_DD = linalg.cho_solve((factor, True), np.eye(len(gram)))
    rate = log.clicks / len(log)
    return LinUCB(weights_D, covariance_DD, float(np.sqrt(rate * (1 - rate))), log.items, optimism)


def thompson(fitted: Fitted, seed: int) -> Thompson:
    """Thompson sampling by the posterior of the click model, a logistic regression."""
    random = np.random.default_rng([seed, 7])
    return Thompson(tuple(fitted.draw(random) for _ in range(DRAWS)))


def click_model(fitted: Fitted) -> Best:
    """The item that the click model likes best: what PPO can reach at most on this model."""
    return Best(fitted.mean.logits)


def ppo(fitted: Fitted, config: AgentConfig, folder: Path, *, resume: bool = False) -> Practised:
    """PPO, practising on the click model of the half of the log that it may see."""
    contexts, model = fitted.log.contexts, fitted.mean
    agent = train_agent(config, lambda seed: Recommend(model, contexts), folder, resume=resume)
    return Practised(agent)
