"""A made-up log in Open Bandit's format, whose truth is known: places, times of day, tastes, two campaigns.

The campaign `random` shows all items evenly; `popular` prefers what was clicked most, as a campaign in practice
does, and writes down with what probability. What visitors click depends on their groups and on each item's
category, partly in pairs of groups that no learner here has as a feature: models are wrong somewhere, as ever.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from practicum.applications.ads.click_model import ClickModel
from practicum.applications.ads.columns import AFFINITY, DataConfig, columns_of
from practicum.applications.ads.data import Contexts, Log, log_of
from practicum.applications.ads.table import Table
from practicum.ranges import NonNegativeFloat, OpenShare, Range, Ranged

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

GROUPS = (4, 3, 5)
"""Groups in each of a visitor's features."""
PLACES = 3
DAY = 24 * 3600


@dataclass(frozen=True)
class GeneratorConfig(Ranged, section="made_up"):
    """The made-up log, where no file is given."""

    rows: Annotated[int, Range(at_least=200, at_most=2_000_000)] = 20_000
    """Rows of the log, half of them of each campaign."""
    items: Annotated[int, Range(at_least=2, at_most=200)] = 12
    """Items to choose from."""
    categories: Annotated[int, Range(at_least=1, at_most=200)] = 4
    """Categories of items."""
    rate: OpenShare = 0.02
    """Click-through rate of the even campaign, about."""
    taste: NonNegativeFloat = 0.6
    """How far tastes differ: standard deviation of the logit of a click."""


@dataclass(frozen=True)
class Truth:
    """What visitors really click: a click model, and tastes [S, A] of the pairs of two features' groups."""

    model: ClickModel
    pairs_SA: Floats
    first: slice
    second: slice

    def probabilities(self, contexts: Contexts) -> Floats:
        """Probabilities of a click on each item, float64 [N, A]."""
        one_N = contexts.features_NF[:, self.first].argmax(1)
        other_N = contexts.features_NF[:, self.second].argmax(1)
        pair_N = one_N * (self.second.stop - self.second.start) + other_N
        return np.asarray(expit(self.model.logits(contexts) + self.pairs_SA[pair_N]))


def generate(config: GeneratorConfig, seed: int) -> tuple[Log, Truth]:
    """A log and its truth. Each seed makes another world: other tastes, other visitors."""
    random = np.random.default_rng([seed, 41])
    rows = config.rows // 2 * 2
    drawn = _visitors(config, rows, random)
    items = _items(config)
    tables = _tables(config, drawn, np.zeros(rows, dtype=np.int64), np.zeros(rows), np.full(rows, 0.5))
    settings = DataConfig()
    blank = log_of(_clicked_once(tables), columns_of(tables[0], settings), items, settings)
    truth = _truth(config, blank, random)
    chance_NA = truth.probabilities(blank.contexts)
    logging_NA = _campaigns(chance_NA, rows)
    action_N = _drawn(logging_NA, random)
    every = np.arange(rows)
    click_N = (random.random(rows) < chance_NA[every, action_N]).astype(np.float64)
    log = dataclasses.replace(
        blank, action_N=action_N, click_N=click_N, propensity_N=logging_NA[every, action_N]
    )
    return log, truth


def _visitors(config: GeneratorConfig, rows: int, random: np.random.Generator) -> dict[str, list[str]]:
    """Columns of the visitors: time, place, groups, affinities. The campaigns run side by side for a week."""
    half = rows // 2
    # Evenings are busier than nights.
    hour_N = random.choice(24, rows, p=softmax(np.sin((np.arange(24) - 13) / 24 * 2 * np.pi)))
    second_N = random.integers(0, 7, rows) * DAY + hour_N * 3600 + random.integers(0, 3600, rows)
    second_N = np.concatenate([np.sort(second_N[:half]), np.sort(second_N[half:])])
    start = np.datetime64("2024-03-04T00:00:00")
    columns = {
        "timestamp": [str(start + np.timedelta64(int(second), "s")) for second in second_N],
        "position": list(map(str, random.integers(1, PLACES + 1, rows))),
    }
    for number, groups in enumerate(GROUPS):
        share = random.dirichlet(np.full(groups, 5.0)) * 0.9 + 0.1 / groups
        columns[f"user_feature_{number}"] = [chr(97 + one) for one in random.choice(groups, rows, p=share)]
    # One visitor in twelve has clicked some item before.
    affinity_NA = random.binomial(1, 1 / 12 / config.items, (rows, config.items))
    for item in range(config.items):
        columns[f"{AFFINITY}{item}"] = list(map(str, affinity_NA[:, item]))
    return columns


