"""The chance that a fleet of each size violates the minute at which an instance ordered now would be ready.

A small network reads how the load has moved and gives the chance over a grid of loads that a fleet can bear,
relative to the present level. It falls along the grid by construction. It is fitted once, on the learning
days, to what fleets of constant size would have met there. Entry t of every series knows the minutes before t
only.

Suffixes: T minutes, F numbers observed, N sizes of a fleet from 0, G places of the grid, B minutes of a
batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from practicum.applications.cloud.fleet import Fleets, Floats, Integers, Plant, serve
from practicum.applications.cloud.forecast import DAY, running_maximum, smoothed
from practicum.applications.cloud.simulate import World
from practicum.ranges import NonNegativeFloat, PositiveFloat, PositiveInt, Range, Ranged

GRID = np.linspace(-0.4, 2.6, 31)
"""Logarithms of the load that a fleet can bear over the present level."""
CHUNK = 4096
"""Minutes at a time: the same minutes are always computed together, whatever comes later."""
FLOOR = 0.05
"""Added to every load before logarithms, in instances' capacity."""


@dataclass(frozen=True)
class ForecasterConfig(Ranged):
    """How the chances of a violation are learned."""

    steps: PositiveInt = 1000
    """Updates of the network."""
    batch: PositiveInt = 1024
    """Minutes in each."""
    width: PositiveInt = 64
    """Units of each of its two hidden layers."""
    learning_rate: PositiveFloat = 2e-3
    """Highest learning rate (AdamW)."""
    weight_decay: NonNegativeFloat = 0.01
    """Decay of the weights."""
    dropout: Annotated[float, Range(at_least=0, below=1)] = 0.2
    """Share of the units that are left out at random while it learns."""


@dataclass(frozen=True)
class Forecaster:
    """A fitted network with the mean and the deviation of what it observes [F]."""

    network: nn.Module
    mean_F: Floats
    deviation_F: Floats

    def inputs(self, signs_TF: Floats) -> Tensor:
        """What the network reads: at most four deviations from the mean of the learning days."""
        inputs_TF = np.clip((signs_TF - self.mean_F) / self.deviation_F, -4, 4)
        return torch.from_numpy(inputs_TF.astype(np.float32))


def signs(world: World) -> Floats:
    """What is read of the load at each minute [T, F], as ratios to the present level.

    Loads of the last minutes, smoothed over minutes to a day, recent maxima, how much the minutes scatter,
    the daily profile, the same time yesterday, the time of day, and the level in instances.
    """
    known, ahead = world.known, world.plant.config.startup_minutes
    floor, base = FLOOR * float(world.plant.capacity(1)), level_now(world)
    before = known.last
    jump = np.abs(before - delayed(before, 1))
    hours, day = smoothed(before, 180), smoothed(before, DAY)
    angle = 2 * np.pi * world.minute_of_day_T / DAY
    # Of yesterday the minutes after are known too: `back` is the time at which the new instance is ready.
    back = DAY - ahead - 1
    loads = [
        before,
        delayed(before, 1),
        delayed(before, 2),
        known.level[2],
        known.level[5],
        known.level[60],
        hours,
        day,
        known.highest[5],
        known.highest[20],
        running_maximum(before, 60),
        delayed(smoothed(before, 15), back),
    ]
    shares = [
        known.deviation[15] / base,
        known.deviation[60] / base,
        smoothed(jump, 300) / (smoothed(before, 300) + floor),
        smoothed(jump, DAY) / (day + floor),
        delayed(known.deviation[60] / (known.level[60] + floor), back),
        np.log(known.seasonal),
        np.sin(angle),
        np.cos(angle),
        np.sin(2 * angle),
        np.cos(2 * angle),
        np.log(base / world.plant.capacity(1)),
    ]
    return np.stack([*(np.log((load + floor) / base) for load in loads), *shares], 1)


def level_now(world: World) -> Floats:
    """The load that everything else is seen against [T], never 0."""
    found: Floats = world.known.level[15] + FLOOR * float(world.plant.capacity(1))
    return found


def delayed(values_T: Floats, minutes: int) -> Floats:
    """A series as it was so many minutes before; its first value where there was none."""
    return values_T[np.maximum(np.arange(len(values_T)) - minutes, 0)]


def violated_by_size(plant: Plant, requests_T: Floats) -> NDArray[np.bool_]:
    """Whether a fleet that always has n instances in service violates each minute [T, N]."""
    running_N = np.arange(len(plant.most_N))
    capacity_N = plant.capacity(running_N)
    most_N = capacity_N * (plant.config.timeout_seconds / 60)
    backlog_TN = np.zeros((len(requests_T), len(running_N)))
    for at, requests in enumerate(requests_T[:-1]):
        backlog_TN[at + 1] = np.clip(backlog_TN[at] + requests - capacity_N, 0, most_N)
    found = []
    for start in range(0, len(requests_T), CHUNK):
        rows = slice(start, start + CHUNK)
        load_L = np.repeat(requests_T[rows], len(running_N))
        running_L = np.tile(running_N, len(requests_T[rows]))
        none = np.zeros((len(load_L), 0), dtype=np.int64)
        fleets = Fleets(running_L, none, none, backlog_TN[rows].ravel())
        found.append(serve(plant, fleets, load_L, running_L).violated_L)
    return np.concatenate(found).reshape(-1, len(running_N))


