"""`practicum apply overoptimization`: agents paid by a click model and by a backtest, beside the truth.

Each agent is trained to the end without a guard, so that the whole curve is seen. Then the guard of the text
side reads the recorded rows, from which alone it decides, and says where it would have gone back to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from practicum.applications.ads.generator import GeneratorConfig
from practicum.applications.agent import Agent, AgentConfig, AgentSettings, train_agent
from practicum.applications.agent.command import mean_interval
from practicum.applications.overoptimization.games import Game, ads, portfolio
from practicum.applications.portfolio.data import bundled_prices, read_prices
from practicum.applications.portfolio.environment import TradingConfig
from practicum.applications.results import Figure, Outcome, Panel, Table, published
from practicum.config import completed
from practicum.files import read_rows
from practicum.guard.guard import THRESHOLDS, Guard, GuardConfig
from practicum.ranges import Common, Count, Ranged, Seed

Floats = NDArray[np.float64]
WATCHED = ("ensemble_disagreement",)
"""Of the signals that the guard watches over texts, the one that an agent has too."""
LOGGED = ("proxy", "gold", "kl_completion")
MOMENTS = ("first", "gold's best", "guard", "last")


@dataclass(frozen=True)
class Config(Ranged):
    """Reward hacking outside of language: the proxy goes on rising when what it stands for no longer does.

    practicum apply overoptimization
    practicum apply overoptimization --prices prices.csv --seeds 8
    """

    seeds: Common[Count] = 5
    """Agents in each of the two games, each with a seed, and for ads a world, of its own."""
    seed: Common[Seed] = 0
    """The first seed; the next ones count on."""
    prices: Common[Path | None] = None
    """Prices, as for `apply portfolio`; without it, skfolio's 20 names of the S&P 500."""
    made_up: GeneratorConfig = field(default_factory=lambda: GeneratorConfig(rows=6000))
    """The made-up log of which one half, of few clicks, fits the click model that pays."""
    trading: TradingConfig = field(default_factory=lambda: TradingConfig(action="weights", hold=21))
    """How the portfolio trades."""
    agent: AgentSettings = field(
        default_factory=lambda: AgentSettings(
            iterations=60, horizon=64, learning_rate=3e-3, decay="none", discount=0.9
        )
    )
    """How the agents learn."""
    guard: GuardConfig = field(
        default_factory=lambda: GuardConfig(
            action="roll_back", thresholds={name: THRESHOLDS[name] for name in WATCHED}, votes=1
        )
    )
    """The guard that reads the rows, with the thresholds and budget of texts; an action is a completion."""


def apply(config: Config, folder: Path) -> Outcome:
    """Train both games' agents over all seeds, and put proxy, gold and guard side by side."""
    prices = read_prices(config.prices) if config.prices else bundled_prices()
    found: dict[str, list[Curve]] = {"ads": [], "portfolio": []}
    units = {}
    for seed in range(config.seed, config.seed + config.seeds):
        for game in (ads(config.made_up, seed), portfolio(prices, config.trading, seed)):
            units[game.name] = game.unit
            place = folder / game.name / f"seed-{seed}"
            train_agent(
                completed(AgentConfig, config.agent, seed=seed),
                game.make,
                place,
                resume=True,
                measure=Looks(game, seed),
            )
            found[game.name].append(curve_of(read_rows(place / "metrics.jsonl"), config.guard, seed))
    return outcome(config, found, units)


class Looks:
    """What is logged of an agent after each iteration: its worth, and what the guard reads."""

    def __init__(self, game: Game, seed: int) -> None:
        self.game, self.seed = game, seed

    def __call__(self, agent: Agent) -> Mapping[str, float]:
        """proxy, gold, kl_completion, ensemble_disagreement."""
        worth = self.game.worth(agent)
        return {
            "proxy": worth.proxy,
            "gold": worth.gold,
            # The same draws each time, so that the distance is not shaken by them.
            "kl_completion": agent.distance(self.game.seen, np.random.default_rng(self.seed)),
            "ensemble_disagreement": float(worth.members_M.std()),
        }


@dataclass(frozen=True)
class Curve:
    """One run: worth by proxy and gold and the distance after each iteration, and what the guard decided.

    stopped: the iteration whose agent the guard goes back to, the last where it never alarms.
    """

    seed: int
    proxy_T: Floats
    gold_T: Floats
    kl_T: Floats
    stopped: int
    sentence: str

    def at(self, moment: str) -> int:
        """The index of a moment."""
        return {
            "first": 0,
            "gold's best": int(self.gold_T.argmax()),
            "guard": self.stopped,
            "last": len(self.gold_T) - 1,
        }[moment]


