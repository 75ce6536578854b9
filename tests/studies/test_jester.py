"""The study of Jester: what it counts as the ceiling, and that it runs on small data."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest

from practicum.errors import InputError
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.pretrain import ModelShape
from practicum.training.reward_model import RewardModelSettings
from studies import jester
from studies.claim import claim
from studies.jester import Pairs, ceiling, divided, pairs_of, ranking_of, read_jester, sets_of
from studies.reading import ReadingSettings
from studies.results import Results, ResultsConfig, read_claims, results_json, write_all

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data beside the repository")
SHAPE = ModelShape(32, 32, 1, 2, 1, 16)
READING = ReadingSettings(model=SHAPE, vocabulary_size=200, batch_texts=8, loop=LoopConfig(3, 3, threads=1))
QUICK = RewardModelSettings(held_out=0.0, epochs=30, optimizer=OptimizerConfig("adamw", 1e-2, warmup_steps=2))


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
    for found in results["seeds"].values():
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
    other |= {"command": "make study", "machine": "m", "date": "2026-01-02", "commit": "c"}
    (tmp_path / "docs" / "results.json").write_text(results_json(Results([other], [])))
    write_all(ResultsConfig(people=(jester_run.run,)), tmp_path)
    written = {row["id"]: row for row in read_claims(tmp_path / "docs" / "results.json")}
    assert written["equations-seconds"]["value"] == 400.0
    share = written["jester-share-of-ceiling"]
    assert share["seeds"] == [0, 1]
    assert share["interval"][0] <= share["value"] <= share["interval"][1]
    assert share["interval_kind"].startswith("95% intervals, bootstrap over the held-out people")
    assert share["met"] == (not share["dirty"] and share["interval"][0] >= 95)
    assert share["command"].startswith(
        "python -m studies.jester --data FOLDER --seeds 0 1 --sets 2 --jokes 4 "
    )
    assert share["command"].endswith(" --run runs/jester")
    assert f"| {share['claim']} |" in (tmp_path / "README.md").read_text()


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


@needs_data
def test_the_real_ratings_are_read() -> None:
    data = read_jester(DATA / "jester")
    assert data.ratings_PJ.shape == (5000, 100)
    assert int((~np.isnan(data.ratings_PJ)).sum()) == 363_209
