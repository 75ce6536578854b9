"""Settings chosen on earlier days, then one look at the final ones: `python -m studies.portfolio --run DIR`.

Every candidate walks forward over the earlier test days of skfolio's 20 names of the S&P 500 with two seeds
of its own. The one with the highest information ratio against equal weight, net of 10 basis points, is CHOSEN
and run once on the final days with five other seeds; then the two controls run, on the earlier days. What has
been done is not done again, and the final days are not opened a second time with other settings.

RUN/choice/NAME             the candidates' policies
RUN/choice/NAME.json        what each came to on the earlier days
RUN/opened.json             with what the final days were opened, written before they are
RUN/final, positive, null   the command's runs, with report.html
RUN/results.json            all of it
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from practicum.applications.agent import AgentSettings
from practicum.applications.portfolio import command, experiment
from practicum.applications.portfolio.command import Config
from practicum.applications.portfolio.environment import TradingConfig
from practicum.errors import InputError
from studies.claim import over_seeds, single
from studies.common import note_machine, read, record, say, study_main, write
from studies.judged import Claim

CHOOSING_SEEDS, REPORTED_SEEDS = (100, 101), 5
BLOCKS = "95% interval, stationary bootstrap of blocks of days, and of seeds"
POINTS = "percentage points a year"
MONTHLY = TradingConfig(hold=21, episode=12, names_share=1.0)
QUARTERLY = TradingConfig(hold=63, episode=4, names_share=1.0)
LEARNING = AgentSettings(
    iterations=40, environments=8, horizon=48, learning_rate=3e-3, discount=0.9, hidden=(32,)
)
FIRST_ROUND: Mapping[str, tuple[TradingConfig, AgentSettings]] = {
    "monthly": (MONTHLY, LEARNING),
    "gentle": (replace(MONTHLY, strength=1.0), LEARNING),
    "steep": (replace(MONTHLY, strength=4.0), LEARNING),
    "weekly": (replace(MONTHLY, hold=5, episode=50), LEARNING),
    "quarterly": (QUARTERLY, LEARNING),
    "short-sighted": (MONTHLY, replace(LEARNING, discount=0.0)),
    "brief": (MONTHLY, replace(LEARNING, iterations=10)),
    "long": (MONTHLY, replace(LEARNING, iterations=150)),
    "timid": (MONTHLY, replace(LEARNING, initial_deviation=0.3)),
    "cautious": (replace(MONTHLY, caution=2.0), LEARNING),
    "weights": (replace(MONTHLY, action="weights"), LEARNING),
}
"""One change each from the first."""
SECOND_ROUND: Mapping[str, tuple[TradingConfig, AgentSettings]] = {
    "quarterly-gentle": (replace(QUARTERLY, strength=1.0), LEARNING),
    "quarterly-brief": (QUARTERLY, replace(LEARNING, iterations=10)),
    "quarterly-some-names": (replace(QUARTERLY, names_share=0.5), LEARNING),
    "quarterly-blind": (replace(QUARTERLY, blind=True), LEARNING),
    "quarterly-some-names-gentle": (replace(QUARTERLY, names_share=0.5, strength=1.0), LEARNING),
    "half-yearly": (replace(QUARTERLY, hold=126, episode=2), LEARNING),
}
"""Changes of the best of the first round."""
CANDIDATES = {**FIRST_ROUND, **SECOND_ROUND}
"""All that was ever tried: each counts in the deflated Sharpe ratio."""
CHOSEN = "quarterly-some-names"
"""The best of them when the choice was made, before the final days were opened; the command's own settings.

A repeat on another machine may put another of the near-equal ones first. The choice stands all the same: a
new one would open the final days a second time."""


@dataclass(frozen=True)
class StudyConfig:
    """A trained portfolio against 1/N: settings chosen on earlier days, final days opened once, controls."""

    run: Path
    """Folder of the study."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Choose, report, control; return results.json."""
    note_machine(config.run, "portfolio")
    choice = {name: tried(config.run / "choice", name) for name in CANDIDATES}
    ratios = {name: row["information_ratio"] for name, row in choice.items()}
    best = max(ratios, key=lambda name: ratios[name])
    if best != CHOSEN:
        say(f"on this machine {best} comes first; the choice of {CHOSEN} was made before and stands")
    spread = stdev(ratios.values())
    chosen = settings_of(CHOSEN, spread)
    open_once(config.run, chosen)
    found = {
        "final": told(chosen, config.run / "final"),
        "positive": told(replace(chosen, control="positive"), config.run / "positive"),
        "null": told(replace(chosen, control="null"), config.run / "null"),
    }
    portfolio = {
        "choice": choice,
        "chosen": CHOSEN,
        "best": best,
        "trials": len(CANDIDATES),
        "spread": spread,
        **found,
    }
    return record(config, "portfolio", {"portfolio": portfolio})


def settings_of(name: str, spread: float) -> Config:
    """The command's settings for a candidate."""
    trading, agent = CANDIDATES[name]
    return Config(
        seeds=REPORTED_SEEDS, trading=trading, agent=agent, trials=len(CANDIDATES), trial_spread=spread
    )