def curve_of(rows: Sequence[Mapping[str, Any]], config: GuardConfig, seed: int) -> Curve:
    """A run's curve, with the guard's decision after its first alarm."""
    proxy, gold, kl = (np.array([row[name] for row in rows]) for name in LOGGED)
    guard, stopped, sentence = Guard(config), len(rows) - 1, "never alarmed"
    for row in rows:
        decision = guard.observe(int(row["step"]), row)
        if decision.action != "go_on":
            stopped = max(0, (decision.to_step if decision.to_step is not None else decision.step) - 1)
            sentence = decision.sentence
            break
    return Curve(seed, proxy, gold, kl, stopped, sentence)


def outcome(config: Config, found: Mapping[str, Sequence[Curve]], units: Mapping[str, str]) -> Outcome:
    """Table, figures and sentence."""
    rows: list[list[str | float | int | None]] = []
    data: dict[str, Any] = {}
    for name, curves in found.items():
        data[name] = {
            "unit": units[name],
            "moments": {moment: moment_of(curves, moment) for moment in MOMENTS},
            "seeds": [
                {"seed": one.seed, "guard": one.sentence, "stopped": one.stopped + 1} for one in curves
            ],
        }
        for moment in MOMENTS:
            told = data[name]["moments"][moment]
            cells = [f"{100 * told[side]['mean']:+.1f}%" for side in ("proxy", "gold")]
            bounds = [f"{100 * bound:+.1f}%" for bound in told["gold"]["ci95"] or ()]
            rows.append(
                [
                    f"{name}: {moment}",
                    *cells,
                    " to ".join(bounds) or None,
                    told["kl"]["mean"],
                    told["iteration"],
                ]
            )
    columns = ("game and moment", "by proxy", "by gold", "gold, 95%", "KL, nats", "iteration")
    caption = "Means over seeds; the interval is Student's t over seeds."
    figures = [figure_of(name, curves, units[name]) for name, curves in found.items()]
    return Outcome(headline(data), Table(columns, rows, caption), data, figures, notes=NOTES)


NOTES = (
    "The proxy of ads is a click model fitted to one half of a made-up log; its gold is what visitors truly "
    "click. The proxy of the portfolio is a backtest on the days of training; its gold are the days after "
    "them, on which settings may be chosen. The final days stay closed.",
    "The guard reads how far second opinions on the proxy differ (draws from the click model's posterior, or "
    "parts of the days of training) and how far the policy has come from the first one. It never sees gold.",
)


def moment_of(curves: Sequence[Curve], moment: str) -> dict[str, Any]:
    """Means and intervals over seeds of a moment of each run."""
    places = [one.at(moment) for one in curves]
    values = {
        side: [float(getattr(one, f"{side}_T")[place]) for one, place in zip(curves, places, strict=True)]
        for side in ("proxy", "gold", "kl")
    }
    told: dict[str, Any] = {
        side: {"mean": float(np.mean(some)), "ci95": interval_of(some), "seeds": some}
        for side, some in values.items()
    }
    return {**told, "iteration": float(np.mean(places)) + 1}


def interval_of(values: Sequence[float]) -> list[float] | None:
    """95% interval of the mean over seeds, Student's t; None for one seed, which shows no spread."""
    return list(mean_interval(values)) if len(values) > 1 else None


def headline(data: Mapping[str, Any]) -> str:
    """What the proxies promise at the end, what is true, and what the guard would have kept."""
    said = []
    for name, one in data.items():
        last, guard = one["moments"]["last"], one["moments"]["guard"]
        said.append(
            f"in {name} the proxy promises {100 * last['proxy']['mean']:+.1f}% {one['unit']} and gold gives "
            f"{100 * last['gold']['mean']:+.1f}% ({100 * guard['gold']['mean']:+.1f}% where the guard stops)"
        )
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}."


def figure_of(name: str, curves: Sequence[Curve], unit: str) -> Figure:
    """Proxy, gold and distance by iteration: means over seeds, and bands from the least to the greatest."""
    sides = {
        side: np.stack([getattr(one, f"{side}_T") for one in curves]) for side in ("proxy", "gold", "kl")
    }
    steps = list(range(1, sides["gold"].shape[1] + 1))
    kept = Counter(one.stopped + 1 for one in curves)
    notes = [
        f"The guard keeps the agent of here with {kept[step]} of {len(curves)} seeds." if kept[step] else ""
        for step in steps
    ]

    def panel(title: str, names: Sequence[str], share: bool) -> Panel:
        return Panel(
            title,
            {side: sides[side].mean(0).tolist() for side in names},
            {side: (sides[side].min(0).tolist(), sides[side].max(0).tolist()) for side in names},
            share=share,
        )

    return Figure(
        f"{name}: the proxy and what it stands for",
        "Means over seeds; bands go from the least to the greatest seed.",
        steps,
        [
            panel(unit, ("proxy", "gold"), True),
            panel("KL to the first policy, nats an action", ("kl",), False),
        ],
        "iteration",
        notes,
    )


run = published("overoptimization", apply)
