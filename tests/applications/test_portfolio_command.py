"""The command from prices to a page: what it writes, what it refuses, what it claims, and its controls."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from practicum.applications.agent import AgentSettings
from practicum.applications.portfolio import command, experiment
from practicum.applications.portfolio.baselines import Floats
from practicum.applications.portfolio.command import Config
from practicum.applications.portfolio.environment import TradingConfig
from practicum.cli import main
from practicum.config import load
from practicum.errors import InputError
from practicum.stats import Estimate
from studies import portfolio

pytest.importorskip("skfolio")
ROOT = Path(__file__).parents[2]
SMALL = AgentSettings(iterations=2, environments=2, horizon=8, hidden=(8,))


def write_prices(path: Path, days: int = 1400, assets: int = 4, seed: int = 0) -> Path:
    generator = np.random.default_rng(seed)
    prices = 10 * np.exp(np.cumsum(generator.normal(0.0003, 0.02, (days, assets)), 0))
    dates = np.datetime64("2001-01-01") + np.arange(days)
    rows = [
        ",".join([str(day), *(f"{one:.6f}" for one in row)]) for day, row in zip(dates, prices, strict=True)
    ]
    path.write_text("\n".join([",".join(["date", *"ABCDEFGH"[:assets]]), *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prices(tmp_path_factory.mktemp("prices") / "prices.csv")


def arguments(prices: Path, run: Path, *more: str) -> list[str]:
    small: tuple[str, ...] = ("--agent.iterations", "2", "--agent.environments", "2", "--agent.horizon", "8")
    small += ("--windows", "1", "--trading.hold", "63")
    return ["apply", "portfolio", "--data", str(prices), "--run", str(run), "--seeds", "2", *small, *more]


@pytest.fixture(scope="module")
def finished(prices: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "first"
    assert main(arguments(prices, run)) == 0
    return run


def results(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))
    return found


def test_a_run_writes_results_and_a_page(finished: Path) -> None:
    found = results(finished)
    assert found["headline"].startswith("From 20")
    assert [one["cost_basis_points"] for one in found["costs"]] == [0, 5, 10, 25]
    values = [one["excess"]["value"] for one in found["costs"]]
    assert values == sorted(values, reverse=True)
    assert len(found["costs"][0]["excess_per_seed"]) == 2
    assert found["rules"].keys() == experiment.RULES.keys()
    assert found["portfolio"]["period"] == "final"
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert found["headline"] in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_same_run_again_says_the_same(
    finished: Path, prices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(prices, tmp_path / "again"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("run") == str(tmp_path / "again")
    assert printed == results(finished)
    assert main(["apply", "portfolio", "--run", str(finished), "--resume", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert {**printed, "run": str(finished)} == again


def test_final_days_that_other_settings_opened_are_not_claimed(finished: Path, prices: Path) -> None:
    agent = replace(Config().agent, iterations=2, environments=2, horizon=8)
    trading = replace(Config().trading, hold=63)
    same = Config(data=prices, seeds=2, windows=1, agent=agent, trading=trading)
    read = command.prices_of(same)
    folder = finished.parent / "second"
    assert results(finished)["portfolio"]["settings"] == command.settings_digest(same)
    assert command.earlier_openings(folder, same, read) == []
    assert command.earlier_openings(finished, replace(same, windows=2), read) == []
    other = replace(same, trading=replace(trading, strength=3.0))
    openings = command.earlier_openings(folder, other, read)
    assert openings == ["first"]
    unrelated = finished.parent / "unrelated"
    unrelated.mkdir()
    for text in ("no JSON", "[]", "{}", '{"portfolio": 3}'):
        (unrelated / "results.json").write_text(text, encoding="utf-8")
        assert command.earlier_openings(folder, other, read) == ["first"]
    estimate = Estimate(0.2, 0.1, 0.3, 100)
    good = experiment.Finding(10, estimate, [0.2], 1.0, 0.99, [], [])
    assert "opened before with other settings (first)" in command.verdict(other, good, openings)
    assert "nothing is claimed" in command.verdict(replace(other, period="earlier"), good, [])
    assert not command.is_skill(other, good, openings)
    assert command.is_skill(other, good, [])


def test_training_knows_nothing_of_the_window_that_follows(prices: Path, tmp_path: Path) -> None:
    """Other prices from a window on: its policy is the same, bit for bit."""
    read = command.prices_of(Config(data=prices))
    windows = experiment.windows_of(1399, "earlier", 2)
    other = read.relatives.copy()
    other[windows[0].first :] = np.exp(
        np.random.default_rng(9).normal(0, 0.05, other[windows[0].first :].shape)
    )
    found = []
    for name, relatives in (("one", read.relatives), ("two", other)):
        market = experiment.market_for(relatives, "none", 21)
        found.append(experiment.walk(market, windows, TradingConfig(), SMALL, 0, tmp_path / name))
    np.testing.assert_array_equal(found[0].actions_DA[0], found[1].actions_DA[0])
    np.testing.assert_array_equal(found[0].targets_TN[0], found[1].targets_TN[0])
    assert found[0].learned[0] == found[1].learned[0]
    assert found[0].learned[1] != found[1].learned[1]


def test_windows_follow_each_other_and_periods_do_not_overlap() -> None:
    for days in (1259, 1260, 5000, 8312):
        for count in (1, 3, 7):
            earlier, final = (experiment.windows_of(days, period, count) for period in ("earlier", "final"))
            whole = [*earlier, *final]
            assert all(one.last == two.first for one, two in itertools.pairwise(whole))
            assert (len(whole), whole[-1].last) == (2 * count, days)


def test_the_positive_control_wins(prices: Path, tmp_path: Path) -> None:
    """Told the next returns, a short training beats equal weight by far."""
    learns = AgentSettings(
        iterations=15, environments=8, horizon=24, learning_rate=1e-2, discount=0.5, hidden=(8,)
    )
    weekly = TradingConfig(hold=5, episode=12, strength=4.0)
    config = Config(data=prices, control="positive", seeds=1, windows=1, agent=learns, trading=weekly)
    found = command.apply(config, tmp_path)
    assert "won, as it must" in found.headline
    assert found.data["costs"][2]["excess"]["low"] > 0
    assert not found.data["skill"]


def test_dealt_returns_leave_equal_weight_as_it_was(prices: Path) -> None:
    read = command.prices_of(Config(data=prices))
    one, two = (experiment.relatives_for(read, "null", seed) for seed in (0, 1))
    assert (one != two).any()
    for dealt in (one, two):
        np.testing.assert_allclose(dealt.mean(1), read.relatives.mean(1), rtol=1e-12)
        np.testing.assert_array_equal(np.sort(dealt, 1), np.sort(read.relatives, 1))


def test_the_null_control_says_that_it_must_not_win(prices: Path, tmp_path: Path) -> None:
    found = command.apply(Config(data=prices, control="null", seeds=2, windows=1, agent=SMALL), tmp_path)
    assert "dealt at random" in found.headline
    assert found.data["portfolio"]["period"] == "earlier"


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["apply", "portfolio", *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert error[-1].startswith("practicum: error: ")
    return error[-1]


def test_what_is_refused(prices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = write_prices(tmp_path / "short.csv", days=400)
    run = ("--run", str(tmp_path / "run"))
    assert "400 rows of prices" in refused(capsys, "--data", str(short), *run)
    lines = prices.read_text(encoding="utf-8").splitlines()
    gap = tmp_path / "gap.csv"
    gap.write_text("\n".join([*lines[:9], lines[9].rpartition(",")[0] + ",", *lines[10:]]), encoding="utf-8")
    assert f"{gap}:10, column D: no price" in refused(
        capsys, "--data", str(gap), "--run", str(tmp_path / "r2")
    )
    final = ("--control", "null", "--period", "final")
    assert "stays within the earlier days" in refused(capsys, *final, "--run", str(tmp_path / "r3"))
    assert "which is not given" in refused(capsys, "--assets", "AAPL", "MSFT", "--run", str(tmp_path / "r4"))


def test_a_result_is_skill_only_with_everything(prices: Path) -> None:
    def finding(low: float, deflated: float) -> experiment.Finding:
        estimate = Estimate(0.05, low, 0.2, 100)
        return experiment.Finding(10, estimate, [0.05], 1.0, deflated, [], [])

    config = Config(data=prices)
    good = finding(0.01, 0.97)
    assert command.is_skill(config, good, [])
    assert not command.is_skill(config, good, ["another"])
    assert not command.is_skill(config, finding(-0.01, 0.97), [])
    assert not command.is_skill(config, finding(0.01, 0.9), [])
    assert not command.is_skill(replace(config, period="earlier"), good, [])
    assert not command.is_skill(replace(config, control="positive"), good, [])


def test_one_policy_choice_has_one_digest() -> None:
    plain = Config()
    assert command.settings_digest(plain) == command.settings_digest(replace(plain, seeds=3, seed=9))
    assert command.settings_digest(plain) != command.settings_digest(replace(plain, windows=2))


def test_weights_of_a_walk_are_those_of_the_backtest() -> None:
    relatives: Floats = np.exp(np.random.default_rng(0).normal(0, 0.02, (10, 2)))
    targets = np.full((10, 2), np.nan)
    targets[[0, 5]] = [[0.7, 0.3], [0.2, 0.8]]
    walk = experiment.Walk(targets, relatives, np.zeros((2, 5)), [0, 5], [0.0])
    assert walk.rival(0).turnover_T[[0, 5]] == pytest.approx([1, walk.rival(0).turnover_T[5]])
    assert walk.tested(0, 1.0).weights_TN[5] == pytest.approx([0.2, 0.8])


def test_the_recipe_and_the_study_have_the_settings_of_the_command() -> None:
    recipe = load(Config, ROOT / "recipes" / "portfolio" / "portfolio.toml", [])
    assert recipe == Config(trials=recipe.trials, trial_spread=recipe.trial_spread)
    chosen = portfolio.settings_of(portfolio.CHOSEN, recipe.trial_spread)
    assert chosen == recipe
    assert recipe.trials == len(portfolio.CANDIDATES)


def test_the_study_opens_the_final_days_once(tmp_path: Path) -> None:
    chosen = portfolio.settings_of(portfolio.CHOSEN, 0.3)
    portfolio.open_once(tmp_path, chosen)
    portfolio.open_once(tmp_path, replace(chosen, seeds=9))
    with pytest.raises(InputError, match="opened with other settings"):
        portfolio.open_once(tmp_path, portfolio.settings_of("monthly", 0.3))


def test_the_study_claims_what_the_command_found(finished: Path) -> None:
    found = results(finished)
    told = {"final": found, "positive": found, "null": found, "trials": 3}
    claims = {one["id"]: one for one in portfolio.claims({"portfolio": told})}
    main_cost = next(one for one in found["costs"] if one["cost_basis_points"] == 10)
    assert claims["portfolio-return-improvement"]["value"] == 100 * main_cost["excess"]["value"]
    assert claims["portfolio-return-improvement"]["target"] == "at least 12"
    equal = found["rules"]["equal weight"]["annual_return"]
    ours = equal + sum(main_cost["excess_per_seed"]) / 2
    beyond = claims["portfolio-beyond-buy-and-hold"]["value"]
    assert claims["portfolio-beyond-buy-and-hold"]["interval_kind"] == portfolio.BLOCKS
    assert beyond == pytest.approx(100 * (ours - found["rules"]["buy and hold"]["annual_return"]))
    assert all(one["target"] and one["unit"] for one in claims.values())
    assert not any("hindsight" in name for name in claims)


def test_days_without_dates_are_numbered_in_words(prices: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    lines = prices.read_text(encoding="utf-8").splitlines()
    bare.write_text("\n".join(line.partition(",")[2] for line in lines), encoding="utf-8")
    config = Config(data=bare, date_column="none", control="null", seeds=1, windows=1, agent=SMALL)
    found = command.apply(config, tmp_path / "run")
    assert found.headline.startswith("From day 561 to day 980 the trained policy")
    assert "(one seed)" in found.headline