def tried(folder: Path, name: str) -> dict[str, Any]:
    """What a candidate comes to on the earlier days, from its file where there is one."""
    path = folder / f"{name}.json"
    if not path.exists():
        say(f"candidate {name}")
        config = settings_of(name, 0.0)
        prices = command.prices_of(config)
        windows = experiment.windows_of(len(prices.dates) - 1, "earlier", config.windows)
        market = experiment.market_for(prices.relatives, "none", config.trading.hold)
        walks = [
            experiment.walk(
                market, windows, config.trading, config.agent, seed, folder / name / f"seed-{seed}"
            )
            for seed in CHOOSING_SEEDS
        ]
        found = experiment.weigh(walks, config.trading.cost, config.trading.drawdown_limit, 1, 0.0)
        learned = fmean(one for walk in walks for one in walk.learned)
        write(path, {**found.json(), "excess_in_training": learned, "seeds": list(CHOOSING_SEEDS)})
    return read(path)


def open_once(folder: Path, chosen: Config) -> None:
    """Note with what the final days are opened. Raises InputError where that was done with other settings."""
    path = folder / "opened.json"
    opened = {"settings": command.settings_digest(chosen), "prices": command.prices_of(chosen).digest}
    if path.exists() and read(path) != opened:
        raise InputError(
            f"{path}: the final days were opened with other settings; their result stands. Days once "
            "seen can serve to choose settings, and later days to judge them"
        )
    if not path.exists():
        write(path, opened)


def told(config: Config, folder: Path) -> dict[str, Any]:
    """The command's own results, made, continued or read."""
    say(folder.name)
    return command.run(config, folder, resume=(folder / "config.toml").exists())


# ------------------------------------------------------------------------------------------------- claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """The improvement over equal weight, after each cost, against each rule, and in each control."""
    found = results["portfolio"]
    final = found["final"]
    cost = final["cost_basis_points"]
    main = at_cost(final, cost)
    days = f"{final['days'][0]} to {final['days'][1]}"
    net = f"net of {cost:g} basis points, {days}"
    rows = [
        excess_claim(
            "portfolio-return-improvement",
            f"annual return of the trained policy beyond equal weight on the same 20 names, {net}",
            main,
            final["seeds"],
            f"at least {100 * final['goal']:g}",
        )
    ]
    for one in final["costs"]:
        points = one["cost_basis_points"]
        if points != cost:
            text = f"annual return beyond equal weight net of {points:g} basis points, {days}"
            name = f"portfolio-return-improvement-at-{points:g}-bp"
            rows.append(excess_claim(name, text, one, final["seeds"], "above 0"))
    rows += rule_claims(final, main, net)
    for control, target in (("positive", "above 0"), ("null", "at most 0")):
        one = found[control]
        text = f"annual return beyond equal weight in the {control} control, net of {cost:g} basis points"
        rows.append(
            excess_claim(f"portfolio-{control}-control", text, at_cost(one, cost), one["seeds"], target)
        )
    learned = over_seeds(
        "portfolio-excess-in-training",
        "annual return beyond equal weight on the days that the policies had learned from",
        {
            seed: 100 * one
            for seed, one in zip(final["seeds"], final["excess_in_training_per_seed"], strict=True)
        },
        "above 0",
        POINTS,
    )
    tried = single(
        "portfolio-deflated-sharpe",
        f"deflated Sharpe ratio of the difference to equal weight, {found['trials']} settings tried, {net}",
        main["deflated_sharpe_ratio"],
        "probability",
        "at least 0.95",
    )
    return [*rows, learned, {**tried, "seeds": final["seeds"]}]


def rule_claims(final: Mapping[str, Any], main: Mapping[str, Any], net: str) -> list[Claim]:
    """The policy's annual return less that of each rule which knows no future, over the seeds."""
    equal = final["rules"]["equal weight"]["annual_return"]
    rows = []
    for name, rule in final["rules"].items():
        if name == "equal weight" or "hindsight" in name:
            continue
        per_seed = {
            seed: 100 * (excess + equal - rule["annual_return"])
            for seed, excess in zip(final["seeds"], main["excess_per_seed"], strict=True)
        }
        plain = "-".join("".join(letter if letter.isalnum() else " " for letter in name).split()).lower()
        text = f"annual return of the trained policy less that of {name}, {net}"
        rows.append(over_seeds(f"portfolio-beyond-{plain}", text, per_seed, "above 0", POINTS))
    return rows


def at_cost(results: Mapping[str, Any], cost: float) -> Mapping[str, Any]:
    """What a run came to at one cost."""
    rows: list[Mapping[str, Any]] = results["costs"]
    return next(one for one in rows if one["cost_basis_points"] == cost)


def excess_claim(name: str, text: str, found: Mapping[str, Any], seeds: list[int], target: str) -> Claim:
    """An annual return beyond equal weight, in points, with the interval over days and seeds."""
    excess = found["excess"]
    per_seed = {str(seed): 100 * one for seed, one in zip(seeds, found["excess_per_seed"], strict=True)}
    return {
        "id": name,
        "claim": text,
        "value": 100 * excess["value"],
        "unit": POINTS,
        "interval": [100 * excess["low"], 100 * excess["high"]],
        "interval_kind": BLOCKS,
        "target": target,
        "seeds": seeds,
        "per_seed": per_seed,
    }


main = study_main(StudyConfig, "studies.portfolio", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
