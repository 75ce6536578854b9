"""Metrics have TRL's names in loggers where TRL has one; TRL's own sources say which it has."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.loggers.names import TRL_NAMES, in_sections, logged_names, trl_name

ROOT = Path(__file__).parents[2]
TRAINERS = ("grpo", "rloo", "sft", "dpo", "reward")
# What transformers' Trainer, on which TRL's are built, logs itself; the file and the words that do.
OF_TRANSFORMERS = {
    "loss": 'logs["loss"]',
    "grad_norm": 'logs["grad_norm"]',
    "learning_rate": 'logs["learning_rate"]',
    "epoch": 'logs["epoch"]',
    "eval_loss": 'f"{metric_key_prefix}_loss"',
}


def source(package: str, *parts: str) -> str:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.joinpath(*parts).read_text(encoding="utf-8")


def names_in_trl(trainer: str) -> set[str]:
    """The keys of `self._metrics[mode][...]` in a trainer, `*` for whatever an f-string puts in."""
    names = set()
    for node in ast.walk(ast.parse(source("trl", "trainer", f"{trainer}_trainer.py"))):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "self._metrics[mode]":
            key = node.slice
            if isinstance(key, ast.Constant):
                names.add(str(key.value))
            elif isinstance(key, ast.JoinedStr):
                parts = [str(part.value) if isinstance(part, ast.Constant) else "*" for part in key.values]
                names.add("".join(parts))
    return names


def test_every_name_that_is_called_trls_is_logged_by_trl_or_its_trainer() -> None:
    pytest.importorskip("trl", reason="TRL, whose names are compared, is not installed")
    known = set().union(*(names_in_trl(trainer) for trainer in TRAINERS))
    known |= {"eval_accuracy"} if "accuracy" in names_in_trl("reward") else set()
    trainer = source("transformers", "trainer.py")
    # TRL 1.16 logs the time of a step outside of `mode`.
    known |= (
        {"step_time"}
        if '_metrics["train"]["step_time"]' in source("trl", "trainer", "grpo_trainer.py")
        else set()
    )
    known |= {name for name, words in OF_TRANSFORMERS.items() if words in trainer}
    assert set(TRL_NAMES.values()) <= known, sorted(set(TRL_NAMES.values()) - known)


def test_the_documented_table_is_the_map() -> None:
    page = (ROOT / "docs" / "logging.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", page.partition("## Names")[2], re.MULTILINE)
    assert dict(rows) == dict(TRL_NAMES)
    explained = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name in TRL_NAMES:
        assert f"`{name}`" in explained, name


def test_sections_are_those_of_the_callbacks_of_transformers() -> None:
    integrations = pytest.importorskip("transformers.integrations.integration_utils")
    names = {**dict.fromkeys(TRL_NAMES.values(), 1.0), "behaviour/factoring": 0.5}
    assert in_sections(names) == integrations.rewrite_logs(names)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.text(max_size=20), st.floats() | st.integers(-9, 9) | st.none() | st.text(), max_size=6
    )
)
def test_only_finite_numbers_are_sent_and_none_is_lost(row: dict[str, object]) -> None:
    finite = [
        name for name, value in row.items()
        if name != "step" and isinstance(value, (int, float)) and abs(value) < float("inf")
    ]  # fmt: skip
    assert set(logged_names(row)) == {trl_name(name) for name in finite}


def test_parts_of_the_reward_are_trls_rewards_and_failures_are_not() -> None:
    assert trl_name("reward/my_function") == "rewards/my_function/mean"
    assert trl_name("reward/failed/my_function") == "reward/failed/my_function"
    assert trl_name("behaviour/pun") == "behaviour/pun"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=60) | st.text(alphabet="./a\\ ", max_size=9))
def test_what_mlflow_gets_is_a_name_that_it_takes(name: str) -> None:
    validation = pytest.importorskip("mlflow.utils.validation", reason="mlflow is not installed")
    from practicum.loggers.mlflow import allowed

    validation._validate_metric(allowed(f"reward/{name}"), 1.0, 0, 1)
    assert allowed("rewards/my_function/mean") == "rewards/my_function/mean"
