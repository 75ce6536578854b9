"""The study of Humicroedit: what it counts as the ceiling, and that it runs on small data."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from practicum.errors import InputError
from practicum.model.checkpoint import save_model
from practicum.model.decoder import Decoder, DecoderConfig, initialise
from practicum.model.lora import LoraConfig
from practicum.model.tokenizer import train_tokenizer
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.pretrain import ModelShape
from practicum.training.reward_model import RewardModelSettings
from studies import humicroedit
from studies.humicroedit import Edited, grades, people, read_pairs, some_headlines
from studies.reading import ReadingSettings
from studies.results import measure

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data beside the repository")
SHAPE = ModelShape(32, 32, 1, 2, 1, 16)
READING = ReadingSettings(model=SHAPE, vocabulary_size=200, batch_texts=8, loop=LoopConfig(3, 3, threads=1))
QUICK = RewardModelSettings(held_out=0.0, epochs=30, optimizer=OptimizerConfig("adamw", 1e-2, warmup_steps=2))


def panels(count: int, graders: int, seed: int) -> tuple[list[Edited], list[bool]]:
    """Pairs whose true difference is known, and whether the panel's label is the truth's, ties left out."""
    random = np.random.default_rng(seed)
    pairs, right = [], []
    for number in range(count):
        truth = 1.2 + 0.45 * random.standard_normal(2)
        given = np.clip(np.rint(truth[:, None] + 0.8 * random.standard_normal((2, graders))), 0, 3).astype(
            int
        )
        means = given.mean(1)
        label = 0 if means[0] == means[1] else 1 + int(means[1] > means[0])
        both = (tuple(given[0].tolist()), tuple(given[1].tolist()))
        pairs.append(Edited(f"headline {number}", ("a", "b"), both, label))
        if label:
            right.append((truth[0] > truth[1]) == (label == 1))
    return pairs, right


@pytest.mark.parametrize("graders", [5, 10])
def test_the_ceiling_is_how_often_a_panel_is_right(graders: int) -> None:
    pairs, right = panels(6000, graders, seed=1)
    found = people(pairs)
    assert found["ceiling"] == pytest.approx(np.mean(right), abs=0.015)
    # One person decides less well than the whole panel does.
    assert 0.5 < found["one_person"] < found["ceiling"]


def test_panels_that_grade_by_chance_leave_a_model_nothing_to_find() -> None:
    random = np.random.default_rng(0)
    grades_of = random.integers(0, 4, (4000, 2, 5)).tolist()
    pairs = [
        Edited(str(n), ("a", "b"), (tuple(one), tuple(two)), 1) for n, (one, two) in enumerate(grades_of)
    ]
    found = people(pairs)
    assert found["ceiling"] < 0.6
    assert found["one_person"] == pytest.approx(0.5, abs=0.02)


def test_dropped_zeros_of_a_panel_come_back() -> None:
    assert grades("1113", 1.2) == (0, 1, 1, 1, 3)
    assert grades("2", 0.4) == (0, 0, 0, 0, 2)
    assert grades("1111100000", 0.5) == (1, 1, 1, 1, 1, 0, 0, 0, 0, 0)
    with pytest.raises(ValueError, match=r"do not have the mean 3\.0"):
        grades("11111", 3.0)


@pytest.fixture(scope="module")
def headlines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Humicroedit's files with 60 headlines of three edits each; `pelican` is always the funniest."""
    folder = tmp_path_factory.mktemp("humicroedit")
    head = "id,original1,edit1,grades1,meanGrade1,original2,edit2,grades2,meanGrade2,label"
    for split, first in (("train", 0), ("dev", 45)):
        rows = []
        for number in range(first, first + (45 if split == "train" else 15)):
            title = f'"Senate votes on the <budget/> of year {number} , again"'
            rows += [
                f"{number}-1,{title},pelican,22222,2.0,{title},tax,10,0.2,1",
                f"{number}-2,{title},tax,10,0.2,{title},pelican,22222,2.0,2",
                f"{number}-3,{title},tax,10,0.2,{title},law,1,0.2,0",
            ]
        (folder / f"task2_{split}.csv").write_text("\n".join([head, *rows]) + "\n")
    return folder


