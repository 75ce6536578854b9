"""Two controls: clicks that a learner must find, and clicks in which there is nothing to find."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from practicum.applications.ads.data import Contexts, Log
from practicum.applications.ads.environment import Clicks

Floats = NDArray[np.float64]
Control = Literal["none", "positive", "null"]
PLANTED = 0.5
"""The chance of a click that the positive control plants."""


@dataclass(frozen=True)
class Plant:
    """Visitors with a feature click one item half of the time; `clicks` says what all others do."""

    feature: int
    item: int
    clicks: Clicks | None

    def members(self, contexts: Contexts) -> NDArray[np.bool_]:
        """Which visitors have the feature."""
        return np.asarray(contexts.features_NF[:, self.feature] > 0)

    def probabilities(self, contexts: Contexts) -> Floats:
        """Probabilities of a click on each item, float64 [N, A]."""
        assert self.clicks is not None
        chance_NA = self.clicks.probabilities(contexts).copy()
        chance_NA[self.members(contexts), self.item] = PLANTED
        return chance_NA


@dataclass(frozen=True)
class Flat:
    """Everybody clicks everything alike."""

    rate: float
    items: int

    def probabilities(self, contexts: Contexts) -> Floats:
        """The same chance everywhere, float64 [N, A]."""
        return np.full((len(contexts), self.items), self.rate)


def shuffled(log: Log, seed: int) -> tuple[Log, Flat]:
    """The null control: the log's clicks on other rows, and the truth of that."""
    random = np.random.default_rng([seed, 101])
    clicks_N = random.permutation(log.click_N)
    return dataclasses.replace(log, click_N=clicks_N), Flat(float(clicks_N.mean()), len(log.items))


def planted(log: Log, truth: Clicks | None, seed: int) -> tuple[Log, Plant]:
    """The positive control: the log with a planted taste.

    The feature is the one whose share of visitors is nearest to a quarter; the item, the one that its visitors
    click least of those shown to at least half as many of them as the average item.
    """
    share_F = (log.contexts.features_NF > 0).mean(0)
    feature = int(np.abs(share_F - 0.25).argmin())
    member_N = log.contexts.features_NF[:, feature] > 0
    shown_A = np.bincount(log.action_N[member_N], minlength=len(log.items)).astype(np.float64)
    clicked_A = np.bincount(log.action_N[member_N], log.click_N[member_N], minlength=len(log.items))
    often_A = shown_A >= 0.5 * shown_A.mean()
    item = int(np.where(often_A, clicked_A / np.maximum(shown_A, 1), np.inf).argmin())
    plant = Plant(feature, item, truth)
    here_N = member_N & (log.action_N == item)
    random = np.random.default_rng([seed, 103])
    click_N = np.where(here_N, random.random(len(log)) < PLANTED, log.click_N).astype(np.float64)
    return dataclasses.replace(log, click_N=click_N), plant
