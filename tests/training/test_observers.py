"""The loop carries out what observers ask for, once, and keeps what they have come to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.guard.controllers import (
    BudgetController,
    CompletionLimit,
    KLConfig,
    KLController,
    ShareController,
)
from practicum.guard.observer import GO_ON, Adjustments, Quiet, StepResult, Verdict, adjustments
from practicum.run.folder import Run
from practicum.training.loop import LoopConfig, Stage, _note_extension, run_steps
from practicum.training.optimizer import OptimizerConfig

# Observers see figures, wherever they come from.
pytestmark = pytest.mark.one_way


class Asking(Quiet):
    """Asks for given verdicts at given steps, and counts what it has seen in its state."""

    def __init__(self, name: str, verdicts: Mapping[int, Verdict] | None = None) -> None:
        self.name, self.verdicts = name, dict(verdicts or {})
        self.seen = 0
        self.metrics: list[set[str]] = []
        self.records: list[Mapping[str, Any]] = []

    def after(self, step: int, result: StepResult) -> Verdict:
        self.seen += 1
        self.metrics.append(set(result.metrics))
        verdict = self.verdicts.pop(step, GO_ON)
        return replace(verdict, metrics={f"{self.name}_seen": float(self.seen)})

    def state(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def restore(self, state: Mapping[str, Any], run: Run) -> Verdict:
        self.seen = state["seen"]
        return GO_ON

    def pinned(self, record: Mapping[str, Any]) -> None:
        self.records.append(record)


def stage_of(folder: Path, make_trainee: Any, *observers: Any, resume: bool = False) -> Stage:
    run = Run.open(folder, LoopConfig(), "test", resume=resume, keep=99)
    loop = LoopConfig(steps=8, checkpoint_every=2, threads=1)
    return Stage(run, loop, make_trainee(), ("reward",), observers, keep_start=True)


def step(index: int) -> StepResult:
    return StepResult({"tokens": 1.0, "reward": float(index)}, [{"step": index + 1}])


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_observers_see_what_those_before_them_have_added(make_trainee: Any, tmp_path: Path) -> None:
    first, second = Asking("first"), Asking("second")
    last = run_steps(stage_of(tmp_path / "run", make_trainee, first, second), step)
    assert last["step"] == last["first_seen"] == last["second_seen"] == 8
    assert all("first_seen" in names for names in second.metrics)
    assert not any("second_seen" in names for names in first.metrics)


def test_a_verdict_that_ends_the_run_is_carried_out_and_said_once(
    make_trainee: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = Asking("first", {3: Verdict(ends=True, said=("this is why",))})
    later = Asking("second", {3: Verdict(ends=True, back_to=2, said=("not this",))})
    last = run_steps(stage_of(tmp_path / "run", make_trainee, ends, later), step)
    assert last["step"] == 3
    assert capsys.readouterr().err.splitlines().count("this is why") == 1
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == [
        "step-000000", "step-000002", "step-000003",
    ]  # fmt: skip


def test_going_back_ends_with_the_figures_of_the_trusted_step(make_trainee: Any, tmp_path: Path) -> None:
    asking = Asking("guard", {5: Verdict(ends=True, back_to=2)})
    last = run_steps(stage_of(tmp_path / "run", make_trainee, asking), step)
    assert (last["step"], last["reward"], last["total_tokens"]) == (2, 1.0, 5)
    assert len(rows(tmp_path / "run")) == 5
    assert [path.name for path in (tmp_path / "run" / "untrusted").iterdir()] == ["step-000005"]


def test_a_pinned_run_goes_on_from_the_trusted_step_with_every_observer_told(
    make_trainee: Any, tmp_path: Path
) -> None:
    asking, other = Asking("guard", {5: Verdict(ends=True, back_to=4, pin={"why": "x"})}), Asking("other")
    last = run_steps(stage_of(tmp_path / "run", make_trainee, asking, other), step)
    assert last["step"] == 8
    assert [row["step"] for row in rows(tmp_path / "run")] == list(range(1, 9))
    # Their states went back with the weights: four steps before, four after.
    assert asking.seen == other.seen == 8
    assert asking.records == other.records == [{"why": "x"}]
    assert json.loads((tmp_path / "run" / "held.json").read_text()) == {"why": "x"}
    assert len((tmp_path / "run" / "untrusted" / "metrics.jsonl").read_text().splitlines()) == 5


class Late(Asking):
    """Has nothing to keep before the first step."""

    def state(self) -> dict[str, Any]:
        return super().state() if self.seen else {}

    def restore(self, state: Mapping[str, Any], run: Run) -> Verdict:
        self.seen = state.get("seen", 0)
        return GO_ON


def test_a_run_goes_back_to_its_start_beside_an_observer_that_kept_nothing_there(
    make_trainee: Any, tmp_path: Path
) -> None:
    asking, late = Asking("guard", {5: Verdict(ends=True, back_to=0, pin={})}), Late("late")
    assert run_steps(stage_of(tmp_path / "run", make_trainee, asking, late), step)["step"] == 8
    assert asking.seen == late.seen == 8


def test_a_run_of_an_earlier_version_without_an_observers_state_is_refused_in_one_line(
    make_trainee: Any, tmp_path: Path
) -> None:
    run_steps(stage_of(tmp_path / "run", make_trainee), step)
    stage = stage_of(tmp_path / "run", make_trainee, Asking("kl"), resume=True)
    with pytest.raises(InputError, match=r"trainer\.json: has no state of kl, as runs of earlier versions"):
        run_steps(stage, step)


def test_a_branch_that_has_no_step_to_make_is_refused(make_trainee: Any, tmp_path: Path) -> None:
    stage = stage_of(tmp_path / "run", make_trainee)
    record = tmp_path / "run" / "environment.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"branched_from": {"step": 8}}))
    with pytest.raises(InputError, match="the branch begins at step 8, and the run has 8 steps"):
        run_steps(stage, step)


@pytest.mark.parametrize("trusted", [0, 2, 4])
@pytest.mark.parametrize("algorithm", ["adamw", "muon"])
def test_going_back_takes_weights_and_moments_back_too(
    make_trainee: Any, tmp_path: Path, trusted: int, algorithm: Any
) -> None:
    """Also to the model that the run began with, whose optimizer has no moments yet."""

    def final(name: str, verdicts: dict[int, Verdict]) -> dict[str, torch.Tensor]:
        stage = stage_of(tmp_path / name, make_trainee, Asking("guard", verdicts))
        trainee = make_trainee(optimizer=OptimizerConfig(algorithm=algorithm))
        stage = replace(stage, trainee=trainee)

        def learn(index: int) -> StepResult:
            generator = torch.Generator().manual_seed(index)
            for part in trainee.optimizer.named.values():
                part.grad = torch.randn(part.shape, generator=generator)
            trainee.optimizer.step(index)
            return step(index)

        run_steps(stage, learn)
        tensors = {**trainee.tensors(), **dict(trainee.decoder.named_parameters())}
        return {key: value.detach().clone() for key, value in tensors.items()}

    straight = final("straight", {})
    back = final("back", {5: Verdict(ends=True, back_to=trusted, pin={})})
    assert straight.keys() == back.keys()
    assert all(torch.equal(straight[key], back[key]) for key in straight)


@given(
    weight=st.floats(1e-3, 10),
    budget=st.floats(-2, 2),
    share=st.floats(0.1, 0.9),
    steps=st.lists(st.floats(-5, 5), min_size=1, max_size=6),
)
def test_a_controller_continues_from_its_json_to_the_bit(
    weight: float, budget: float, share: float, steps: list[float]
) -> None:
    def controllers() -> list[Any]:
        return [
            KLController(KLConfig(weight, target=0.5), held_target=0.25),
            BudgetController({"part": budget}, 0.05, {"part": 2.0}),
            ShareController({"pun": share}, 0.1),
        ]

    whole, cut = controllers(), controllers()
    for number, value in enumerate(steps, start=1):
        metrics = {"kl_completion": value, "reward/part": value, "behaviour/pun": 0.5}
        again = controllers()
        for one, other, new in zip(whole, cut, again, strict=True):
            one.after(number, StepResult(metrics))
            other.after(number, StepResult(metrics))
            new.restore(json.loads(json.dumps(other.state())), Run(Path("unused")))
        cut = again
        assert adjustments(whole, number) == adjustments(cut, number)
    assert isinstance(adjustments(whole, 1), Adjustments)


@given(st.integers(1, 9), st.integers(1, 200), st.lists(st.integers(1, 5), min_size=200, max_size=200))
def test_a_limit_of_completions_is_reached_and_never_passed(
    round_size: int, most: int, wanted: list[int]
) -> None:
    limit = CompletionLimit(most, round_size)
    sampled = 0
    for number, rounds in enumerate(wanted, start=1):
        allowed = limit.before(number).rounds
        assert allowed is not None
        sampled += round_size * min(rounds, allowed)
        verdict = limit.after(number, StepResult({"completions": round_size * min(rounds, allowed)}))
        again = CompletionLimit(most, round_size)
        assert again.restore(limit.state(), Run(Path("unused"))).ends == verdict.ends
        assert again.before(number + 1) == limit.before(number + 1)
        if verdict.ends:
            break
    assert verdict.ends
    # Less than a round is left over; a limit below one round still has one.
    assert most - round_size < sampled <= max(most, round_size)


def test_of_several_limits_to_rounds_the_least_holds() -> None:
    assert adjustments([], 1).rounds is None
    limits = [CompletionLimit(30, 10), CompletionLimit(20, 10)]
    assert adjustments(limits, 1).rounds == 2


@pytest.mark.parametrize(
    ("warmup", "each", "told"), [(4, 1, False), (4, 2, True), (8, 2, False), (0, 1, True)]
)
def test_the_rate_of_an_extended_run_is_told_by_its_updates(
    warmup: int, each: int, told: bool, make_trainee: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four steps of eight are made, each of one update or two."""
    settings = OptimizerConfig(warmup_steps=warmup)
    stage = stage_of(tmp_path / "run", make_trainee)
    stage = replace(
        stage,
        run=replace(stage.run, extended_from=4),
        trainee=make_trainee(optimizer=settings, steps=8 * each),
    )
    _note_extension(stage, 4)
    assert ("learning rate" in capsys.readouterr().err) == told