def test_pairs_are_read_as_the_panels_saw_them(headlines: Path, tmp_path: Path) -> None:
    pairs = read_pairs(headlines / "task2_dev.csv")
    assert pairs[0] == Edited(
        "Senate votes on the budget of year 45 , again",
        ("Senate votes on the pelican of year 45 , again", "Senate votes on the tax of year 45 , again"),
        ((2, 2, 2, 2, 2), (0, 0, 0, 1, 0)),
        1,
    )
    some = some_headlines(pairs, 10)
    assert len(some) == 12, "whole headlines"
    everything = some_headlines(pairs, 1000)
    assert len(everything) == len(pairs)
    assert everything[:12] == some
    broken = tmp_path / "task2_dev.csv"
    broken.write_text((headlines / "task2_dev.csv").read_text().replace("22222,2.0", "22222,0.1", 1))
    with pytest.raises(InputError, match=r"task2_dev.csv:2: grades '22222' do not have the mean 0.1"):
        read_pairs(broken)
    with pytest.raises(InputError, match="no such file; --data is a folder"):
        read_pairs(tmp_path / "task2_train.csv")


def small_study(headlines: Path, run: Path) -> humicroedit.StudyConfig:
    """The study with a tiny model in SmolLM2's place."""
    tokenizer = train_tokenizer(
        ["Senate votes on the budget, pelican, tax or law of year 1 , again"] * 4, 160
    )
    shape = DecoderConfig(tokenizer.get_vocab_size(), 32, 32, 1, 2, 1, 16, max_position_embeddings=128)
    save_model(initialise(Decoder(shape), 0), tokenizer, run / "tiny")
    pairs = replace(QUICK, epochs=8, batch_prompts=16, batching="pairs")
    return humicroedit.StudyConfig(
        headlines,
        run,
        model=run / "tiny",
        parts=("own", "smollm2"),
        pairs=30,
        reading=READING,
        own=pairs,
        threads=1,
        smollm2=replace(pairs, lora=LoraConfig(rank=4, targets=("q_proj", "up_proj"))),
    )


def test_the_headlines_study_finds_the_funny_word_with_all_weights_and_with_adapters(
    headlines: Path, tmp_path: Path
) -> None:
    config = small_study(headlines, tmp_path / "run")
    found = humicroedit.study(config)
    assert found["pairs"] == {"train": 90, "some": 30, "dev": 30}
    for part in ("own", "smollm2"):
        assert found["parts"][part]["0"]["accuracy"] > 0.9, part
        assert found["parts"][part]["0"]["pairs"] == 30, "ties are no question"
    opinions = json.loads((tmp_path / "run" / "own-0" / "opinions.json").read_text())
    assert len(opinions) == 20
    assert all("pelican" in row["people prefer"] and "tax" in row["to"] for row in opinions)
    assert humicroedit.study(config) == found
    claims = {row["id"]: row for row in measure(config.run)}
    assert claims.keys() == {"humicroedit-smollm2-accuracy", "humicroedit-own-accuracy"}
    row = claims["humicroedit-own-accuracy"]
    assert row["command"].endswith("--run runs/humicroedit --parts own --seeds 0")
    assert row["commit"] == found["parts"]["own"]["0"]["commit"]
    assert (row["value"], row["n"]) == (100 * found["parts"]["own"]["0"]["accuracy"], 30)
    assert row["interval"][0] <= row["value"] <= row["interval"][1]


@pytest.mark.slow
@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("trl", "peft")), reason="pip install trl peft"
)
def test_trl_gets_the_same_pairs_and_its_model_is_examined_the_same_way(
    headlines: Path, tmp_path: Path
) -> None:
    config = replace(small_study(headlines, tmp_path / "run"), parts=("smollm2", "trl"))
    found = humicroedit.study(config)
    assert found["parts"]["trl"]["0"]["accuracy"] > 0.9
    summary = json.loads((tmp_path / "run" / "trl-0" / "summary.json").read_text())
    assert summary["pairs"] == 8 * found["pairs"]["some"]
    assert found["parts"]["trl"]["0"]["tokens"] == found["parts"]["smollm2"]["0"]["tokens"]


@needs_data
def test_the_real_headlines_are_read() -> None:
    dev = read_pairs(DATA / "humicroedit" / "task2_dev.csv")
    assert len(dev) == 2355
    assert all(
        pair.label == (0 if len(set(means)) == 1 else 1 + int(means[1] > means[0]))
        for pair in dev
        for means in [[round(float(np.mean(panel)), 6) for panel in pair.grades]]
    )
