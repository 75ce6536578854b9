"""`practicum apply ads`, whole and small: what it prints, that it resumes, its controls, its plan."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from practicum import cli
from practicum.applications.ads import command
from practicum.applications.ads.click_model import fit
from practicum.applications.ads.columns import DataConfig
from practicum.applications.ads.command import Config, apply
from practicum.applications.ads.controls import planted, shuffled
from practicum.applications.ads.generator import GeneratorConfig, generate
from practicum.applications.ads.policies import (
    Policy,
    click_model,
    linucb,
    logging,
    popularity,
    practice_contexts,
    random_policy,
    thompson,
)
from practicum.applications.agent import AgentSettings
from practicum.config import load
from practicum.errors import InputError

SMALL = GeneratorConfig(rows=1000, items=4, categories=2, rate=0.1)
AGENT = AgentSettings(iterations=2, horizon=16, learning_rate=1e-2, hidden=(16,))
CONFIG = Config(seeds=2, made_up=SMALL, agent=AGENT, rival=None, sessions=False)
FLAGS = [
    *("--made_up.rows=1000", "--made_up.items=4", "--made_up.categories=2", "--made_up.rate=0.1"),
    *("--rival", "none", "--agent.iterations=2", "--agent.horizon=16"),
    *("--session_agent.iterations=2", "--session_agent.horizon=16"),
]


def test_the_command_prints_a_table_a_sentence_and_writes_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert cli.main(["apply", "ads", "--seeds", "2", "--run", str(run), *FLAGS]) == 0
    output = capsys.readouterr().out
    assert "PPO has a click rate" in output
    assert "Thompson sampling" in output
    found = json.loads((run / "results.json").read_text())
    assert set(found["seeds"]) == {"0", "1"}
    assert found["estimator"] == "switch"
    page = (run / "report.html").read_text()
    for words in ("Fixed in the code before a run", "A simulated A/B test", "A session: clicks now"):
        assert words in page


def test_a_seed_that_was_finished_is_not_computed_again(tmp_path: Path) -> None:
    first = apply(CONFIG, tmp_path)
    (tmp_path / "seed-1" / command.DONE).unlink()
    again = apply(CONFIG, tmp_path)
    assert again.data == first.data


def test_the_policies_are_distributions_and_learn_what_there_is() -> None:
    log, truth = generate(GeneratorConfig(rows=6000, items=4, categories=2, rate=0.1), 5)
    learning, held = log.halves(0)
    fitted = fit(learning)
    chance_NA = truth.probabilities(held.contexts)
    values = {}
    policies: dict[str, Policy] = {
        "random": random_policy(learning),
        "logging": logging(learning),
        "popularity": popularity(learning),
        "linucb": linucb(learning),
        "thompson": thompson(fitted, 0),
        "click model": click_model(fitted),
    }
    for name, policy in policies.items():
        share_NA = policy.probabilities(held.contexts)
        assert share_NA.shape == (len(held), 4)
        assert share_NA.sum(1) == pytest.approx(1)
        assert share_NA.min() >= 0
        values[name] = float((share_NA * chance_NA).sum(1).mean())
    assert values["random"] < values["popularity"]
    assert values["random"] < values["thompson"] < values["click model"]
    assert values["random"] < values["linucb"]


def test_the_positive_control_is_found_and_the_null_control_holds_nothing() -> None:
    """By the click model that PPO practises on; the study has PPO itself."""
    log, truth = generate(SMALL, 5)
    with_plant, plant = planted(log, truth, 0)
    assert with_plant.clicks > log.clicks
    fitted = fit(with_plant.halves(0)[0])
    members = log.contexts.take(np.flatnonzero(plant.members(log.contexts)))
    assert click_model(fitted).probabilities(members)[:, plant.item].mean() > 0.9
    assert plant.probabilities(members)[:, plant.item] == pytest.approx(0.5)
    blank, flat = shuffled(log, 0)
    assert blank.clicks == log.clicks
    assert flat.probabilities(members) == pytest.approx(log.clicks / len(log))
    chosen = click_model(fit(blank.halves(0)[0])).probabilities(log.contexts)
    assert (chosen * flat.probabilities(log.contexts)).sum(1).mean() == pytest.approx(flat.rate)


def test_rare_visitors_with_an_affinity_are_half_of_practice() -> None:
    log, _ = generate(SMALL, 5)
    contexts = practice_contexts(log.contexts)
    some = (contexts.affinity_NA.max(1) > 0).mean()
    assert 0.4 < some <= 0.5


def test_a_plan_needs_no_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--plan", "--experiment.rate", "0.005", "--run", str(tmp_path / "plan"), "--json"]
    assert cli.main(["apply", "ads", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["lift"] for row in found["plan"]] == [0.05, 0.1, 0.23, 0.5]
    assert found["rate"] == 0.005
    assert not list((tmp_path / "plan").glob("seed-*"))


def test_a_bad_log_is_one_line_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    rows = [f"{row % 3},{int(row % 9 == 0)},{0 if row == 57 else 0.3}" for row in range(200)]
    log.write_text("\n".join(["item_id,click,propensity", *rows]) + "\n")
    assert cli.main(["apply", "ads", "--data", str(log), "--run", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "log.csv:59: column propensity: expected a number above 0 and at most 1, got '0'" in said
    assert not (tmp_path / "run").exists()


def test_settings_without_an_effect_are_refused() -> None:
    for words, why in (
        (["--data", "a.csv", "--made_up.rows", "500"], "the log is that of --data"),
        (["--data.action", "ad"], "there is no log"),
        (["--no-sessions", "--session.tire", "1"], "there are no sessions"),
        (["--plan", "--control", "null"], "only counts visitors"),
        (["--experiment.power", "0.9"], "it is for --plan"),
    ):
        with pytest.raises(InputError, match=why):
            load(Config, None, words)
    assert load(Config, None, ["--data", "a.csv", "b.csv"]).data == DataConfig(
        file=(Path("a.csv"), Path("b.csv"))
    )


def test_a_half_without_clicks_is_named(tmp_path: Path) -> None:
    config = replace(CONFIG, made_up=GeneratorConfig(rows=400, items=4, rate=0.001), seeds=8)
    with pytest.raises(InputError, match="click"):
        apply(config, tmp_path)
