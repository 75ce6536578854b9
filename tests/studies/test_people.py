"""The studies of real people's rankings: what they count as the ceiling, and that they run on small data."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from practicum.errors import InputError
from practicum.model.checkpoint import save_model
from practicum.model.lora import LoraConfig
from practicum.model.tokenizer import train_tokenizer
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.pretrain import ModelShape
from practicum.training.reward_model import RewardModelConfig
from studies import humicroedit, jester, people_claims
from studies.claims import claim
from studies.humicroedit import Edited, grades, people, read_pairs, some_headlines
from studies.jester import Pairs, ceiling, divided, pairs_of, ranking_of, read_jester, sets_of
from studies.reading import ReadingConfig
from studies.results import Results, ResultsConfig, read_claims, results_json, write_all
from tests.tiny import ONE_LAYER, tiny_decoder

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data beside the repository")
SHAPE = ModelShape(32, 32, 1, 2, 1, 16)
READING = ReadingConfig(SHAPE, 200, batch_texts=8, loop=LoopConfig(3, 3, threads=1))
QUICK = RewardModelConfig(
    Path(), (), held_out=0.0, epochs=30, threads=1, optimizer=OptimizerConfig("adamw", 1e-2, warmup_steps=2)
)


@pytest.fixture(scope="module")
def jokes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jester's files with 60 people who mostly agree that later jokes are better, and rate two in three."""
    folder = tmp_path_factory.mktemp("jester")
    random = np.random.default_rng(0)
    texts = [f"joke number {number} about a {word}." for number, word in enumerate("abcdefghijkl")]
    lines = [json.dumps({"id": f"j{number + 1}", "text": text}) for number, text in enumerate(texts)]
    (folder / jester.JOKES).write_text("\n".join(lines) + "\n")
    rows = ["user," + ",".join(f"j{number + 1}" for number in range(12))]
    for person in range(60):
        ratings = np.arange(12) - 6 + 3 * random.standard_normal(12)
        rated = random.random(12) < 2 / 3
        rows.append(
            ",".join(
                [f"u{person}", *(f"{x:.1f}" if on else "" for x, on in zip(ratings, rated, strict=True))]
            )
        )
    (folder / jester.RATINGS).write_text("\n".join(rows) + "\n")
    return folder


def test_the_majority_of_the_others_is_counted_without_the_pairs_own_person() -> None:
    ratings = np.array([[1.0, 2.0, np.nan], [3.0, 2.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 5.0]])
    pairs = Pairs(np.array([1, 3, 0]), np.array([0, 1, 1]), np.array([1, 0, 0]))
    # Of joke 0 and 1: persons 1 and 2 prefer 0, persons 0 and 3 prefer 1. Without person 1 it is 1 to 2, so
    # person 1 is against the majority; without 3 it is 2 to 1, and so it is without 0.
    assert ceiling(ratings, pairs)["accuracy"] == 0.0
    assert jester.majority_votes(ratings)[0].tolist() == [0, 2, 2]
    # Persons 1 and 3 disagree about jokes 1 and 2; person 2 has a tie there, person 0 has not rated both.
    alone = Pairs(np.array([1]), np.array([1]), np.array([2]))
    assert ceiling(ratings[:3], alone)["accuracy"] == 0.5, "nobody else votes: a coin"


def test_people_teach_or_are_held_out_and_a_set_holds_jokes_they_rated(jokes: Path) -> None:
    data = read_jester(jokes)
    config = jester.StudyConfig(jokes, Path("unused"), sets=2, jokes=4)
    learning, held_out = divided(60, 0.25, seed=3)
    assert len(held_out) == 15
    assert sorted([*learning, *held_out]) == list(range(60))
    assert divided(60, 0.25, seed=4)[1] != held_out
    pairs = pairs_of(data, config, held_out, seed=3)
    assert set(pairs.person_N.tolist()) <= set(held_out)
    better = data.ratings_PJ[pairs.person_N, pairs.better_N]
    assert (better > data.ratings_PJ[pairs.person_N, pairs.worse_N]).all()
    sets = sets_of(data.ratings_PJ[0], config, Random("any"))
    drawn = [joke for one in sets for joke in one]
    assert len(drawn) == len(set(drawn)) <= 8
    ranking = ranking_of(data, 0, sets[0])
    best = ranking.responses[ranking.ranks.index(1)]
    assert data.texts.index(best.text) == max(sets[0], key=lambda joke: data.ratings_PJ[0, joke])


@pytest.fixture(scope="module")
def jester_run(jokes: Path, tmp_path_factory: pytest.TempPathFactory) -> jester.StudyConfig:
    """The settings of a small study that is finished."""
    config = jester.StudyConfig(
        jokes,
        tmp_path_factory.mktemp("run") / "jester",
        seeds=(0, 1),
        sets=2,
        jokes=4,
        reading=READING,
        reward_model=QUICK,
    )
    jester.study(config)
    return config


