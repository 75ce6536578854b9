"""A stage inside a stage has no setting that its owner decides, and none is overwritten on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum import cli, config
from practicum.applications.agent import AgentConfig, AgentSettings
from practicum.config import completed, load, to_toml
from practicum.config.classes import fields_of, is_section, leaves_of, required_of, short_key
from practicum.config.flags import joined_flags
from practicum.demo import DemoConfig, DemoSettings
from practicum.errors import InputError
from practicum.guard.counted import Counted, WatchConfig
from practicum.model.sampling import DecodingSettings, SamplingConfig
from practicum.reward.parts import RewardConfig
from practicum.run.folder import Run
from practicum.tasks.equations.task import EquationsConfig
from practicum.tasks.registry import TASKS, TaskConfig, load_task
from practicum.training.reward_model import RewardModelConfig, RewardModelSettings
from practicum.training.rl import PracticeSettings, RlConfig
from practicum.training.rl_parts import make_observers
from practicum.training.rl_settings import OwnRewardConfig
from practicum.training.rlhf import (
    RlhfConfig,
    RlhfSettings,
    Round,
    practice_config,
    reward_model_config,
)
from tests.test_help import EVERY_CLASS
from tests.tiny import LetterTask

# What a whole run has once: a stage inside another gets it from there.
DECIDED_ABOVE = {"model", "task", "seed", "run", "reference", "preferences", "reward_model", "control"}
PAIRS = [
    (PracticeSettings, RlConfig),
    (RewardModelSettings, RewardModelConfig),
    (RlhfSettings, RlhfConfig),
    (DemoSettings, DemoConfig),
    (DecodingSettings, SamplingConfig),
    (AgentSettings, AgentConfig),
]
DECIDED: dict[type[Any], dict[str, Any]] = {
    RlConfig: {"model": Path("m"), "seed": 3},
    RewardModelConfig: {"model": Path("m"), "seed": 3, "threads": 2},
    RlhfConfig: {"model": Path("m"), "seed": 3},
    DemoConfig: {"seed": 3},
    SamplingConfig: {"temperature": 0.5},
    AgentConfig: {"seed": 3},
}


def sections(config_class: type[Any], prefix: str = "") -> Iterator[tuple[str, type[Any]]]:
    """Dotted name and class of every section of a config class."""
    for name, annotation in fields_of(config_class).items():
        if is_section(annotation):
            yield f"{prefix}{name}", annotation
            yield from sections(annotation, f"{prefix}{name}.")


@pytest.mark.parametrize("name", EVERY_CLASS)
def test_no_section_needs_a_value_that_its_owner_would_have_to_invent(name: str) -> None:
    for key, section in sections(EVERY_CLASS[name]):
        assert required_of(section) == [], f"{name}: {key}"


@pytest.mark.parametrize("name", EVERY_CLASS)
def test_no_section_has_a_setting_that_stands_above_it(name: str) -> None:
    for key, section in sections(EVERY_CLASS[name]):
        fields = fields_of(section)
        own = {field for field in fields if not is_section(fields[field])} & DECIDED_ABOVE
        # How the simulated raters choose is called a model as well. The loop and the demo that studies
        # repeat own their task and control.
        own -= {"model"} if key == "people" or key.endswith(".people") else set()
        own -= {"control"} if section in (RlhfSettings, DemoSettings) else set()
        assert own == set(), f"{name}: --{key}.{own}"


@pytest.mark.parametrize(("settings_class", "config_class"), PAIRS)
def test_a_config_takes_over_every_setting(settings_class: type[Any], config_class: type[Any]) -> None:
    names = {field.name for field in dataclasses.fields(settings_class)}
    assert issubclass(config_class, settings_class)
    assert names.isdisjoint(DECIDED[config_class])
    chosen = settings_class()
    whole = completed(config_class, chosen, **DECIDED[config_class])
    assert all(getattr(whole, name) is getattr(chosen, name) for name in names)
    for name in names:
        with pytest.raises(TypeError, match=f"multiple values for keyword argument '{name}'"):
            completed(config_class, chosen, **DECIDED[config_class], **{name: getattr(chosen, name)})


FLAGS = {
    "--practice.algorithm": ["grpo", "ppo"],
    "--practice.prompts_per_step": ["2", "9"],
    "--practice.dtype": ["float32"],
    "--practice.profile": ["true"],
    "--practice.reward.ensemble": ["min"],
    "--practice.reward.budgets.reward_model": ["2"],
    "--practice.guard.action": ["off", "stop"],
    "--practice.lora.rank": ["4"],
    "--practice.sampling.top_p": ["0.9"],
    "--practice.update.kl.weight": ["0.3"],
    "--practice.loop.threads": ["2"],
    "--reward_model.epochs": ["5"],
    "--reward_model.weights.ada": ["0.5"],
    "--reward_model.lora.rank": ["8"],
    "--reward_model.held_out": ["0.3"],
    "--reward_model.head_seed": ["7"],
    "--reward_model.optimizer.beta2": ["0.99"],
}


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries({}, optional={flag: st.sampled_from(some) for flag, some in FLAGS.items()}))
def test_the_stages_of_the_loop_are_what_its_flags_say(given: dict[str, str]) -> None:
    flags = [f"{flag}={value}" for flag, value in given.items()]
    loop = load(RlhfConfig, None, ["--model=m", "--rounds=2", *flags])
    turn = Round(loop, Path("run"), 1, Path("first"))
    practice = practice_config(turn, Path("policy"), [Path("r")])
    fitted = reward_model_config(turn, 1)
    for inner, outer in ((practice, loop.practice), (fitted, loop.reward_model)):
        for field in dataclasses.fields(outer):
            assert getattr(inner, field.name) == getattr(outer, field.name)
    for section, config_class, inner in (
        ("practice", RlConfig, practice),
        ("reward_model", RewardModelConfig, fitted),
    ):
        told = [flag.replace(f"--{section}.", "--") for flag in flags if flag.startswith(f"--{section}.")]
        for path, value in joined_flags(config_class, told):
            found: Any = inner
            for part in path:
                found = found[part] if isinstance(found, dict) else getattr(found, part)
            assert found == value


def test_in_the_last_round_alone_nobody_can_be_asked() -> None:
    loop = load(RlhfConfig, None, ["--model=m", "--rounds=2", "--practice.guard.action=ask"])
    actions = [
        practice_config(Round(loop, Path("run"), number, Path("a")), Path("b"), [Path("r")]).guard.action
        for number in (1, 2)
    ]
    assert actions == ["ask", "roll_back"]


@pytest.mark.parametrize("key", RlhfConfig.withdrawn)
def test_what_the_loop_decides_is_an_unknown_name_with_a_hint(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flag = "practice.task.name" if key == "practice.task" else key
    assert cli.main(["rlhf", "--model=m", f"--{flag}=1"]) == 2
    assert f"unknown setting --{flag}" in capsys.readouterr().err
    file = tmp_path / "loop.toml"
    file.write_text(f'model = "m"\n{flag} = "1"\n', encoding="utf-8")
    with pytest.raises(InputError, match=rf"unknown key '{re.escape(key)}"):
        load(RlhfConfig, file)


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_an_examination_decides_how_answers_are_drawn(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", "--model", "m", f"--sampling.{name}", "1"]) == 2
    assert f"unknown setting --sampling.{name}" in capsys.readouterr().err


def test_a_task_that_fixes_a_setting_refuses_it() -> None:
    given: dict[str, Any]
    for name in ("ask_sum", "parametric"):
        given = {name: 0.5}
        with pytest.raises(InputError, match=f"^--equations.{name} has no effect: explanations asks for"):
            load(TaskConfig, None, ["--name=explanations", f"--equations.{name}=0.5"])
        with pytest.raises(InputError, match=f"{name}"):
            load_task(TaskConfig("explanations", EquationsConfig(**given)))
    load_task(TaskConfig("explanations"))


# --------------------------------------------------------------------------------- settings without effect

CHOICES: dict[str, list[list[str]]] = {
    "rl": [
        ["--task=jokes"],
        ["--task=gsm8k", "--data=f.jsonl"],
        ["--data=f.jsonl"],
        ["--task=own.py:Own"],
        ["--algorithm=ppo"],
        ["--algorithm=grpo"],
        ["--algorithm=grpo", "--update.kl.weight=0.1"],
        ["--algorithm=rloo"],
        ["--algorithm=cispo", "--update.kl.weight=0.1"],
        ["--algorithm=dapo"],
        ["--algorithm=dapo", "--dapo.overlong_share=0"],
        ["--algorithm=dapo", "--dapo.overlong_price=0"],
        ["--algorithm=ppo", "--ppo.value_weight=0"],
        ["--algorithm=gfpo"],
        ["--algorithm=online_dpo"],
        ["--algorithm=distill", "--reference=t"],
        ["--reward_model=r"],
        ["--reward_model=r", "--guard.action=off"],
        ["--reward=f.py:pay", "--lora.rank=2"],
        ["--optimizer.algorithm=muon", "--update.kl.weight=0.1"],
        ["--guard.rewards=any"],
        ["--guard.findings=f.json"],
        ["--guard.truth=f.py:worth"],
        ["--reward=f.py:pay", "--guard.known=off"],
        ["--reward=f.py:pay", "--guard.truth=none"],
        ["--reward=f.py:pay", "--control=random"],
    ],
    "dpo": [
        ["--preferences=p"],
        ["--data=f.jsonl"],
        ["--data=f.jsonl", "--loss=kto"],
        ["--loss=ipo"],
        ["--loss=simpo", "--data=f.jsonl", "--data.test_share=0.2"],
        ["--loss=orpo"],
    ],
    "sft": [["--task=explanations"], ["--data=f.jsonl"], ["--lora.rank=2"]],
    "eval": [["--task=jokes"], ["--data=f.jsonl", "--reward=f.py:pay"], ["--samples=4"]],
    "sample": [["--task=jokes"], ["--data=f.jsonl"], ["--chat=on"], ["--sampling.temperature=1"]],
    "pretrain": [["--task=jokes"], ["--size=small"]],
    "reward-model": [["--data=f.jsonl"], ["--preferences=f.jsonl"], ["--average", "a", "b"]],
    "rlhf": [
        ["--raters=people"],
        ["--practice.algorithm=grpo"],
        ["--task=explanations"],
        ["--practice.reward=f.py:pay"],
    ],
    "audit exploits --preferences x": [["--reward_model=r"], ["--reward=f.py:pay"]],
    "demo": [["--no_human_feedback"], ["--samples=0"], ["--task.equations.key=poisoned"]],
}
CHOSEN = [(name, flags) for name, choices in CHOICES.items() for flags in [[], *choices]]


MODELS = ("rl", "sft", "dpo", "eval", "sample", "rlhf", "reward-model")


def needed(name: str, flags: list[str]) -> list[str]:
    """The settings that a command cannot do without."""
    if name == "audit exploits --preferences x":
        return ["--preferences=p"]
    model = ["--model=m"] if name in MODELS else []
    return [] if "--average" in flags else model


def flag_of(given: Any, key: str) -> list[str] | None:
    """A setting as a flag at the value that the config has; None for one that no flag can hold."""
    found: Any = given
    for part in key.split("."):
        found = getattr(found, part)
    if isinstance(found, dict):
        return [f"--{key}.{name}={value}" for name, value in list(found.items())[:1]] or None
    if isinstance(found, tuple):
        return [f"--{key}", *map(str, found)] if found else None
    return [
        f"--{key}={'none' if found is None else str(found).lower() if isinstance(found, bool) else found}"
    ]


@pytest.mark.parametrize(
    ("name", "flags"), CHOSEN, ids=lambda part: part if isinstance(part, str) else " ".join(part)
)
def test_a_setting_that_a_choice_leaves_without_effect_is_refused_by_name(
    name: str, flags: list[str], tmp_path: Path
) -> None:
    config_class = EVERY_CLASS[name]
    choice = [*needed(name, flags), *flags]
    chosen = load(config_class, None, choice)
    idle = config.settings_without_effect(chosen)
    leaves = leaves_of(config_class)
    for key in idle:
        # One name of a table has no effect where the others have, as the weight of a part that is not there.
        named = any(leaf in (key, key.rpartition(".")[0]) or leaf.startswith(f"{key}.") for leaf in leaves)
        assert named, f"{key} is no setting"
    # A run's own complete file is taken as it is.
    saved = tmp_path / "config.toml"
    saved.write_text(to_toml(chosen), encoding="utf-8")
    assert load(config_class, saved) == chosen
    for leaf in leaves:
        given = flag_of(chosen, leaf)
        if given is None or any(flag.split("=")[0] == f"--{short_key(leaf)}" for flag in flags):
            continue
        typed = given[0].split("=")[0].removeprefix("--")
        reached = [key for key in idle if key in (leaf, typed) or leaf.startswith(f"{key}.")]
        if not reached:
            assert load(config_class, None, [*choice, *given]) == chosen, leaf
            continue
        with pytest.raises(InputError, match=f"^--{re.escape(short_key(typed))} has no effect: ") as caught:
            load(config_class, None, [*choice, *given])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("known", ["warn", "off"])
@pytest.mark.parametrize("found", [False, True])
@pytest.mark.parametrize("truth", ["auto", "none", "format:a+"])
@pytest.mark.parametrize("paid_by", ["the task", "a function", "Python"])
def test_how_answers_are_counted_can_be_set_just_where_they_are(
    known: str, found: bool, truth: str, paid_by: str, tmp_path: Path
) -> None:
    findings = tmp_path / "findings.json"
    findings.write_text('{"findings": []}', encoding="utf-8")
    own = paid_by != "the task"
    chosen = RlConfig(
        Path("m"),
        reward=RewardConfig(functions=("format:a+",) if paid_by == "a function" else ()),
        guard=WatchConfig(known=known, findings=findings if found else None, truth=truth),  # type: ignore[arg-type]
    )
    if paid_by == "Python":
        chosen = completed(OwnRewardConfig, chosen)
    observers = make_observers(chosen, LetterTask(), own_reward=own)
    counted = [observer for observer in observers if isinstance(observer, Counted)]
    for observer in counted:
        observer.conclude(Run(tmp_path))
    idle = config.settings_without_effect(chosen)
    assert [f"guard.{name}" in idle for name in ("known_share", "known_confidence", "known_steps")] == (
        [not counted] * 3
    )
    if counted:
        assert idle.keys().isdisjoint({"guard.known", "guard.findings", "guard.truth"})
        assert ("guard.truth_every" in idle) == (truth == "none")
    else:
        assert "guard.truth_every" in idle


def test_a_file_of_a_few_lines_is_told_as_flags_are(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('model = "m"\ntask.name = "jokes"\ntask.equations.ask_sum = 0.5\n', encoding="utf-8")
    with pytest.raises(
        InputError, match=r"mine\.toml: task\.equations\.ask_sum has no effect: the task is jokes"
    ):
        load(RlConfig, file)
    # What a flag chooses otherwise than a run's file leaves the file's settings behind.
    saved = tmp_path / "config.toml"
    begun = load(RlConfig, None, ["--model=m", "--task=jokes", "--task.jokes.mistakes=0.5"])
    saved.write_text(to_toml(begun), encoding="utf-8")
    assert load(RlConfig, saved, ["--task=equations"]).task.jokes.mistakes == 0.5


def test_the_default_task_beside_rows_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    for name in TASKS:
        assert cli.main(["rl", "--model=m", f"--task={name}", "--data=f.jsonl"]) == 2
        line = capsys.readouterr().err
        assert line.startswith("practicum: error: --task has no effect: --data f.jsonl brings rows")
        assert line.count("\n") == 1


# ------------------------------------------------------------------------------------- runs begun before


@dataclass(frozen=True)
class Inner:
    """A stage."""

    steps: int = 1


@dataclass(frozen=True)
class Outer:
    """A stage with a stage inside, which once had a model, a seed and a task of its own."""

    withdrawn = ("inner.model", "inner.seed", "inner.task")
    inner: Inner = Inner()
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    seed: int = 0


BEFORE = """seed = 4
[weights]
"a.b" = 0.5
[inner]
steps = 7
model = "."
seed = 0
[inner.task]
name = "jokes"
"""


def as_before(loop: RlhfConfig) -> str:
    """The complete config.toml of a loop as the version before wrote it."""
    table = config.parse_toml(to_toml(loop), "now")
    table["practice"] |= {
        "model": ".",
        "reference": "none",
        "task": config.parse_toml(to_toml(TaskConfig("jokes")), "task"),
        "reward_model": [],
        "reward_format": "auto",
        "control": "none",
        "seed": 0,
    }
    table["reward_model"] |= {
        "model": ".",
        "preferences": [],
        "average": [],
        "reward_format": "auto",
        "project": "",
        "control": "none",
        "threads": 0,
        "seed": 0,
    }
    return tomli_w.dumps(table)


def test_a_file_of_an_earlier_version_loses_what_had_no_effect_and_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(BEFORE, encoding="utf-8")
    assert load(Outer, file) == Outer(Inner(7), {"a.b": 0.5}, 4)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "written by an earlier version: 3 settings that had no effect, inner.model among them" in told
    file.write_text(BEFORE.replace("seed = 0\n", ""), encoding="utf-8")
    with pytest.raises(InputError, match=r"unknown key 'inner\.model'"):
        load(Outer, file)


def test_a_loop_begun_before_is_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loop = RlhfConfig(Path("m"), rounds=3, practice=PracticeSettings(prompts_per_step=5), seed=2)
    run = tmp_path / "run"
    Run.open(run, loop, "rlhf")
    capsys.readouterr()
    (run / "config.toml").write_text(as_before(loop), encoding="utf-8")
    again = load(RlhfConfig, run / "config.toml")
    assert again == loop
    assert "written by an earlier version" in capsys.readouterr().err
    Run.open(run, again, "rlhf", resume=True)
    with pytest.raises(InputError, match=r"was started with seed = 2, now it is 3"):
        Run.open(run, replace(again, seed=3), "rlhf", resume=True)


def lacking(text: str, keys: set[str]) -> str:
    """A config.toml without some settings."""
    table = config.parse_toml(text, "config")
    for key in keys:
        *parts, last = key.split(".")
        part = table
        for name in parts:
            part = part[name]
        del part[last]
    return tomli_w.dumps(table)


# A command, what it needs, and what its run was begun with besides.
RUNS: dict[str, tuple[list[str], list[str]]] = {
    "rl": (["--model=m"], ["--prompts_per_step=5", "--guard.action=off", "--reward_model=r"]),
    "sft": (["--model=m"], ["--textbook_passages=0"]),
    "pretrain": (["--size=small"], ["--batch_rows=7"]),
    "dpo": (["--model=m"], ["--preferences=p", "--loss=kto"]),
    "reward-model": (["--model=m"], ["--preferences=p"]),
    "demo": ([], ["--no_human_feedback", "--seed=3"]),
}


def begun_by(command: str) -> Any:
    """The config of a command's run."""
    needed, others = RUNS[command]
    return load(EVERY_CLASS[command], None, [*needed, *others])


