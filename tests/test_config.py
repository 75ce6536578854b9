from __future__ import annotations

import math
import string
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.config import help_text, load, to_toml
from practicum.errors import InputError


@dataclass(frozen=True)
class OptimizerConfig:
    learning_rate: float = 1e-3
    """Peak learning rate."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Decay of the moment averages."""


@dataclass(frozen=True)
class StageConfig:
    size: Literal["tiny", "small"] = "tiny"
    """The one dial."""
    steps: int = 10
    """Optimizer steps."""
    optimizer: OptimizerConfig = OptimizerConfig()
    shuffle: bool = True
    """New order of rows every epoch."""
    model: Path | None = None
    """Model folder to start from."""
    note: str = ""
    """Free text."""
    weights: dict[str, float] = field(default_factory=lambda: {"correct": 1.0})
    """Reward parts."""
    families: tuple[str, ...] = ("linear",)
    """Equation families."""
    seed: int | None = 0
    """Seed of all random choices."""


@dataclass(frozen=True)
class NeedsModelConfig:
    model: Path
    steps: int = 1


SIZES: dict[str, dict[str, object]] = {"small": {"steps": 100, "optimizer.learning_rate": 5e-4}}


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_win_over_the_file_which_wins_over_the_size_which_wins_over_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, 'size = "small"\nnote = "file"\n[optimizer]\nlearning_rate = 3e-4\n')
    config = load(StageConfig, path, ["--note", "flag"])
    assert config == StageConfig(
        size="small", steps=100, note="flag", optimizer=OptimizerConfig(learning_rate=3e-4)
    )
    assert load(StageConfig, None) == StageConfig()
    assert load(StageConfig, None, ["--size", "small", "--steps=7"]).steps == 7


def test_every_kind_of_flag() -> None:
    flags = "--optimizer.betas 0.8 0.9 --no-shuffle --model a/b --weights.short -0.1 --families --seed none"
    assert load(StageConfig, None, flags.split()) == StageConfig(
        optimizer=OptimizerConfig(betas=(0.8, 0.9)),
        shuffle=False,
        model=Path("a/b"),
        weights={"correct": 1.0, "short": -0.1},
        families=(),
        seed=None,
    )
    assert load(StageConfig, None, ["--optimizer.learning-rate=1", "--shuffle", "false"]) == StageConfig(
        optimizer=OptimizerConfig(learning_rate=1.0), shuffle=False
    )


def test_a_table_in_the_file_replaces_a_dict_as_a_whole(tmp_path: Path) -> None:
    assert load(StageConfig, write(tmp_path, "[weights]\nshort = 2\n")).weights == {"short": 2.0}
    assert load(StageConfig, write(tmp_path, "[weights]\n")).weights == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[optimizer]\nlearning_rat = 1.0\n",
            ["recipe.toml", "'optimizer.learning_rat'", "optimizer.learning_rate?"],
        ),
        ("learning_rate = 1.0\n", ["'learning_rate'", "did you mean optimizer.learning_rate?"]),
        ("steps = 1.5\n", ["recipe.toml", "steps", "whole number", "1.5"]),
        ("steps = true\n", ["steps", "whole number", "True"]),
        ("shuffle = 1\n", ["shuffle", "true or false", "1"]),
        ('size = "huge"\n', ["size", "one of tiny, small", "'huge'"]),
        ("[optimizer]\nbetas = [0.9]\n", ["optimizer.betas", "a list of 2", "[0.9]"]),
        ('families = ["a", 1]\n', ["families[1]", "a text", "1"]),
        ('[weights]\ncorrect = "x"\n', ["weights.correct", "a number", "'x'"]),
        ("optimizer = 1\n", ["optimizer", "a table", "1"]),
        ("steps = 1\nnote =\n", ["recipe.toml", "not valid TOML", "line 2"]),
    ],
)
def test_bad_files_name_the_file_the_key_and_the_value(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load(StageConfig, write(tmp_path, text))
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--optimizer.beta 1 2", ["unknown setting --optimizer.beta", "did you mean --optimizer.betas?"]),
        ("--betas 1 2", ["did you mean --optimizer.betas?"]),
        ("--steps ten", ["--steps", "whole number", "'ten'"]),
        ("--steps 1 2", ["--steps", "whole number", "'1 2'"]),
        ("--note", ["--note", "a text", "nothing"]),
        ("--optimizer.betas 1", ["--optimizer.betas", "expected 2 values, got 1"]),
        ("--optimizer 3", ["--optimizer is a section"]),
        ("--weights 3", ["--weights is a table", "--weights.name value"]),
        ("--no-shuffle true", ["--no-shuffle", "takes no value"]),
        ("steps", ["unexpected argument 'steps'"]),
    ],
)
def test_bad_flags_name_the_flag_and_the_value(flags: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load(StageConfig, None, flags.split())
    assert all(word in str(caught.value) for word in words), caught.value


def test_missing_file_and_missing_required_field(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.toml"):
        load(StageConfig, tmp_path / "absent.toml")
    with pytest.raises(InputError, match="--model"):
        load(NeedsModelConfig, None)
    assert load(NeedsModelConfig, None, ["--model", "m"]) == NeedsModelConfig(Path("m"))


def test_a_size_that_the_complete_file_would_undo_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, to_toml(load(StageConfig, None)))
    with pytest.raises(InputError, match=r"--size small sets steps to 100.*sets it to 10"):
        load(StageConfig, path, ["--size", "small"])
    assert load(StageConfig, path, ["--size", "tiny"]) == StageConfig()


texts = st.text(max_size=8)
finite = st.floats(allow_nan=False)


@settings(deadline=None)
@given(
    st.builds(
        StageConfig,
        size=st.sampled_from(["tiny", "small"]),
        steps=st.integers(),
        optimizer=st.builds(OptimizerConfig, finite, st.tuples(finite, finite)),
        shuffle=st.booleans(),
        model=st.none()
        | st.text(string.ascii_letters + "/. ", max_size=8)
        .map(Path)
        .filter(lambda p: str(p).lower() != "none"),
        note=st.text(max_size=8),
        weights=st.dictionaries(texts, finite, max_size=3),
        families=st.lists(texts, max_size=3).map(tuple),
        seed=st.none() | st.integers(),
    )
)
def test_toml_is_complete_and_lossless(config: StageConfig) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_bytes(to_toml(config).encode())
        assert load(StageConfig, path) == config


def test_nan_survives_and_a_text_that_means_none_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, to_toml(StageConfig(weights={"odd": math.nan})))
    assert math.isnan(load(StageConfig, path).weights["odd"])
    with pytest.raises(InputError, match="model"):
        to_toml(StageConfig(model=Path("none")))


