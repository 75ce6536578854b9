"""`practicum apply portfolio`: a policy learns to weigh assets, and is held against rules after costs."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from practicum.applications.agent import AgentSettings
from practicum.applications.portfolio import experiment, statistics
from practicum.applications.portfolio.data import Prices, bundled_prices, read_prices
from practicum.applications.portfolio.environment import TradingConfig
from practicum.applications.portfolio.experiment import COSTS, RIVAL, Finding, Period, Walk, Window
from practicum.applications.portfolio.page import figures
from practicum.applications.results import RESULTS, Outcome, Table, published
from practicum.errors import InputError
from practicum.files import read_json, to_json
from practicum.ranges import Common, Count, PositiveInt, Range, Ranged, Seed

GOAL = 0.12
"""The improvement that the text this began with names, as a share a year."""
SURE = 0.95
"""The deflated Sharpe ratio from which a record is called skill (Bailey & Lopez de Prado 2014)."""


@dataclass(frozen=True)
class Config(Ranged):
    """A policy weighs assets by what their past prices show, and is held against 1/N after costs.

    practicum apply portfolio
    practicum apply portfolio --data prices.csv --seeds 5
    practicum apply portfolio --control positive
    """

    data: Common[Path | None] = None
    """Prices: a date column and one for each asset. Without it, skfolio's 20 names of the S&P 500."""
    date_column: str = "date"
    """The column of dates; "none" for a table without."""
    assets: tuple[str, ...] = ()
    """The columns to trade; without any, all but the date."""
    period: Common[Literal["auto", "earlier", "final"]] = "auto"
    """Days of the test. Choose settings on the earlier ones; auto means final, or earlier with a control."""
    control: Common[Literal["none", "positive", "null"]] = "none"
    """positive: the next return is among the signals, and the policy must win. null: returns are dealt to the
    assets at random, and it must not. Both stay within the earlier days."""
    seeds: Common[Count] = 5
    """Policies to train, each from a seed of its own."""
    seed: Common[Seed] = 0
    """Seed of the first policy; the next ones count on."""
    windows: Annotated[int, Range(at_least=1, at_most=20)] = 3
    """Windows of the test days; before each, a policy is trained anew on all days before it."""
    trials: PositiveInt = 17
    """Settings that were tried before these were chosen; the deflated Sharpe ratio pays for them."""
    trial_spread: Annotated[float, Range(at_least=0, at_most=100)] = 0.26
    """Standard deviation of those trials' information ratios, by year."""
    trading: TradingConfig = field(default_factory=TradingConfig)
    """How a policy trades and what it pays."""
    agent: AgentSettings = field(
        default_factory=lambda: AgentSettings(
            iterations=40, environments=8, horizon=48, learning_rate=3e-3, discount=0.9, hidden=(32,)
        )
    )
    """How it learns."""


def apply(config: Config, folder: Path) -> Outcome:
    """Train on the past of each window, trade it, and compare with the rules on the same days."""
    prices = prices_of(config)
    experiment.check_length(prices)
    period = period_of(config)
    windows = experiment.windows_of(len(prices.dates) - 1, period, config.windows)
    openings = earlier_openings(folder, config, prices) if period == "final" else []
    walks = []
    for seed in range(config.seed, config.seed + config.seeds):
        place = f"{seed - config.seed + 1} of {config.seeds}"
        print(f"practicum: seed {seed} ({place}), {len(windows)} windows", file=sys.stderr)
        relatives = experiment.relatives_for(prices, config.control, seed)
        market = experiment.market_for(relatives, config.control, config.trading.hold)
        walks.append(
            experiment.walk(market, windows, config.trading, config.agent, seed, folder / f"seed-{seed}")
        )
    trials = config.trials + len(openings)
    costs = sorted({*COSTS, config.trading.cost})
    findings = {
        cost: experiment.weigh(walks, cost, config.trading.drawdown_limit, trials, config.trial_spread)
        for cost in costs
    }
    return outcome(config, prices, windows, walks, findings, openings)


def prices_of(config: Config) -> Prices:
    """The prices that the settings name."""
    if config.data is not None:
        return read_prices(config.data, date_column=config.date_column, assets=config.assets)
    if config.assets or config.date_column != Config.date_column:
        raise InputError("assets and date_column name columns of --data FILE, which is not given")
    return bundled_prices()