def _items(config: GeneratorConfig) -> Table:
    names = [str(item) for item in range(config.items)]
    categories = [f"category {item % config.categories}" for item in range(config.items)]
    return Table("made-up items", {"item_id": names, "category": categories})


def _tables(
    config: GeneratorConfig,
    drawn: dict[str, list[str]],
    action_N: Integers,
    click_N: Floats,
    propensity_N: Floats,
) -> list[Table]:
    """The two campaigns as tables in Open Bandit's format."""
    columns = {
        "item_id": [str(action) for action in action_N],
        "click": [f"{click:g}" for click in click_N],
        "propensity_score": [repr(float(chance)) for chance in propensity_N],
        **drawn,
    }
    half = len(action_N) // 2
    return [
        Table(name, {key: cells[part] for key, cells in columns.items()})
        for name, part in (("made-up random", slice(half)), ("made-up popular", slice(half, None)))
    ]


def _clicked_once(tables: list[Table]) -> list[Table]:
    """The tables with one click, which a log needs; clicks are drawn once the contexts are known."""
    first = tables[0]
    return [Table(first.path, {**first.columns, "click": ["1", *first.columns["click"][1:]]}), *tables[1:]]


def _truth(config: GeneratorConfig, log: Log, random: np.random.Generator) -> Truth:
    """Tastes: of items, of groups for categories, of pairs of groups for items; a season; affinities."""
    count, features = len(log.items), len(log.features)
    names = np.array(log.features)
    crossed = np.zeros((count, features))
    context = np.zeros(features)
    for index, name in enumerate(names):
        if name.startswith("user_feature"):
            of_category = 0.6 * config.taste * random.standard_normal(int(log.items.category_A.max()) + 1)
            crossed[:, index] = of_category[log.items.category_A]
            context[index] = 0.2 * random.standard_normal()
    context[names == "position = 1"] = 0.3
    context[names == "position = 3"] = -0.3
    for name, season in (("night", -0.3), ("evening", 0.2), ("has an affinity", 0.5)):
        context[names == name] = season
    spans = [np.flatnonzero([name.startswith(f"user_feature_{k} ") for name in names]) for k in (0, 2)]
    first, second = (slice(int(span[0]), int(span[-1]) + 1) for span in spans)
    size = (first.stop - first.start) * (second.stop - second.start)
    pairs_SA = 0.4 * config.taste * random.standard_normal((size, count))
    item_A = 0.3 * config.taste * random.standard_normal(count)
    truth = Truth(ClickModel(0.0, context, item_A, 2.0, crossed), pairs_SA, first, second)
    return dataclasses.replace(truth, model=_at_rate(truth, log.contexts, config.rate))


def _at_rate(truth: Truth, contexts: Contexts, rate: float) -> ClickModel:
    """The truth's model with the base at which the even campaign has the wanted rate."""
    low, high = -20.0, 20.0
    for _ in range(50):
        base = (low + high) / 2
        moved = dataclasses.replace(truth, model=dataclasses.replace(truth.model, base=base))
        low, high = (base, high) if moved.probabilities(contexts).mean() < rate else (low, base)
    return dataclasses.replace(truth.model, base=base)


def _campaigns(chance_NA: Floats, rows: int) -> Floats:
    """The propensities of all items in each row: even in the first half, by popularity in the second."""
    count = chance_NA.shape[1]
    mean_A = chance_NA.mean(0)
    popular_A = softmax(2.0 * (mean_A - mean_A.mean()) / mean_A.std())
    popular_A = 0.9 * popular_A + 0.1 / count
    return np.where(np.arange(rows)[:, None] < rows // 2, 1 / count, popular_A)


def _drawn(share_NA: Floats, random: np.random.Generator) -> Integers:
    """An item of each row, by its row of probabilities."""
    at_N = random.random(len(share_NA))
    return np.minimum((share_NA.cumsum(1) < at_N[:, None]).sum(1), share_NA.shape[1] - 1).astype(np.int64)
