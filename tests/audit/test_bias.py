from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.special import expit

from practicum.audit import bias
from practicum.audit.forecast import forecast
from practicum.config import load
from practicum.errors import InputError
from practicum.preferences import formats
from practicum.stats import Estimate
from practicum.training.reward_model import RewardModelConfig
from practicum.types import Prompt, Ranking, Response
from tests.audit.rows import jsonl

SHARES = st.floats(0.02, 0.98)


def is_pun(prompt: Prompt, text: str) -> bool:
    return text.startswith("pun")


def rankings(pun_first: int, other_first: int, rater: str = "ann") -> list[Ranking]:
    made = []
    for index in range(pun_first + other_first):
        shown = (Response("pun a"), Response("story b"))
        ranks = (1, 2) if index < pun_first else (2, 1)
        made.append(Ranking(Prompt(f"{rater} {index}"), shown, ranks, rater))
    return made


def test_raters_choices_are_counted_where_there_is_a_choice() -> None:
    no_choice = Ranking(Prompt("x"), (Response("pun a"), Response("pun b")), (1, 2), "ann")
    tied = Ranking(Prompt("y"), (Response("pun a"), Response("story")), (1, 1), "ann")
    found = bias.rater_share([*rankings(7, 3), no_choice, tied], is_pun)
    assert found.value == pytest.approx((7 + 0.5) / 11)
    assert found.n == 11
    with pytest.raises(InputError, match="0 prompts have a response with and one without"):
        bias.rater_share([no_choice], is_pun)


def test_the_meter_tells_amplification_from_agreement() -> None:
    people = rankings(72, 28)
    half = [(Prompt(str(index)), "pun" if index % 2 else "story") for index in range(200)]
    obedient = [(Prompt(str(index)), "pun" if index % 100 < 72 else "story") for index in range(200)]
    extreme = [(Prompt(str(index)), "pun") for index in range(200)]
    calm = bias.meter("puns", is_pun, people, half, obedient)
    assert calm.amplification == pytest.approx(1, abs=0.01)
    assert calm.measured_beta == pytest.approx(1, abs=0.01)
    wild = bias.meter("puns", is_pun, people, half, extreme)
    assert wild.policy.value == 1
    assert wild.amplification > 50
    assert wild.measured_beta is not None
    assert wild.measured_beta < 0.2
    assert wild.policy.low > calm.policy.high
    against = [(Prompt(str(index)), "pun" if index % 100 < 20 else "story") for index in range(200)]
    assert bias.meter("puns", is_pun, people, half, against).measured_beta is None


def test_the_measured_beta_is_the_beta_of_the_forecast() -> None:
    exact = {name: Estimate(value, value, value, 10**9) for name, value in
             (("reference", 0.3), ("raters", 0.72), ("policy", forecast(0.72, 0.3, 0.4)))}  # fmt: skip
    found = bias.compare("puns", exact["reference"], exact["raters"], exact["policy"])
    assert found.measured_beta == pytest.approx(0.4)


def test_who_carries_a_preference() -> None:
    crowd = [*rankings(5, 5, "ann"), *rankings(5, 5, "bob"), *rankings(30, 0, "fan")]
    found = bias.carriers(crowd, is_pun)
    assert found[0].rater == "fan"
    assert found[0].pull > 0.2
    assert found[0].share > 0.9
    assert {one.rater for one in found} == {"ann", "bob", "fan"}
    with pytest.raises(InputError, match="1 raters had the choice, 2 are needed"):
        bias.carriers(rankings(5, 5), is_pun)


def test_what_a_reward_prefers_is_measured_within_prompts() -> None:
    """It pays 0.8 more for a pun, and much more for everything on one prompt, which is no preference."""
    texts = ("pun 1", "plain", "pun 2")
    asked = [Ranking(Prompt(f"p{number}"), tuple(map(Response, texts)), (1, 2, 3)) for number in range(20)]
    noise = np.random.default_rng(0).normal(0, 0.1, (20, 3))

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> np.ndarray:
        number = int(prompts[0].text[1:])
        return (
            np.array([0.8 * text.startswith("pun") for text in texts]) + noise[number] + 100 * (number == 3)
        )

    found = bias.paid_share(asked, is_pun, reward)
    assert found.value == pytest.approx(expit(0.8), abs=0.02)
    assert found.low < expit(0.8) < found.high
    assert found.n == 20
    with pytest.raises(InputError, match="0 prompts have a response with and one without"):
        bias.paid_share(asked, lambda prompt, text: True, reward)


