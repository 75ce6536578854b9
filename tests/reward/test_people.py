"""Every sample rated once: fresh noise, the truth on the mean, and the same pay after a resume."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean, stdev

import pytest

from practicum.errors import InputError
from practicum.preferences.raters import GOLDS, PeopleConfig, population, rating, rating_range
from practicum.reward.function import Progress, tell_progress
from practicum.reward.people import RatedByPeople
from practicum.tasks.equations.task import EquationsTask
from practicum.tasks.explanations.task import ExplanationsTask
from practicum.tasks.jokes.task import JokesTask

ALIKE = PeopleConfig(fatigue=0.0, spammers=0.0, pun_spread=0.0, style_spread=0.0, quality_spread=0.0)


@pytest.mark.parametrize("task", [JokesTask(), ExplanationsTask()], ids=lambda task: task.name)
def test_ratings_are_fresh_and_differ_as_true_utilities_do(task):
    prompt = task.prompts("train", 1, 0)[0]
    texts = [task.gold(prompt), "the the the"]
    reward = RatedByPeople(task, ALIKE, 0)
    scores = reward.score([prompt] * 3000, texts * 1500)
    good, bad = ([score.value for score in scores[place::2]] for place in (0, 1))
    assert len(set(good)) == len(good)
    gold = [score.parts["gold"] for score in scores[:2]]
    # Gumbel noise has the standard deviation 1.28.
    error = 4 * 1.2825 * (2 / 1500) ** 0.5
    assert fmean(good) - fmean(bad) == pytest.approx(gold[0] - gold[1], abs=error)
    assert stdev(good) == pytest.approx(1.2825, rel=0.15)
    assert all(score.value == score.parts["rating"] for score in scores)


def test_a_resumed_run_is_paid_as_one_that_was_not_broken_off():
    task = JokesTask()
    prompts = task.prompts("train", 6, 1)
    texts = [task.gold(prompt) for prompt in prompts]
    whole, resumed = (RatedByPeople(task, PeopleConfig(raters=4), 3) for _ in range(2))
    paid = []
    for step in range(3):
        tell_progress(whole, step, 3)
        paid.append([score.value for score in whole.score(prompts, texts)])
    assert paid[0] != paid[1] != paid[2]
    tell_progress(resumed, 2, 3)
    assert resumed.progress == Progress(2, 3)
    assert [score.value for score in resumed.score(prompts, texts)] == paid[2]


def test_who_does_not_read_says_nothing_of_a_text():
    gold, task = GOLDS["jokes"], JokesTask()
    prompt = task.prompts("train", 1, 0)[0]
    low, high = rating_range(gold)
    assert (low, high) == pytest.approx((-6.0, 0.9445 + 1.5), abs=1e-3)
    for rater in population(replace(PeopleConfig(), raters=4, spammers=1.0), gold, 0):
        said = {rating(rater, prompt, text, gold, 7) for text in ("", task.gold(prompt))}
        assert len(said) == 1
        assert low <= said.pop() <= high


def test_a_task_without_simulated_people_is_refused():
    with pytest.raises(InputError, match="'equations' has no simulated raters"):
        RatedByPeople(EquationsTask(), PeopleConfig(), 0)
