from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from practicum.audit import command
from practicum.config import load
from practicum.errors import InputError
from practicum.preferences import formats
from practicum.training.reward_model import RewardModelConfig
from practicum.types import Prompt, Ranking, Response
from studies.planted import preferences
from tests.guard.test_guard import row


def jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


def test_bias_prints_the_forecast(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--rater_share", "0.72", "--reference_share", "0.5", "--beta", "0.5"]
    result = command.bias(load(command.BiasConfig, None, flags))
    out = capsys.readouterr().out
    assert "forecast: 86.9% at beta 0.5 (raters 72.0%, reference 50.0%)" in out
    assert result["forecast"] == pytest.approx(0.8686, abs=1e-4)
    assert "kl weight at 1 brings it to 72.0%" in out
    scaled = command.bias(load(command.BiasConfig, None, [*flags, "--reward_deviation", "0.4"]))
    assert scaled["forecast"] == pytest.approx(0.9912, abs=1e-4)
    assert "turns beta 0.5 into 0.2" in scaled["warning"]


def test_bias_measures_files_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rankings = [
        Ranking(
            Prompt(f"p{index}"),
            (Response("a pun"), Response("a tale")),
            (1, 2) if index % 4 else (2, 1),
            "ab"[index % 2],
        )
        for index in range(80)
    ]
    formats.write(tmp_path / "preferences.jsonl", rankings)
    half = jsonl(
        tmp_path / "half.jsonl",
        [{"prompt": f"p{n}", "completion": "pun" if n % 2 else "no"} for n in range(60)],
    )
    puns = jsonl(tmp_path / "puns.jsonl", [{"prompt": f"p{n}", "completion": "pun"} for n in range(60)])
    files = {"preferences": tmp_path / "preferences.jsonl", "reference": half, "policy": puns}
    flags = ["--attribute", "words:pun", "--report", str(tmp_path / "audit")]
    flags += [word for name, path in files.items() for word in (f"--{name}", str(path))]
    result = command.bias(load(command.BiasConfig, None, flags))
    assert result["measured_raters"]["value"] == 0.75
    assert result["forecast"] == pytest.approx(0.9, abs=1e-9)
    assert result["amplification"] > 10
    assert {one["rater"] for one in result["carriers"]} == {"a", "b"}
    assert "measured: policy 100.0%" in capsys.readouterr().out
    assert json.loads((tmp_path / "audit" / "audit.json").read_text())["bias"]["verdict"] == "bad"
    assert (tmp_path / "audit" / "audit.html").exists()


def test_bias_forecasts_from_what_a_reward_model_prefers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rankings = [
        Ranking(Prompt(f"p{index}"), (Response("a pun"), Response("a tale")), (1, 2) if index % 4 else (2, 1))
        for index in range(80)
    ]
    formats.write(tmp_path / "preferences.jsonl", rankings)
    # A reward that has halved, in logits, what raters prefer.
    half = np.log(3) / 2
    monkeypatch.setattr(
        command,
        "reward_of",
        lambda *given: lambda prompts, texts: np.array(["pun" in t for t in texts]) * half,
    )
    files = ["--preferences", str(tmp_path / "preferences.jsonl"), "--reward_model", str(tmp_path)]
    flags = ["--attribute", "words:pun", "--beta", "0.5"]
    result = command.bias(load(command.BiasConfig, None, [*flags, *files]))
    assert result["forecast"] == pytest.approx(0.9)
    assert result["forecast_of_reward"] == pytest.approx(0.75)
    assert "forecast of the reward model: 75.0% (it prefers 63.4%" in capsys.readouterr().out
    with pytest.raises(InputError, match="give --preferences"):
        command.bias(load(command.BiasConfig, None, ["--rater_share", "0.7", *files[2:]]))


def test_bias_writes_rater_weights_that_a_reward_model_reads(tmp_path: Path) -> None:
    """Ann and Bob put puns first 9 times of 10, Cid 2 times of 10: 66.7% together."""
    rankings = [
        Ranking(
            Prompt(f"p{index}"),
            (Response("a pun"), Response("a tale")),
            (1, 2) if index % 10 < likes else (2, 1),
            rater,
        )
        for rater, likes in (("ann", 9), ("bob", 9), ("cid", 2))
        for index in range(20)
    ]
    formats.write(tmp_path / "preferences.jsonl", rankings)
    weights = tmp_path / "weights.toml"
    flags = [
        "--attribute",
        "words:pun",
        "--beta",
        "0.5",
        "--preferences",
        str(tmp_path / "preferences.jsonl"),
    ]
    result = command.bias(load(command.BiasConfig, None, [*flags, "--weights", str(weights)]))
    assert result["forecast"] == pytest.approx(0.8)
    config = load(RewardModelConfig, weights, ["--model", "x", "--preferences", "y"])
    assert config.weights == result["weights"]
    assert config.weights.keys() == {"ann", "bob"}
    # Weighted, choices are those whose forecast at beta 0.5 is people's own two thirds: odds of sqrt(2).
    weight = config.weights["ann"]
    learned = (weight * 36 + 4) / (weight * 40 + 20)
    assert learned / (1 - learned) == pytest.approx(2**0.5)
    weights.unlink()
    reported = load(command.BiasConfig, None, [*flags, "--weights", str(weights), "--report", str(tmp_path)])
    with pytest.raises(InputError, match="--report needs"):
        command.bias(reported)
    assert not weights.exists(), "nothing is half-written"
    with pytest.raises(InputError, match="give --preferences, whose raters"):
        command.bias(load(command.BiasConfig, None, ["--rater_share", "0.7", "--weights", str(weights)]))


def test_bias_needs_something_to_go_by() -> None:
    with pytest.raises(InputError, match="give --rater_share, or --preferences"):
        command.bias(command.BiasConfig())


def test_exploits_on_preferences_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "preferences.jsonl"
    formats.write(path, preferences("flattery", count=120))
    negatives = tmp_path / "negatives.jsonl"
    config = command.ExploitsConfig(
        path, negatives=negatives, prompts=30, queries=1200, report=tmp_path / "audit"
    )
    result = command.exploits(config)
    assert result["kinds"]
    assert result["queries"] <= 1200
    told = capsys.readouterr().out
    assert all(f"{kind.replace('_', ' ')}: the reward pays" in told for kind in result["kinds"])
    assert len(formats.read(negatives)) == result["negatives"]
    assert (tmp_path / "audit" / "audit.html").exists()
    formats.write(path, preferences(count=5))
    with pytest.raises(InputError, match="12 are needed: rank more prompts"):
        command.exploits(config)


def test_overoptimization_on_metrics(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = []
    for step in range(80):
        d = 0.08 * step
        gold = d * (1.0 - 0.6 * np.log(d)) if d else 0.0
        rows.append(
            {"step": step, "kl": d * d / 20, "completion_tokens": 20.0, "reward/gold": 3 + gold, "reward": d}
        )
    rows.append({"step": 81, "kl": None, "completion_tokens": 20.0, "reward/gold": 1.0})
    path = jsonl(tmp_path / "metrics.jsonl", rows)
    result = command.overoptimization(
        command.OveroptimizationConfig((path,), kl="kl", per_token=True, report=tmp_path / "audit")
    )
    assert result["peak_distance"] == pytest.approx(np.exp(1 / 0.6 - 1), rel=1e-3)
    assert result["predicted_peak_distance"][0] == pytest.approx(np.exp(1 / 0.6 - 1), rel=0.01)
    assert (tmp_path / "audit" / "audit.html").exists()
    with pytest.raises(InputError, match="0 rows have both 'kl_completion' and 'nothing', 4 are needed"):
        command.overoptimization(command.OveroptimizationConfig((path,), gold="nothing"))


def test_distortion_with_a_model_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "preferences.jsonl"
    formats.write(path, preferences(count=100))
    result = command.distortion(command.DistortionConfig(path, report=tmp_path / "audit"))
    (link,) = result["links"]
    assert link["name"] == "model_raters"
    assert link["accuracy"]["low"] > 0.5
    assert "note: two raters: not measured" in capsys.readouterr().out


def test_budget_compares_strategies(tmp_path: Path) -> None:
    config = command.BudgetAuditConfig(rankings=60, batch=30, prompts=40, report=tmp_path)
    result = command.budget(config)
    assert [curve["strategy"] for curve in result["curves"]] == ["random", "disagreement", "information"]
    assert (tmp_path / "audit.html").exists()
    with pytest.raises(InputError, match="seeds is 0; it must be at least 1"):
        command.budget(command.BudgetAuditConfig(seeds=0))


def test_the_guard_stops_with_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = jsonl(tmp_path / "bad.jsonl", [row(step) for step in range(1, 121)])
    good = jsonl(tmp_path / "good.jsonl", [row(step, turn=10_000) for step in range(1, 121)])
    assert command.guard(command.GuardAuditConfig(good))["exit_code"] == 0
    result = command.guard(
        load(command.GuardAuditConfig, None, ["--metrics", str(bad), "--guard.action", "stop"])
    )
    assert (result["exit_code"], result["action"]) == (3, "stop")
    assert f"Step {result['step']}: " in capsys.readouterr().out


@pytest.mark.parametrize(("key", "flagged"), [("true", False), ("poisoned", True), ("lenient", True)])
def test_verifiers(key: str, flagged: bool) -> None:
    config = load(command.VerifierConfig, None, ["--key", key, "--prompts", "30"])
    assert bool(command.verifier(config)["flagged"]) == flagged


def test_rank_table_from_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = (Response("a pun", "0"), Response("pelican pelican the the", "1"), Response("a tale", "2"))
    formats.write(tmp_path / "preferences.jsonl", [Ranking(Prompt("joke"), shown, (1, 3, 2), "ann", "p")])
    scores = jsonl(
        tmp_path / "scores.jsonl",
        [
            {"prompt": "p", "response": str(index), "score": value}
            for index, value in enumerate((0.1, 4.0, 0.0))
        ],
    )
    config = command.RankTableConfig(tmp_path / "preferences.jsonl", scores)
    result = command.rank_table(config)
    assert result["flagged"] == 1
    assert result["rows"][0]["text"] == "pelican pelican the the"
    assert "What people and the model prefer" in capsys.readouterr().out
    with pytest.raises(InputError, match="give either --scores or --reward_model"):
        command.rank_table(command.RankTableConfig(tmp_path / "preferences.jsonl"))
    jsonl(scores, [{"prompt": "p", "response": "0", "score": "high"}])
    with pytest.raises(InputError, match=r"scores\.jsonl:1: score: expected a finite number, got 'high'"):
        command.rank_table(config)
