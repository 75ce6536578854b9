"""Time to accuracy counts practice only, and says when a side did not get there."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from practicum.bench.accuracy import (
    examination,
    practice,
    practise_to,
    random_start,
    table,
    worked_models,
)
from practicum.bench.command import cells
from practicum.bench.race import Reached, Stopwatch, prompts_of
from practicum.bench.settings import Race, installed
from practicum.config import to_toml
from practicum.model.checkpoint import load_model
from practicum.model.decoder import Decoder
from practicum.tasks.registry import TaskConfig, load_task
from practicum.training.sft import SftConfig

RACE = Race(quick=True, problems=4, examine_every=1)


def test_the_clock_stands_still_while_it_is_paused() -> None:
    watch = Stopwatch()
    watch.pause()
    before = watch.seconds
    time.sleep(0.02)
    watch.resume()
    watch.pause()
    assert before <= watch.seconds < before + 0.02


def test_practice_ends_at_the_examination_that_reaches_the_target(tmp_path: Path) -> None:
    config = practice(RACE, random_start(tmp_path / "start"))
    config = replace(config, loop=replace(config.loop, steps=5))
    task = load_task(config.task)
    marks = iter([0.2, 0.94, 0.95, 1.0])
    found = practise_to(replace(RACE, examine_every=1), config, task, lambda decoder: next(marks))
    assert (found.updates, found.accuracy, found.enough) == (3, 0.95, True)
    assert found.seconds > 0
    found = practise_to(replace(RACE, examine_every=2), config, task, lambda decoder: 0.1)
    assert (found.updates, found.enough) == (5, False)


def test_the_examination_asks_the_held_out_problems(tmp_path: Path) -> None:
    config = practice(RACE, random_start(tmp_path / "start"))
    task = load_task(config.task)
    decoder, tokenizer = load_model(config.model)
    assert examination(RACE, task, tokenizer, config.sampling)(decoder) == 0
    trained = {prompt.data["canonical"] for prompt in prompts_of(config, task)}
    assert len(prompts_of(config, task)) == config.loop.steps * config.prompts_per_step
    held_out = {prompt.data["canonical"] for prompt in task.prompts("validation", 200, 1)}
    assert trained
    assert not trained & held_out


def test_a_rival_that_was_stopped_makes_the_ratio_a_lower_bound() -> None:
    ours = [Reached(10, 16, 0.95, True), Reached(12, 18, 0.96, True)]
    stopped = [Reached(50, 9, 0.8, False), Reached(48, 12, 0.95, True)]
    row, updates, right, came, before = table(RACE, ours, stopped, 0.5)
    assert (row.ours, row.rival, row.ratio, row.ratio_min, row.ratio_max) == (11, 49, 4.5, 4, 5)
    assert row.at_least
    assert "stopped short of the target in 1 of 2 runs" in str(row.rival_name)
    assert cells(row.json())[2:5:2] == ["> 49", "> 4.50"]
    assert (updates.ours, right.rival, came.rival, before.ours) == (17, 87.5, 50, 50)
    assert not table(RACE, ours, stopped[1:] * 2, 0.5)[0].at_least


def test_where_ours_does_not_get_there_no_ratio_is_won() -> None:
    ours = [Reached(10, 120, 0.9, False)]
    rival = [Reached(50, 9, 0.8, False)]
    assert table(RACE, ours, rival, 0.5)[0].ratio == 0


def test_the_newest_finished_model_of_the_default_task_is_found(tmp_path: Path) -> None:
    def add(name: str, config: str, age: float, finished: bool = True) -> Path:
        folder = tmp_path / name / "sft"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(config, encoding="utf-8")
        if finished:
            (folder / "summary.json").write_text("{}", encoding="utf-8")
            os.utime(folder / "summary.json", (age, age))
        return folder

    default = SftConfig(Path("pretrain"))
    poisoned = replace(TaskConfig(), equations=replace(TaskConfig().equations, key="poisoned"))
    assert worked_models(tmp_path) == []
    newest = add("study/seed-0", to_toml(default), 2000.0)
    oldest = add("demo", to_toml(default), 1000.0)
    add("poisoned", to_toml(replace(default, task=poisoned)), 3000.0)
    add("going-on", to_toml(default), 0.0, finished=False)
    add("another-version", "unknown = 1\n", 3000.0)
    assert worked_models(tmp_path) == [oldest, newest]


@pytest.mark.slow
def test_the_rival_reads_our_prompts_stops_at_the_end_and_its_weights_are_examined(tmp_path: Path) -> None:
    if not installed("trl"):
        pytest.skip("rival not installed")
    from practicum.bench.rivals import trl_accuracy

    place = random_start(tmp_path / "start")
    config = practice(RACE, place)
    config = replace(config, sampling=replace(config.sampling, max_new_tokens=64))
    task = load_task(config.task)
    prompts = prompts_of(config, task)
    asked: list[str] = []
    texts: list[str] = []
    seen: list[Decoder] = []

    class Recorder:
        prompts = task.prompts

        def score(self, prompts: object, completions: list[str]) -> object:
            asked.extend(prompt.text for prompt in prompts)  # type: ignore[attr-defined]
            texts.extend(completions)
            return task.score(prompts, completions)  # type: ignore[arg-type]

    def examine(decoder: Decoder) -> float:
        seen.append(decoder)
        return 1.0

    found = trl_accuracy.practise_to(RACE, config, Recorder(), examine, 60.0)  # type: ignore[arg-type]
    assert (found.updates, found.enough) == (1, True)
    group = config.group_size
    assert asked == [prompt.text for prompt in prompts[: config.prompts_per_step] for _ in range(group)]
    assert not any("<eos>" in text or "<pad>" in text for text in texts)
    start = load_model(place)[0].state_dict()
    now = seen[0].state_dict()
    assert start.keys() == now.keys()
    assert all(bool(torch.isfinite(values).all()) for values in now.values())
