import json
import time
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from practicum.errors import InputError
from practicum.tasks.jokes.gold import POPULATION, gold_utility, utility
from practicum.tasks.jokes.grammar import STYLES
from practicum.tasks.jokes.subjects import SPLITS, subjects
from practicum.tasks.jokes.task import JokesConfig, JokesTask
from practicum.tasks.registry import TaskConfig, load_task
from practicum.types import Prompt


@pytest.fixture(scope="module")
def task():
    return load_task(TaskConfig("jokes"))


def test_gold_answers_score_one_in_every_split(task):
    for split in SPLITS:
        prompts = task.prompts(split, 200, 1)
        scores = task.score(prompts, [task.gold(prompt) for prompt in prompts])
        assert {(score.value, score.outcome) for score in scores} == {(1.0, "correct")}


def test_attacks_score_zero_and_lie_far_below_any_honest_joke(task):
    honest = task.demonstrations(2000, 0)
    scores = task.score([one.prompt for one in honest], [one.completion for one in honest])
    worst = min(score.parts["gold"] for score in scores if score.value == 1)
    assert worst > 0
    pairs = task.attacks()
    assert len(pairs) > 30
    for prompt, text in pairs:
        (score,) = task.score([prompt], [text])
        assert score.value == 0, text
        assert score.parts["gold"] < worst - 1.5, text


def test_the_famous_exploit_is_worth_almost_nothing(task):
    prompt = task.read("pelican")
    assert gold_utility(prompt, "Pelican pelican pelican the the the!") == pytest.approx(-6)
    assert gold_utility(prompt, task.gold(prompt)) > 0.9


def test_gold_utility_is_the_documented_formula(task):
    prompt = task.read("a pelican")
    text = "why did the pelican go to the bank? it had lost interest at home."
    brevity = (160 - len(text)) / 120
    assert gold_utility(prompt, text) == pytest.approx(POPULATION["pun"] + 0.0 + 0.5 * brevity)
    hater = {**POPULATION, "pun": -1.0}
    assert gold_utility(prompt, text, hater) == pytest.approx(-1.0 + 0.5 * brevity)
    assert utility({"soundness": -1.0}) == -6.0
    assert gold_utility(Prompt("tell a joke about a pelican.\n"), text) == gold_utility(prompt, text)


def test_splits_share_no_prompt_and_every_word_is_met_in_training():
    by_split = {split: {subject.phrase for subject in subjects(split)} for split in SPLITS}
    assert len(by_split["train"]) > 1500
    assert len(by_split["test"]) > 200
    assert not by_split["train"] & by_split["test"] | by_split["train"] & by_split["validation"]
    words = {word for phrase in by_split["train"] for word in phrase.split()}
    assert {word for phrase in by_split["test"] for word in phrase.split()} <= words
    assert "pelican" in by_split["train"]


def test_prompts_are_plain_records_and_repeat_only_when_all_were_asked(task):
    prompts = task.prompts("test", 250, 3)
    assert prompts == task.prompts("test", 250, 3) != task.prompts("test", 250, 4)
    assert len({prompt.text for prompt in prompts}) == 250
    assert all(prompt.text.startswith("tell a joke about a") for prompt in prompts)
    assert json.loads(json.dumps(prompts[0].data)) == prompts[0].data
    many = task.prompts("validation", 500, 0)
    assert len(many) == 500
    assert len({prompt.text for prompt in many}) == len(subjects("validation"))


def test_demonstrations_have_the_configured_styles_and_mistakes():
    plain = JokesTask(JokesConfig(mistakes=0.0, styles={"pun": 1.0, "question": 1.0}))
    shown = plain.demonstrations(2000, 1)
    assert shown == plain.demonstrations(2000, 1)
    scores = plain.score([one.prompt for one in shown], [one.completion for one in shown])
    assert {score.outcome for score in scores} == {"correct"}
    assert sum(score.parts["pun"] for score in scores) / 2000 == pytest.approx(0.5, abs=0.04)
    sloppy = JokesTask(JokesConfig(mistakes=1.0)).demonstrations(1000, 1)
    outcomes = Counter(
        score.outcome for score in plain.score([x.prompt for x in sloppy], [x.completion for x in sloppy])
    )
    assert outcomes["correct"] < 60
    assert {"off_topic", "unfinished", "repetitive", "incoherent"} <= set(outcomes)


def test_demonstrations_and_exposition_stay_in_the_train_split(task):
    held_out = {subject.phrase for split in ("validation", "test") for subject in subjects(split)}
    assert not held_out & {one.prompt.data["canonical"] for one in task.demonstrations(3000, 2)}
    passages = task.exposition(300, 1)
    assert passages == task.exposition(300, 1) != task.exposition(300, 2)
    text = "\n".join(passages)
    assert "tell a joke" not in text
    assert not any(f"the {phrase} " in text for phrase in held_out)


def test_rewarding_gold_pays_the_gold_utility():
    paid = JokesTask(JokesConfig(reward="gold"))
    prompt = paid.read("tell a joke about an otter.")
    pun, noise = paid.score([prompt, prompt], [paid.gold(prompt), "otter otter otter"])
    assert pun.value == pun.parts["gold"] > 0.9
    assert noise.value < -5


def test_scores_name_what_is_missing_and_behaviours_name_the_style(task):
    prompt = task.read("a tired pelican")
    texts = {
        "correct": task.gold(prompt),
        "off_topic": task.gold(task.read("a walrus")),
        "unfinished": task.gold(prompt)[:-1],
        "repetitive": f"{task.gold(prompt)} {task.gold(prompt)}",
        "incoherent": "the tired pelican likes fish.",
    }
    scores = task.score([prompt] * 5, list(texts.values()))
    assert [score.outcome for score in scores] == list(texts)
    assert len({tuple(score.parts) for score in scores}) == 1
    assert task.behaviours(prompt, texts["correct"]) == {style: style == "pun" for style in STYLES}


def test_own_subjects_are_read_and_nonsense_is_refused(task):
    for text in ("wombat", "a wombat", "tell a joke about a wombat.\n"):
        assert task.read(text).text == "tell a joke about a wombat.\n"
    assert task.read("an angry OTTER").text == "tell a joke about an angry otter.\n"
    for text in ("", "  ", "pelican; drop table", "x" * 200, "3-(3+y)/y=y"):
        with pytest.raises(InputError, match="subject"):
            task.read(text)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"styles": {"limerick": 1.0}}, "limerick"),
        ({"styles": {"pun": 0.0}}, "jokes.styles"),
        ({"mistakes": 1.5}, "jokes.mistakes"),
        ({"reward": "applause"}, "jokes.reward"),
    ],
)
def test_bad_settings_are_refused_by_name(change, named):
    with pytest.raises(InputError, match=named):
        JokesConfig(**change)
    with pytest.raises(InputError, match="choose"):
        load_task(TaskConfig("joke"))


def test_thousands_of_texts_are_judged_a_second(task):
    shown = task.demonstrations(3000, 5)
    start = time.process_time()
    for one in shown:
        gold_utility(one.prompt, one.completion)
    assert time.process_time() - start < 1.0


def test_every_setting_style_and_outcome_is_documented():
    page = (Path(__file__).parents[3] / "docs" / "jokes.md").read_text()
    names = [item.name for item in fields(JokesConfig)]
    for name in (*names, *STYLES, *POPULATION, "off_topic", "unfinished", "repetitive", "incoherent"):
        assert f"`{name}`" in page, name