def period_of(config: Config) -> Period:
    """The days of the test. Raises InputError for a control on the final ones, which it would open."""
    if config.control == "none":
        return "final" if config.period == "auto" else config.period
    if config.period == "final":
        raise InputError(f"--control {config.control} stays within the earlier days; drop --period final")
    return "earlier"


# ------------------------------------------------------------------------------------- the final days once


def settings_digest(config: Config) -> str:
    """Names what was chosen, without seeds: two runs of one digest are one trial."""
    chosen = {"trading": asdict(config.trading), "agent": asdict(config.agent), "windows": config.windows}
    return hashlib.sha256(to_json(chosen).encode()).hexdigest()[:12]


def earlier_openings(folder: Path, config: Config, prices: Prices) -> list[str]:
    """Runs beside this one that opened the same final days with other settings."""
    found: dict[str, str] = {}
    for path in sorted(folder.parent.glob(f"*/{RESULTS}")):
        if path.parent == folder:
            continue
        try:
            about = read_json(path, "so nobody knows which final days it opened").get("portfolio")
        except InputError as error:
            print(f"practicum: {error}", file=sys.stderr)
            continue
        if not isinstance(about, dict) or about.get("period") != "final":
            continue
        same = about.get("settings") == settings_digest(config)
        if about.get("prices") == prices.digest and not same:
            found[str(about.get("settings"))] = path.parent.name
    return sorted(found.values())


# ------------------------------------------------------------------------------------------------- in words


def outcome(
    config: Config,
    prices: Prices,
    windows: Sequence[Window],
    walks: Sequence[Walk],
    findings: Mapping[float, Finding],
    openings: Sequence[str],
) -> Outcome:
    """The result as a sentence, tables, pictures and numbers."""
    main = findings[config.trading.cost]
    rules = {}
    if config.control == "none":
        rules = experiment.rule_results(prices.relatives, windows, config.trading.hold, config.trading.cost)
    table = strategy_table(config, main, rules)
    span = (prices.dates[windows[0].first], prices.dates[windows[-1].last])
    sentence = headline(config, prices, span, findings, openings)
    learned = [float(np.mean(one.learned)) for one in walks]
    data = {
        "portfolio": {
            "period": period_of(config),
            "prices": prices.digest,
            "settings": settings_digest(config),
        },
        "source": prices.source,
        "assets": list(prices.names),
        "days": list(span),
        "control": config.control,
        "seeds": [config.seed + place for place in range(len(walks))],
        "trials": config.trials + len(openings),
        "opened_before": list(openings),
        "skill": is_skill(config, main, openings),
        "goal": GOAL,
        "cost_basis_points": config.trading.cost,
        "excess_in_training_per_seed": learned,
        "costs": [one.json() for one in findings.values()],
        "rules": {
            name: {
                **statistics.performance(one).json(),
                "policy_beyond": experiment.beyond_rule(main, one).json(),
            }
            for name, one in rules.items()
        },
    }
    notes = [
        f"On the days they had learned from, policies earned {_points(sum(learned) / len(learned))} points a "
        f"year beyond equal weight; on the days after them {_points(main.excess.value)}.",
        "Survivors: the assets are those that someone knows today. All strategies share that luck, so only "
        "the difference to equal weight on the same names means anything.",
        f"Settings tried: {config.trials + len(openings)}. The deflated Sharpe ratio of the difference, "
        f"which pays for them, is {main.deflated:.2f} ({SURE} would be called skill).",
        f"Costs of {config.trading.cost:g} basis points on what is bought and sold. Cash earns nothing. "
        "Prices are closes: a decision at a close trades at that close.",
    ]
    return Outcome(
        sentence,
        table,
        data,
        figures(prices, windows, walks, main, rules, config.trading),
        [cost_table(findings), seed_table(config, walks, main)],
        notes,
    )


def is_skill(config: Config, main: Finding, openings: Sequence[str]) -> bool:
    """Whether the record may be called skill: interval, price of the search, days unseen before."""
    unseen = config.control == "none" and period_of(config) == "final" and not openings
    return unseen and main.excess.low > 0 and main.deflated >= SURE