def test_help_lists_every_field_with_its_docstring_and_default() -> None:
    page = help_text(StageConfig, "practicum sft", "Imitate.")
    for words in (
        "--optimizer.learning_rate",
        "Peak learning rate.",
        "0.001",
        "--size {tiny,small}",
        "The one dial.",
    ):
        assert words in page


def test_a_list_given_in_several_flags_is_one_list_and_a_pair_is_replaced() -> None:
    config = load(StageConfig, None, ["--families", "linear", "--families", "radical", "nested"])
    assert config.families == ("linear", "radical", "nested")
    config = load(StageConfig, None, ["--optimizer.betas", "0.1", "0.2", "--optimizer.betas", "0.3", "0.4"])
    assert config.optimizer.betas == (0.3, 0.4)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("optimizer.learning_rat", "optimizer.learning_rate"),
        ("optimiser.learning_rate", "optimizer.learning_rate"),
        ("practice.seed", "seed"),
        ("practice.steps", "steps"),
        ("learning_rate", "optimizer.learning_rate"),
        ("shufle", "shuffle"),
        ("optimizer.dtype", None),
        ("nothing_like_it", None),
    ],
)
def test_a_hint_goes_by_the_last_part_of_a_name(name: str, meant: str | None) -> None:
    with pytest.raises(InputError) as caught:
        load(StageConfig, None, [f"--{name}", "1"])
    hint = f"; did you mean --{meant}?" if meant else ""
    assert str(caught.value) == f"unknown setting --{name}{hint}"


@dataclass(frozen=True)
class Payers:
    functions: tuple[str, ...] = ()
    limit: float = 1.0


@dataclass(frozen=True)
class Rows:
    file: Path | None = None
    test: Path | None = None


@dataclass(frozen=True)
class Practice:
    reward: Payers = field(default_factory=Payers)
    data: Rows = field(default_factory=Rows)


def test_the_name_of_a_section_stands_for_its_head(tmp_path: Path) -> None:
    rewards = ["--reward", "a.py:f", "--reward", "b.py:g", "c.py:h", "--reward.limit", "2"]
    wanted = Practice(Payers(("a.py:f", "b.py:g", "c.py:h"), 2.0), Rows(Path("rows.jsonl")))
    assert load(Practice, None, ["--data", "rows.jsonl", *rewards]) == wanted
    assert load(Practice, None, ["--data.file", "rows.jsonl"]).data == wanted.data
    assert load(Practice, write(tmp_path, 'data = "rows.jsonl"')).data == wanted.data