def unsaid(command: str) -> list[str]:
    """Settings that a run's file may lack without saying anything else: those that were not set then."""
    config_class, needed = EVERY_CLASS[command], RUNS[command][0]
    begun, plain = begun_by(command), load(config_class, None, needed)
    now, then = (config.flatten(config.parse_toml(to_toml(one), "a config")) for one in (begun, plain))
    then |= getattr(config_class, "before", {})
    leaves = [key for key in leaves_of(config_class) if key in now and now[key] == then[key]]
    return [key for key in leaves if f"--{key}" not in [flag.partition("=")[0] for flag in needed]]


@pytest.mark.parametrize("command", RUNS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_run_begun_before_some_settings_were_there_is_resumed(command: str, data: st.DataObject) -> None:
    begun = begun_by(command)
    gone = data.draw(st.sets(st.sampled_from(unsaid(command)), min_size=1, max_size=12))
    then = gone & set(getattr(type(begun), "before", {}))
    told = io.StringIO()
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stderr(told):
        folder = Path(scratch) / "run"
        file = folder / "config.toml"
        Run.open(folder, begun, command)
        whole = file.read_text()
        file.write_text(lacking(whole, gone))
        again = load(type(begun), file)
        assert again == begun
        Run.open(folder, again, command, resume=True)
        (line,) = [line for line in told.getvalue().splitlines() if "new since take their defaults" in line]
        names = line.partition("defaults: ")[2].split(", ")
        leaves = leaves_of(type(begun))
        assert {
            key for key in leaves if any(key == name or key.startswith(f"{name}.") for name in names)
        } == gone
        assert all(f"had no {key}" in told.getvalue() for key in then)
        # The file is complete again, and nothing is said when it is resumed once more.
        assert file.read_text() == whole
        told.truncate(0)
        Run.open(folder, load(type(begun), file), command, resume=True)
        assert "earlier version" not in told.getvalue()


@pytest.mark.parametrize("flag", ["sampling.max_turns=3", "ppo.potential=f.py:p"])
def test_a_new_setting_is_not_changed_on_the_way(flag: str, tmp_path: Path) -> None:
    begun = RlConfig(Path("m"), algorithm="ppo")
    Run.open(tmp_path / "run", begun, "rl")
    file = tmp_path / "run" / "config.toml"
    file.write_text(lacking(file.read_text(), {flag.partition("=")[0]}))
    with pytest.raises(InputError, match=f"was started with {flag.partition('=')[0]} = "):
        Run.open(tmp_path / "run", load(RlConfig, file, [f"--{flag}"]), "rl", resume=True)


def test_a_setting_that_is_gone_is_named_with_what_to_do(tmp_path: Path) -> None:
    Run.open(tmp_path / "run", RlConfig(Path("m")), "rl")
    file = tmp_path / "run" / "config.toml"
    file.write_text(file.read_text().replace("[sampling]", "[sampling]\nmin_p = 0.1\nnucleus = 3"))
    with pytest.raises(
        InputError, match=r"config\.toml: unknown key 'sampling\.min_p', 'sampling\.nucleus': .* take"
    ):
        load(RlConfig, file)


@settings(max_examples=60, deadline=None)
@given(command=st.sampled_from(sorted(RUNS)), share=st.floats(0, 1, exclude_max=True))
def test_a_config_that_was_cut_short_is_no_earlier_one(command: str, share: float) -> None:
    begun = begun_by(command)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        with contextlib.redirect_stderr(io.StringIO()):
            Run.open(folder, begun, command)
        file = folder / "config.toml"
        whole = file.read_bytes()
        kept = whole[: int(share * len(whole))]
        section = [name for name, kind in fields_of(type(begun)).items() if is_section(kind)][-1]
        last = whole.index(f"\n[{section}".encode())
        # A cut between two lines of the last section leaves what an earlier version may have written.
        if kept.endswith(b"\n") and len(kept) > last:
            return
        file.write_bytes(kept)
        with pytest.raises(InputError, match=r"config\.toml"):
            Run.open(folder, begun, command, resume=True)
        assert file.read_bytes() == kept