def places(world: World) -> Floats:
    """Where on the grid the load lies that each size can bear, in steps of it [T, N]."""
    floor = FLOOR * float(world.plant.capacity(1))
    ratio_TN = np.log((world.plant.most_N + floor) / level_now(world)[:, None])
    found: Floats = np.clip((ratio_TN - GRID[0]) / (GRID[1] - GRID[0]), 0, len(GRID) - 1.001)
    return found


def at_places(logits_BG: Tensor, places_BN: Tensor) -> Tensor:
    """Logits between the places of the grid, in straight lines [B, N]."""
    below_BN = places_BN.long()
    share_BN = places_BN - below_BN
    return torch.lerp(logits_BG.gather(1, below_BN), logits_BG.gather(1, below_BN + 1), share_BN)


class Curve(nn.Module):
    """Two hidden layers, then logits that fall along the grid."""

    def __init__(self, inputs: int, config: ForecasterConfig) -> None:
        super().__init__()
        width = config.width
        self.layers = nn.Sequential(
            nn.Linear(inputs, width),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            nn.Linear(width, len(GRID)),
        )

    def forward(self, inputs_BF: Tensor) -> Tensor:
        """Logits of the chance [B, G]."""
        first_B1, steps_BG = self.layers(inputs_BF).split([1, len(GRID) - 1], 1)
        falls_BG = nn.functional.softplus(steps_BG).cumsum(1)
        return torch.cat([first_B1 + 3, first_B1 + 3 - falls_BG], 1)


def fit_forecaster(
    config: ForecasterConfig, world: World, starts: Integers, minutes: int, seed: int
) -> Forecaster:
    """Fit the chances on the days that begin at `starts`, each `minutes` long; the rest is not looked at."""
    ahead = world.plant.config.startup_minutes
    # What is ordered in a minute is judged by the minute in which it begins to serve.
    rows = (starts[:, None] + np.arange(minutes - ahead)).ravel()
    violated_TN = violated_by_size(world.plant, world.requests_T)
    signs_TF, places_TN = signs(world), places(world)
    mean_F, deviation_F = signs_TF[rows].mean(0), signs_TF[rows].std(0) + 1e-6
    generator = np.random.default_rng([seed, 31_337])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Curve(signs_TF.shape[1], config)
        found = Forecaster(network, mean_F, deviation_F)
        inputs_TF = found.inputs(signs_TF)

        def batch() -> tuple[Tensor, Tensor, Tensor]:
            chosen_B = generator.choice(rows, config.batch)
            told = (places_TN[chosen_B].astype(np.float32), violated_TN[chosen_B + ahead].astype(np.float32))
            return inputs_TF[chosen_B], torch.from_numpy(told[0]), torch.from_numpy(told[1])

        _descend(network, config, batch)
    network.eval()
    return found


def _descend(
    network: nn.Module, config: ForecasterConfig, batch: Callable[[], tuple[Tensor, Tensor, Tensor]]
) -> None:
    """Maximise the likelihood of what was violated, over the sizes that lie within the grid."""
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps + 1
    )
    for _ in range(config.steps):
        inputs_BF, places_BN, violated_BN = batch()
        logits_BN = at_places(network(inputs_BF), places_BN)
        loss_BN = nn.functional.binary_cross_entropy_with_logits(logits_BN, violated_BN, reduction="none")
        within_BN = ((places_BN > 0) & (places_BN < len(GRID) - 1.01)).float()
        loss = (loss_BN * within_BN).sum() / within_BN.sum().clamp(min=1)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()


def chances(forecaster: Forecaster, world: World) -> NDArray[np.float32]:
    """The chance that each size violates the minute at which an instance ordered now would serve [T, N]."""
    inputs_TF, places_TN = forecaster.inputs(signs(world)), places(world).astype(np.float32)
    size = len(inputs_TF)
    # Every chunk has the same length, so that a minute's figures do not depend on how many follow.
    more = -size % CHUNK
    inputs_TF = nn.functional.pad(inputs_TF, (0, 0, 0, more))
    found = []
    with torch.no_grad():
        for start in range(0, size, CHUNK):
            rows = slice(start, start + CHUNK)
            logits_BG = forecaster.network(inputs_TF[rows])[: size - start]
            found.append(torch.sigmoid(at_places(logits_BG, torch.from_numpy(places_TN[rows]))).numpy())
    return np.concatenate(found)


def foreseen(forecaster: Forecaster, world: World) -> World:
    """The world with the forecaster's chances, which a rule may read like all else that is known."""
    return replace(world, chances_TN=chances(forecaster, world))
