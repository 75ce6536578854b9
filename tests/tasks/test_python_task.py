"""A class of the user's own is a task by its file; what it lacks or does wrong is told in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from practicum import cli
from practicum.config import load
from practicum.errors import InputError
from practicum.tasks.registry import TaskConfig, find_task, load_task, stamped
from practicum.training import pretrain, rl, sft
from practicum.types import Prompt, Score

PLAIN = """
class Sums:
    def prompts(self, split, count, seed):
        first = {"train": 0, "validation": 100, "test": 200}[split]
        return [f"{first + (seed + place) % 100}+1=" for place in range(count)]

    def score(self, prompts, texts):
        return [text.strip() == str(int(prompt.text[:-3]) + 1) for prompt, text in zip(prompts, texts)]
"""
WITH_SETTINGS = '''
from __future__ import annotations

from dataclasses import dataclass

from practicum.types import Prompt, Score


class Task:
    name = "mine"

    @dataclass(frozen=True)
    class Config:
        largest: int = 9
        """Largest number."""
        word: str = "a"
        halves: bool = False

    def __init__(self, config):
        self.config = config

    def prompts(self, split, count, seed):
        return [Prompt(f"{self.config.largest}{self.config.word}")] * count

    def score(self, prompts, texts):
        return [Score(0.5 if self.config.halves else 0.0, False) for _ in texts]
'''


def written(folder: Path, text: str, name: str = "own.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_prompts_and_score_are_enough(tmp_path: Path) -> None:
    path = written(tmp_path, PLAIN)
    task = find_task(TaskConfig(f"{path}:Sums"))
    assert task.name == "Sums"
    prompts = task.prompts("test", 3, 1)
    assert prompts == [Prompt("201+1="), Prompt("202+1="), Prompt("203+1=")]
    assert task.score(prompts, ["202", "x", "204"]) == [Score(1.0, True), Score(0.0, False), Score(1.0, True)]


def test_settings_are_typed_by_the_class(tmp_path: Path) -> None:
    spec = f"{written(tmp_path, WITH_SETTINGS)}:Task"
    flags = [
        "--model",
        "m",
        "--task",
        spec,
        "--task.settings.largest",
        "12",
        "--task.settings.halves",
        "true",
    ]
    config = load(rl.RlConfig, None, flags).task
    task = find_task(config)
    assert task.prompts("train", 1, 0) == [Prompt("12a")]
    assert task.score([Prompt("")], [""])[0].value == 0.5
    for key, value, said in (("larges", "3", "largest"), ("largest", "x", "whole number")):
        with pytest.raises(InputError, match=said) as error:
            find_task(TaskConfig(spec, settings={key: value}))
        assert "task.settings" in str(error.value)
    with pytest.raises(InputError, match="has no settings"):
        find_task(TaskConfig(f"{written(tmp_path, PLAIN, 'plain.py')}:Sums", settings={"a": "1"}))


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("x = (", "own.py:T", "own.py:1: SyntaxError"),
        ("import nowhere_at_all", "own.py:T", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "own.py:T", "own.py:1"),
        ("class Task: pass", "own.py:Tusk", "did you mean Task"),
        ("class T: pass", "own.py:T", "needs the method prompts"),
        ("class T:\n    prompts = len", "own.py:T", "needs the method score"),
        ("class T:\n    def __init__(self):\n        1 / 0", "own.py:T", "own.py:3.*ZeroDivisionError"),
        ("", "other.py:T", "no such file"),
        ("", "own.py", "name its class"),
        ("", "no.such.module:T", "ModuleNotFoundError"),
        ("", "poetry", "unknown task"),
        ("", "equation", "did you mean equations"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_line(text: str, name: str, said: str, tmp_path: Path) -> None:
    written(tmp_path, text)
    with pytest.raises(InputError, match=said) as error:
        find_task(TaskConfig(str(tmp_path / name) if ".py" in name else name))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("prompts", "score", "said"),
    [
        ("['a'] * (count - 1)", "[1.0] * len(texts)", "asked for 2 of train, got 1"),
        ("None", "[1.0] * len(texts)", "expected a list, got NoneType"),
        ("[3] * count", "[1.0] * len(texts)", "expected Prompt or a text"),
        ("['a'] * count", "[1.0]", "expected 2 scores"),
        ("['a'] * count", "1.0", "expected 2 scores"),
        ("['a'] * count", "[texts[9]]", "own.py:6.*IndexError"),
    ],
)
def test_its_mistakes_are_told_with_their_place(prompts: str, score: str, said: str, tmp_path: Path) -> None:
    text = f"class T:\n    def prompts(self, split, count, seed):\n        return {prompts}\n\n"
    text += f"    def score(self, prompts, texts):\n        return {score}\n"
    task = find_task(TaskConfig(f"{written(tmp_path, text)}:T"))
    with pytest.raises(InputError, match=said):
        task.score(task.prompts("train", 2, 0), ["", ""])


def test_commands_tell_what_a_task_lacks(tmp_path: Path, untrained_model: Path) -> None:
    config = TaskConfig(f"{written(tmp_path, PLAIN)}:Sums")
    run = tmp_path / "run"
    with pytest.raises(InputError, match="has no exposition and no demonstrations, which pretrain needs"):
        pretrain.train(pretrain.PretrainConfig(task=config), run)
    with pytest.raises(InputError, match="which sft needs"):
        sft.train(sft.SftConfig(model=untrained_model, task=config), run)
    with pytest.raises(InputError, match="no behaviours"):
        load_task(config)
    assert not run.exists()
    assert cli.main(["sample", "--model", str(untrained_model), "--task", config.name]) == 2


SMALL = [
    "--prompts_per_step",
    "2",
    "--group_size",
    "2",
    "--sampling.max_new_tokens",
    "4",
    "--loop.threads",
    "1",
]


@pytest.mark.parametrize("name", ["own.py:Sums", "reasoning_gym:simple_equations"])
def test_rl_and_eval_take_it_by_name(name: str, untrained_model: Path, tmp_path: Path, capsys) -> None:
    spec = f"{written(tmp_path, PLAIN).parent / name}" if ".py" in name else name
    run = tmp_path / "run"
    given = ["rl", "--model", str(untrained_model), "--task", spec, "--run", str(run), *SMALL]
    assert cli.main([*given, "--loop.steps", "1"]) == 0
    assert cli.main(["eval", "--model", str(run), "--task", spec, "--count", "3", "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") :])["n"] == 3


def test_resuming_tells_about_a_changed_file(untrained_model: Path, tmp_path: Path, capsys) -> None:
    path, run = written(tmp_path, PLAIN), tmp_path / "run"
    given = ["rl", "--model", str(untrained_model), "--task", f"{path}:Sums", "--run", str(run), *SMALL]
    assert cli.main([*given, "--loop.steps", "2"]) == 0
    assert cli.main(["rl", "--run", str(run), "--resume"]) == 0
    path.write_text(PLAIN + "\n# another\n")
    capsys.readouterr()
    assert cli.main(["rl", "--run", str(run), "--resume"]) == 2
    assert "its file has changed since the run began" in capsys.readouterr().err
    config = TaskConfig(f"{path}:Sums")
    assert stamped(stamped(config)) == stamped(config) != config
    assert stamped(TaskConfig("reasoning_gym:leg_counting")) == TaskConfig("reasoning_gym:leg_counting")
    assert stamped(replace(config, name="equations")).digest == ""
