"""A run that learns nothing says so within its first steps, at its end and in its summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.model.sampling import SamplingConfig
from practicum.training import rl
from practicum.training.curriculum import CurriculumConfig
from practicum.training.dead import STEPS, signs_of_death
from practicum.training.doctor import check_signal
from practicum.training.loop import LoopConfig
from practicum.training.rl import RlConfig
from practicum.types import Prompt, Score

ALIVE = {"reward": 0.3, "reward_std": 0.4, "groups_tied": 0.5, "truncated": 0.2, "gradient_norm": 1.5}
DEAD = {
    "reward": {"reward": 0.0, "reward_std": 0.0},
    "groups": {"groups_tied": 1.0},
    "truncated": {"truncated": 1.0},
    "gradient": {"gradient_norm": 0.0},
}


@given(st.lists(st.sets(st.sampled_from(sorted(DEAD))), max_size=5))
def test_a_sign_is_what_stood_still_in_every_step(steps: list[set[str]]) -> None:
    rows = [
        {"step": number, **ALIVE, **{key: value for name in names for key, value in DEAD[name].items()}}
        for number, names in enumerate(steps, start=7)
    ]
    expected = set.intersection(*steps) if steps else set()
    # Where every completion is paid the same, every group is tied too: one sentence is enough.
    expected -= {"groups"} if "reward" in expected else set()
    found = signs_of_death(rows)
    assert set(found) == expected
    when = f"steps 7 to {6 + len(rows)}: " if len(rows) > 1 else "step 7: "
    assert all(sentence.startswith(when) for sentence in found.values())


def test_a_metric_that_is_missing_or_null_is_no_sign_and_a_reward_that_moves_is_alive() -> None:
    assert signs_of_death([{"step": 1}, {"step": 2, "reward": None, "reward_std": None}]) == {}
    rows = [{"step": number, "reward": float(number), "reward_std": 0.0} for number in (1, 2, 3)]
    assert signs_of_death(rows) == {}
    # PPO compares the answers to different prompts, so tied groups still teach it something.
    assert signs_of_death([{"step": 1, "groups_tied": 1.0, "explained_variance": 0.1}]) == {}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from([0.0, 1.0]))
def test_while_harder_levels_open_equal_pay_is_no_sign(levels: list[int], reward: float) -> None:
    rows = [
        {
            "step": number,
            "reward": reward,
            "reward_std": 0.0,
            "gradient_norm": 0.0,
            "curriculum/levels": count,
        }
        for number, count in enumerate(sorted(levels), start=1)
    ]
    opens = max(levels) > min(levels)
    assert set(signs_of_death(rows)) == (set() if opens else {"reward", "gradient"})
    cut = [{**row, "truncated": 1.0} for row in rows]
    assert "truncated" in signs_of_death(cut)
    assert check_signal(rows).severity == ("ok" if opens else "stop")
    # Weights that do not move although answers differ are a fault at any level.
    differ = [{**row, "reward_std": 0.5, "groups_tied": 0.5} for row in rows]
    assert set(signs_of_death(differ)) == {"gradient"}


@dataclass(frozen=True)
class Pays:
    """Prompts and a reward of prompt and text: nothing else."""

    pay: Callable[[Prompt, str], Any]
    name: str = "pays"

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        return [Prompt(f"solve {(seed + place) % 97}") for place in range(count)]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        return [Score(self.pay(prompt, text)) for prompt, text in zip(prompts, texts, strict=True)]


LIVING = LoopConfig(steps=5, checkpoint_every=1, keep_checkpoints=9, threads=1, allow_dead=True)


def practise(
    model: Path, run: Path, pay: Callable[[Prompt, str], Any], *, resume: bool = False, **changes: Any
) -> dict[str, Any]:
    config = RlConfig(
        model=model,
        prompts_per_step=4,
        group_size=4,
        sampling=SamplingConfig(max_new_tokens=6, dtype="float32"),
        loop=LIVING,
        dtype="float32",
    )
    config, task = replace(config, **changes), Pays(pay)
    return rl.train(config, run, resume=resume, parts=rl.build(config, task=task))  # type: ignore[arg-type]


def warned(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if "practicum: warning: " in line]


@pytest.mark.parametrize("reward", [0, 0.7, True, -37.123])
@pytest.mark.parametrize("algorithm", ["group", "ppo"])
def test_a_constant_reward_is_told_early_at_the_end_and_in_the_summary(
    reward: float, algorithm: str, untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = practise(untrained_model, tmp_path / "run", lambda prompt, text: reward, algorithm=algorithm)
    lines = warned(capsys)
    sentence = f"every completion was paid {float(reward):g}, so no answer counts as better"
    assert f"practicum: warning: steps 1 to 3: {sentence}" in lines
    assert f"practicum: warning: steps 3 to 5: {sentence}" in lines
    assert f"steps 3 to 5: {sentence}" in summary["warnings"]
    stored = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert stored["warnings"] == summary["warnings"]
    assert summary["groups_tied"] == 1.0
    if algorithm == "group":
        assert summary["gradient_norm"] == summary["update_tokens"] == 0
        assert any("the gradient was 0" in line for line in lines)
        row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
        assert {row[name] for name in ("entropy", "clip_fraction", "approximate_kl")} == {None}


def test_tied_groups_and_cut_completions_are_told(
    untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def by_prompt(prompt: Prompt, text: str) -> float:
        return 0.1 * len(prompt.text) + (0.2 if prompt.text.endswith("7") else 0.0) + len(prompt.text) ** -3

    one_token = SamplingConfig(max_new_tokens=1, dtype="float32")
    summary = practise(untrained_model, tmp_path / "run", by_prompt, sampling=one_token)
    lines = " ".join(warned(capsys))
    if summary["reward_std"] > 0:
        assert "all answers to a prompt had the same reward" in lines
    assert "every completion was cut at its length limit (sampling.max_new_tokens)" in lines
    assert "the gradient was 0" in lines


def test_a_run_that_learns_is_not_warned_about(
    untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sometimes = SamplingConfig(max_new_tokens=40, dtype="float32")
    summary = practise(
        untrained_model, tmp_path / "run", lambda prompt, text: len(text), sampling=sometimes, group_size=16
    )
    assert not any("paid" in line or "gradient" in line for line in warned(capsys))
    assert not any("paid" in line or "gradient" in line for line in summary["warnings"])


def test_a_resumed_run_ends_with_the_warnings_of_an_unbroken_one(
    untrained_model: Path, tmp_path: Path
) -> None:
    import shutil

    whole = practise(untrained_model, tmp_path / "run", lambda prompt, text: 1.0)
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "step-000005")
    (tmp_path / "run" / "summary.json").unlink()
    again = practise(untrained_model, tmp_path / "run", lambda prompt, text: 1.0, resume=True)
    assert again["warnings"] == whole["warnings"] != []
    assert len(whole["warnings"][0].split()) > STEPS


@pytest.mark.parametrize("algorithm", ["group", "ppo"])
def test_a_dead_run_is_stopped_unless_told(
    algorithm: str, untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def practised(loop: LoopConfig, resume: bool = False) -> dict[str, Any]:
        return practise(
            untrained_model, tmp_path / "run", lambda *_: 0.5, algorithm=algorithm, loop=loop, resume=resume
        )

    strict = replace(LIVING, allow_dead=False)
    with pytest.raises(InputError, match="it learns nothing: steps 1 to 3: every completion was paid"):
        practised(strict)
    assert not (tmp_path / "run" / "summary.json").exists()
    # Told so, the very run goes on; a run of as many steps as it takes to notice has an end of its own.
    assert practised(LIVING, resume=True)["step"] == 5
    assert practise(untrained_model, tmp_path / "short", lambda *_: 0.5, loop=replace(strict, steps=3))[
        "warnings"
    ]


def test_a_run_that_is_paid_once_in_its_first_steps_goes_on(untrained_model: Path, tmp_path: Path) -> None:
    paid: list[float] = []

    def rarely(prompt: Prompt, text: str) -> float:
        paid.append(float(len(paid) == 20))
        return paid[-1]

    loop = replace(LIVING, allow_dead=False)
    assert practise(untrained_model, tmp_path / "run", rarely, loop=loop)["step"] == 5
    assert sum(paid) == 1


@dataclass(frozen=True)
class Easy(Pays):
    """Levels, each of which the model knows."""

    levels: Sequence[str] = "abcdefgh"

    def prompts_at(self, level: str, split: str, count: int, seed: int) -> list[Prompt]:
        return [Prompt(f"{level} {prompt.text}") for prompt in self.prompts(split, count, seed)]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        return [Score(1.0, solved=True) for _ in texts]


def test_a_curriculum_that_begins_with_what_is_known_goes_on_to_what_is_not(
    untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = RlConfig(
        model=untrained_model,
        prompts_per_step=4,
        group_size=4,
        sampling=SamplingConfig(max_new_tokens=6, dtype="float32"),
        curriculum=CurriculumConfig(order="success"),
        loop=replace(LIVING, allow_dead=False),
        dtype="float32",
    )
    parts = rl.build(config, task=Easy(lambda *_: 1.0))  # type: ignore[arg-type]
    assert rl.train(config, tmp_path / "run", parts=parts)["curriculum"]["levels"] == 6
    assert not any("paid" in line or "gradient" in line for line in warned(capsys))
    # Where nothing harder is left either, there is nothing to learn.
    config = replace(config, loop=replace(config.loop, steps=8))
    parts = rl.build(config, task=Easy(lambda *_: 1.0, levels="abc"))  # type: ignore[arg-type]
    for resume in (False, True):
        with pytest.raises(InputError, match="it learns nothing: steps 3 to 5: every completion was paid 1"):
            rl.train(config, tmp_path / "known", resume=resume, parts=parts)
    config = replace(config, loop=replace(config.loop, allow_dead=True))
    assert rl.train(config, tmp_path / "known", resume=True, parts=parts)["step"] == 8


BAD = [float("nan"), float("inf"), None, "1", 1e30]


@pytest.mark.parametrize("reward", BAD, ids=repr)
@pytest.mark.parametrize("control", ["none", "random"])
def test_a_reward_that_is_no_number_names_the_reward_the_prompt_and_the_text(
    reward: Any, control: str, untrained_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        practise(untrained_model, tmp_path / "run", lambda prompt, text: reward, control=control)
    message = str(caught.value)
    assert message.startswith("reward pays")
    assert f"got {reward!r} for the text '" in message
    assert "to the prompt 'solve " in message
    assert "learning rate" not in message


def test_a_control_that_cannot_be_paid_leaves_no_folder(untrained_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="control format pays every readable answer, and task pays does not"):
        practise(untrained_model, tmp_path / "run", lambda prompt, text: 1.0, control="format")
    assert not (tmp_path / "run").exists()


def test_parts_that_only_some_scores_have_are_means_over_those(untrained_model: Path, tmp_path: Path) -> None:
    class Sometimes(Pays):
        def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
            return [Score(1.0, parts={"even": 2.0} if row % 2 else {"odd": 4.0}) for row in range(len(texts))]

    config = RlConfig(
        model=untrained_model,
        prompts_per_step=2,
        group_size=2,
        sampling=SamplingConfig(max_new_tokens=2),
        loop=LoopConfig(steps=1, threads=1),
    )
    task: Any = Sometimes(lambda prompt, text: 1.0)
    summary = rl.train(config, tmp_path / "run", parts=rl.build(config, task=task))
    assert (summary["reward/even"], summary["reward/odd"]) == (2.0, 4.0)
    assert not any(name.startswith("outcome/") for name in summary)