def test_the_jester_study_learns_what_held_out_people_like_and_continues(
    jester_run: jester.StudyConfig,
) -> None:
    results = json.loads((jester_run.run / "results.json").read_text())
    for found in results.values():
        assert found["reward_model"]["rank_correlation"] > 0.8
        assert found["aggregate"]["rank_correlation"] > 0.8
        assert found["reward_model"]["accuracy"] > 0.6
        assert found["reward_model"]["ci95"][0] < found["ceiling"]["accuracy"] < 1
    metrics = jester_run.run / "seed-0" / "reward-model" / "metrics.jsonl"
    before = metrics.read_bytes()
    assert jester.study(jester_run) == results
    assert metrics.read_bytes() == before


def test_its_claims_join_those_of_other_studies(jester_run: jester.StudyConfig, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for page in ("README.md", "docs/poisoned_key.md"):
        (tmp_path / page).write_text("<!-- results: jester-share* -->\n<!-- end results -->\n")
    other = claim("equations-seconds", "Time", {0: 400.0}, "s", "at most 600")
    other |= {"machine": "m", "date": "2026-01-02", "commit": "c"}
    (tmp_path / "docs" / "results.json").write_text(results_json(Results([other], [])))
    write_all(ResultsConfig(people=(jester_run.run,)), tmp_path)
    written = {row["id"]: row for row in read_claims(tmp_path / "docs" / "results.json")}
    assert written["equations-seconds"]["value"] == 400.0
    share = written["jester-share-of-ceiling"]
    assert share["seeds"] == [0, 1]
    assert share["interval"][0] <= share["value"] <= share["interval"][1]
    assert share["interval_kind"].startswith("95% intervals, bootstrap over the held-out people")
    assert share["met"] == (not share["dirty"] and share["interval"][0] >= 95)
    assert share["command"] == "python -m studies.jester --data FOLDER --run runs/jester"
    assert f"| {share['claim']} |" in (tmp_path / "README.md").read_text()
    (tmp_path / "results.json").write_text('{"seed-0": {"gain": 1}}')
    with pytest.raises(InputError, match="none of the studies jester"):
        people_claims.measure(tmp_path)


def test_data_that_is_not_jesters_is_named(jokes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; --data is a folder with jester5k"):
        read_jester(tmp_path)
    (tmp_path / jester.JOKES).write_text((jokes / jester.JOKES).read_text())
    text = (jokes / jester.RATINGS).read_text()
    (tmp_path / jester.RATINGS).write_text(text + "u60,good" + "," * 11 + "\n")
    with pytest.raises(InputError, match=r"jester5k_ratings.csv:62: .*'good'"):
        read_jester(tmp_path)
    (tmp_path / jester.RATINGS).write_text(text.replace("j12\n", "j13\n"))
    with pytest.raises(InputError, match=r"csv:1: expected the columns"):
        read_jester(tmp_path)


# -------------------------------------------------------------------------------------------------- headlines


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
    decoder = tiny_decoder(tokenizer, intermediate_size=32, max_position_embeddings=128, **ONE_LAYER)
    save_model(decoder, tokenizer, run / "tiny")
    pairs = replace(QUICK, epochs=8, batch_prompts=16, batching="pairs")
    return humicroedit.StudyConfig(
        headlines,
        run,
        model=run / "tiny",
        parts=("own", "smollm2"),
        pairs=30,
        reading=READING,
        own=pairs,
        smollm2=replace(pairs, lora=LoraConfig(rank=4, targets=("q_proj", "up_proj"))),
    )


def test_the_headlines_study_finds_the_funny_word_with_all_weights_and_with_adapters(
    headlines: Path, tmp_path: Path
) -> None:
    config = small_study(headlines, tmp_path / "run")
    found = humicroedit.study(config)
    assert found["pairs"] == {"train": 90, "some": 30, "dev": 30}
    for part in ("own-0", "smollm2-0"):
        assert found[part]["accuracy"] > 0.9, part
        assert found[part]["pairs"] == 30, "ties are no question"
    opinions = json.loads((tmp_path / "run" / "own-0" / "opinions.json").read_text())
    assert len(opinions) == 20
    assert all("pelican" in row["people prefer"] and "tax" in row["to"] for row in opinions)
    assert humicroedit.study(config) == found
    claims = {row["id"]: row for row in people_claims.measure(config.run)}
    assert claims.keys() == {"humicroedit-smollm2-accuracy", "humicroedit-own-accuracy"}
    row = claims["humicroedit-own-accuracy"]
    assert (row["value"], row["n"]) == (100 * found["own-0"]["accuracy"], 30)
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
    assert found["trl-0"]["accuracy"] > 0.9
    summary = json.loads((tmp_path / "run" / "trl-0" / "summary.json").read_text())
    assert summary["pairs"] == 8 * found["pairs"]["some"]
    assert found["trl-0"]["tokens"] == found["smollm2-0"]["tokens"]


@needs_data
def test_the_real_files_are_read() -> None:
    data = read_jester(DATA / "jester")
    assert data.ratings_PJ.shape == (5000, 100)
    assert int((~np.isnan(data.ratings_PJ)).sum()) == 363_209
    dev = read_pairs(DATA / "humicroedit" / "task2_dev.csv")
    assert len(dev) == 2355
    assert all(
        pair.label == (0 if len(set(means)) == 1 else 1 + int(means[1] > means[0]))
        for pair in dev
        for means in [[round(float(np.mean(panel)), 6) for panel in pair.grades]]
    )