def headline(
    config: Config,
    prices: Prices,
    span: tuple[str, str],
    findings: Mapping[float, Finding],
    openings: Sequence[str],
) -> str:
    """What was reached, good or bad, in one sentence."""
    main = findings[config.trading.cost]
    excess = main.excess
    interval = f"95% interval {_points(excess.low)} to {_points(excess.high)}, blocks of days and seeds"
    ours, theirs = (experiment.mean_performance(results) for results in (main.policies, main.rivals))
    policy, ratio = ours["annual_return"], ours["sharpe"]
    rival, rival_ratio = theirs["annual_return"], theirs["sharpe"]
    told = (
        f"From {_day(span[0])} to {_day(span[1])} the trained policy earned {policy:.1%} a year net of "
        f"{config.trading.cost:g} basis points ({_mean_of(main)}), {RIVAL} on the same "
        f"{len(prices.names)} names {rival:.1%}: {_points(excess.value)} points a year ({interval}), "
        f"at a Sharpe ratio of {ratio:.2f} against {rival_ratio:.2f}"
    )
    return f"{told}; {verdict(config, main, openings)}."


def verdict(config: Config, main: Finding, openings: Sequence[str]) -> str:
    """What the figure means."""
    if config.control == "positive":
        end = "won, as it must" if main.excess.low > 0 else "did not win: it cannot learn"
        return f"it was told the next returns and {end}"
    if config.control == "null":
        end = "won: something looks ahead" if main.excess.low > 0 else "did not win, as it must not"
        return f"the returns were dealt at random and it {end}"
    if period_of(config) == "earlier":
        return "these are the days to choose settings on, so nothing is claimed"
    if openings:
        return (
            f"these final days were opened before with other settings ({', '.join(openings)}), so they are "
            "no longer untouched and nothing is claimed"
        )
    if is_skill(config, main, openings):
        return (
            f"better than {RIVAL} after the price of the search (deflated Sharpe ratio {main.deflated:.2f})"
        )
    goal = "reached, but luck explains it" if main.excess.value >= GOAL else "not reached"
    return f"no skill is claimed, and the goal of {_points(GOAL)} is {goal}"


def _mean_of(main: Finding) -> str:
    return f"mean of {len(main.policies)} seeds" if len(main.policies) > 1 else "one seed"


def _day(date: str) -> str:
    return f"day {date}" if date.isdigit() else date


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


# ------------------------------------------------------------------------------------------------- tables


def strategy_table(config: Config, main: Finding, rules: Mapping[str, Any]) -> Table:
    """The policy and every rule at the cost of training."""
    columns = (
        *("strategy", "% a year", "beyond 1/N", "volatility %", "Sharpe", "Sortino"),
        *("worst loss %", "turnover"),
    )
    rival = experiment.mean_performance(main.rivals)
    rows = [_row(f"policy ({_mean_of(main)})", experiment.mean_performance(main.policies), rival)]
    found = {RIVAL: rival, **{name: statistics.performance(one).json() for name, one in rules.items()}}
    rows += [_row(name, one, rival) for name, one in found.items()]
    return Table(
        columns,
        rows,
        f"Net of {config.trading.cost:g} basis points. Turnover: portfolios bought and sold a year.",
    )


def _row(name: str, found: Mapping[str, float], rival: Mapping[str, float]) -> list[str | float | int | None]:
    return [
        name,
        f"{100 * found['annual_return']:.1f}",
        _points(found["annual_return"] - rival["annual_return"]),
        f"{100 * found['volatility']:.1f}",
        f"{found['sharpe']:.2f}",
        f"{found['sortino']:.2f}",
        f"{100 * found['max_drawdown']:.0f}",
        f"{found['turnover']:.1f}",
    ]


def cost_table(findings: Mapping[float, Finding]) -> Table:
    """What costs do to the difference."""
    rows: list[list[str | float | int | None]] = [
        [
            f"{cost:g} basis points",
            _points(found.excess.value),
            f"{_points(found.excess.low)} to {_points(found.excess.high)}",
            f"{found.ratio:.2f}",
            f"{found.deflated:.2f}",
        ]
        for cost, found in findings.items()
    ]
    columns = ("cost", "points beyond 1/N", "95% interval", "information ratio", "deflated Sharpe ratio")
    return Table(columns, rows, "The same decisions at other costs.")


def seed_table(config: Config, walks: Sequence[Walk], main: Finding) -> Table:
    """Each seed's difference, on the days after training and on those of training."""
    rows: list[list[str | float | int | None]] = [
        [
            f"seed {config.seed + place}",
            _points(excess),
            ", ".join(_points(one) for one in walk.learned),
        ]
        for place, (walk, excess) in enumerate(zip(walks, main.per_seed, strict=True))
    ]
    columns = ("seed", "points beyond 1/N, tested", "in training, by window")
    return Table(columns, rows, "What was learned, and what was left of it.")


run = published("portfolio", apply)