def test_the_majoritys_weight_brings_the_share_down() -> None:
    """Ann and Bob choose puns 9 times of 10, Cid 2 times of 10: weighted, half of all choices."""
    made = [*rankings(9, 1, "ann"), *rankings(9, 1, "bob"), *rankings(2, 8, "cid")]
    weights = bias.camp_weights(made, is_pun, 0.5)
    assert weights.keys() == {"ann", "bob"}
    weight = weights["ann"]
    assert (weight * 18 + 2) / (weight * 20 + 10) == pytest.approx(0.5)


def test_raters_of_one_mind_cannot_be_weighed() -> None:
    with pytest.raises(InputError, match="of one mind"):
        bias.camp_weights([*rankings(9, 1, "ann"), *rankings(8, 2, "bob")], is_pun, 0.5)
    with pytest.raises(InputError, match=r"between 20\.0% and 90\.0%"):
        bias.camp_weights([*rankings(9, 1, "ann"), *rankings(2, 8, "cid")], is_pun, 0.95)


def test_bias_prints_the_forecast(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--rater_share", "0.72", "--reference_share", "0.5", "--beta", "0.5"]
    result = bias.audit(load(bias.Config, None, flags))
    out = capsys.readouterr().out
    assert "forecast: 86.9% at beta 0.5 (raters 72.0%, reference 50.0%)" in out
    assert result["forecast"] == pytest.approx(0.8686, abs=1e-4)
    assert "kl weight at 1 brings it to 72.0%" in out
    scaled = bias.audit(load(bias.Config, None, [*flags, "--reward_deviation", "0.4"]))
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
    result = bias.audit(load(bias.Config, None, flags))
    assert result["measured_raters"]["value"] == 0.75
    assert result["forecast"] == pytest.approx(0.9, abs=1e-9)
    assert result["amplification"] > 10
    assert {one["rater"] for one in result["carriers"]} == {"a", "b"}
    assert "measured: policy 100.0%" in capsys.readouterr().out
    assert json.loads((tmp_path / "audit" / "audit.json").read_text())["bias"]["verdict"] == "bad"
    assert (tmp_path / "audit" / "audit.html").exists()


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
    result = bias.audit(load(bias.Config, None, [*flags, "--weights", str(weights)]))
    assert result["forecast"] == pytest.approx(0.8)
    config = load(RewardModelConfig, weights, ["--model", "x", "--preferences", "y"])
    assert config.weights == result["weights"]
    assert config.weights.keys() == {"ann", "bob"}
    # Weighted, choices are those whose forecast at beta 0.5 is people's own two thirds: odds of sqrt(2).
    weight = config.weights["ann"]
    learned = (weight * 36 + 4) / (weight * 40 + 20)
    assert learned / (1 - learned) == pytest.approx(2**0.5)
    weights.unlink()
    reported = load(bias.Config, None, [*flags, "--weights", str(weights), "--report", str(tmp_path)])
    with pytest.raises(InputError, match="--report needs"):
        bias.audit(reported)
    assert not weights.exists(), "nothing is half-written"
    with pytest.raises(InputError, match="give --preferences, whose raters"):
        bias.audit(load(bias.Config, None, ["--rater_share", "0.7", "--weights", str(weights)]))


def test_bias_needs_something_to_go_by() -> None:
    with pytest.raises(InputError, match="give --rater_share, or --preferences"):
        bias.audit(bias.Config())


def test_bias_forecasts_from_what_a_reward_model_prefers() -> None:
    # A reward that has halved, in logits, what three of four raters prefer.
    paid = Estimate(float(expit(np.log(3) / 2)), 0.6, 0.66, 80)
    config = bias.Config(attribute="words:pun", beta=0.5)
    result = bias.Result(config, 0.75, 0.5, 0.5, (), {}, paid=paid)
    values = bias.as_json(result)
    assert values["forecast"] == pytest.approx(0.9)
    assert values["forecast_of_reward"] == pytest.approx(0.75)
    said = "forecast of the reward model: 75.0% (it prefers 63.4% [60.0%, 66.0%])"
    assert said in bias.lines(result)


def test_a_reward_model_is_asked_about_the_responses_of_preferences(tmp_path: Path) -> None:
    flags = ["--rater_share", "0.7", "--reward_model", str(tmp_path)]
    with pytest.raises(InputError, match="give --preferences, whose responses"):
        bias.audit(load(bias.Config, None, flags))
