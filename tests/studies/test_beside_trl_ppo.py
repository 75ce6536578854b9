"""PPO beside TRL's: our side, the order that TRL's process gets, what is made of its answer, the claims.

A program in the place of that process hands the policy back as it was. TRL's own trainer runs in the study.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from practicum.errors import InputError
from practicum.preferences.rankings import read_rankings
from practicum.reward.model import load_reward_model
from studies import beside_trl_ppo
from studies.beside_trl_ppo import CHILD, StudyConfig, answer_of_trl, claims, order_of, ours, study

RETURNS_THE_POLICY = """
import json, shutil, sys
from pathlib import Path
order = json.load(sys.stdin)
told = {"versions": {"trl": "1.12.0"}}
if order:
    Path(order["output"] + ".order").write_text(json.dumps([sys.argv[1:], order]))
    shutil.copytree(order["policy"], order["output"])
    told |= {"seconds": 2.0, "metrics": [{"objective/scores": 0.5}]}
print(json.dumps(told))
"""


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """A source -> a file that runs it, whatever its arguments are."""

    def written(source: str) -> Path:
        path = tmp_path / "python"
        path.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
        path.chmod(0o755)
        return path

    return written


def small(run: Path, python: Path) -> StudyConfig:
    """The study of a tiny model, for one seed."""
    return StudyConfig(
        run, python, seeds=(3,), model_steps=2, rankings=12, contrast_steps=1, steps=2, batch=6,
        minibatches=3, warmup=1, learning_rate=1e-2, kl_weight=0.25,
        examined=10,
    )  # fmt: skip


@pytest.fixture
def _short(
    monkeypatch: pytest.MonkeyPatch, small_stages: Callable[[], AbstractContextManager[None]]
) -> Iterator[None]:
    """Tiny models and short jokes."""
    sampling = replace(beside_trl_ppo.SAMPLING, max_new_tokens=8)
    monkeypatch.setattr(beside_trl_ppo, "SAMPLING", sampling)
    with small_stages():
        yield


@pytest.mark.usefixtures("_short")
def test_a_study_from_the_first_model_to_the_claims(tmp_path: Path, program: Callable[[str], Path]) -> None:
    run, python = tmp_path / "run", program(RETURNS_THE_POLICY)
    config = small(run, python)
    results = study(config)
    before, found = results["before"], results["seeds"]["3"]

    assert results["versions"] == {"trl": "1.12.0"}
    assert found["trl"] == {**{name: before[name] for name in beside_trl_ppo.FIGURES}, "seconds": 2.0}
    assert before["kl"] == pytest.approx(0, abs=1e-2)
    assert found["ours"]["seconds"] > 0
    assert found["ours"]["proxy"] != before["proxy"]
    metrics = [json.loads(row) for row in (run / "seed-3" / "ours" / "metrics.jsonl").open()]
    assert [row["step"] for row in metrics] == [1, 2]
    assert (run / "seed-3" / "trl.jsonl").read_text() == '{"objective/scores": 0.5}\n'

    arguments, order = json.loads((run / "seed-3" / "trl.order").read_text())
    assert arguments == ["-I", str(CHILD)]
    assert order == order_of(config, run / "seed-3" / "trl", 3)
    check_order(config, order)
    check_judge(run)

    rows = {row["id"]: row for row in claims(results)}
    assert set(rows) == {f"beside-trl-ppo-{name}" for name in ("reward", "utility", "time")}
    assert rows["beside-trl-ppo-reward"]["value"] == pytest.approx(found["ours"]["proxy"] - before["proxy"])
    assert rows["beside-trl-ppo-time"]["value"] == pytest.approx(50 * found["ours"]["seconds"])

    # What is finished is not done again.
    program("raise SystemExit(1)")
    assert beside_trl_ppo.compared(config, 3) == found


def check_judge(run: Path) -> None:
    """The judge's rewards are the reward model's, divided, and its folder asks no reader to divide again."""
    whole, judge = (load_reward_model(run / name, torch.float32) for name in ("reward", "judge"))
    said = read_rankings((str(run / "rankings.jsonl"),))
    assert len(said) == 12
    asked = [ranking.prompt for ranking in said for _ in ranking.responses]
    answers = [response.text for ranking in said for response in ranking.responses]
    scale = whole.calibration.deviation
    assert scale != 1
    assert judge.calibration.deviation == 1
    torch.testing.assert_close(judge.rewards(asked, answers) * scale, whole.rewards(asked, answers))


def check_order(config: StudyConfig, order: dict[str, Any]) -> None:
    """The order is our settings, and the child reads all of it."""
    own = ours(config, 3)
    source = CHILD.read_text(encoding="utf-8")
    assert set(re.findall(r'order\["(\w+)"\]', source)) == set(order)

    completions = own.loop.steps * own.prompts_per_step * own.group_size
    assert order["steps"] * order["batch"] == len(order["prompts"]) == completions
    same: dict[str, Any] = {
        "seed": own.seed,
        "new_tokens": own.sampling.max_new_tokens,
        "epochs": own.update.epochs,
        "minibatches": own.update.minibatches,
        "kl_weight": own.kl.beta,
        "clip": own.update.clip_low,
        "value_clip": own.ppo.value_clip,
        "value_weight": own.ppo.value_weight,
        "discount": own.ppo.discount,
        "gae_lambda": own.ppo.gae_lambda,
        "unfinished": -own.reward.unfinished,
        "learning_rate": own.optimizer.learning_rate,
        "final_share": own.optimizer.final_share,
        "beta1": own.optimizer.beta1,
        "beta2": own.optimizer.beta2,
        "threads": own.loop.threads,
    }
    assert {name: order[name] for name in same} == same
    assert own.update.clip_low == own.update.clip_high
    assert own.optimizer.algorithm == "adamw"
    assert (own.sampling.temperature, own.kl.estimator, own.kl.placement) == (1, "k1", "reward")
    assert own.optimizer.warmup_steps == order["warmup"] * order["epochs"] * order["minibatches"]
    assert own.optimizer.weight_decay == 0


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise SystemExit(3)", "ended with 3; make its environment with: .*trl==1.12.0"),
        ("import os; os._exit(0)", "is no Python that answers .*trl==1.12.0"),
        ("print('hello')", "is no Python that answers .*trl==1.12.0"),
    ],
)
def test_a_process_that_does_not_train_is_one_line(
    program: Callable[[str], Path], source: str, told: str
) -> None:
    with pytest.raises(InputError, match=told) as raised:
        answer_of_trl(program(source), {"prompts": [[1]] * 10_000})
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_run_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no program", encoding="utf-8")
    with pytest.raises(InputError, match=r"is no Python that answers .*trl==1\.12\.0") as raised:
        answer_of_trl(path, {})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "trl_python is required"),
        (["--trl_python", "nowhere"], "nowhere is no Python that answers ([Errno 2]"),
        (["--trl_python", sys.executable, "--batch", "10", "--minibatches", "4"], "batch is 10; the PPOTr"),
        (["--trl_python", sys.executable, "--minibatches", "0"], "minibatches"),
        (["--trl_python", sys.executable, "--learning_rate", "0"], "learning_rate"),
    ],
)
def test_what_trl_cannot_do_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert beside_trl_ppo.main(["--run", str(tmp_path / "run"), *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert told in said
    assert not (tmp_path / "run").exists()


def test_claims_compare_seed_by_seed() -> None:
    """Reward in deviations, utility in logits, time as a share."""
    theirs = {"proxy": 0.9, "gold": 0.5, "kl": 4.0, "seconds": 40.0}
    found = {
        str(seed): {
            "ours": {"proxy": 1.0 + seed / 10, "gold": 0.4, "kl": 5.0 + seed, "seconds": 10.0},
            "trl": theirs,
        }
        for seed in range(3)
    }
    before = {"proxy": 0.1, "gold": -0.5, "kl": 0.0, "accuracy": 0.8}
    reward, utility, time = claims({"before": before, "seeds": found})
    assert reward["value"] == pytest.approx(0.2)
    assert reward["per_seed"] == pytest.approx({"0": 0.1, "1": 0.2, "2": 0.3})
    assert "before 0.10, ours 1.10, TRL's 0.90" in reward["claim"]
    assert "ours 6.0 nats a joke, TRL's 4.0" in reward["note"]
    assert utility["value"] == pytest.approx(-0.1)
    assert "before -0.50, ours 0.40, TRL's 0.50" in utility["claim"]
    assert time["value"] == pytest.approx(25.0)
