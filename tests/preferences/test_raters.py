from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sqlalchemy import text

from practicum.errors import InputError
from practicum.preferences.choice import log_probability
from practicum.preferences.rate import RateConfig, rate
from practicum.preferences.raters import (
    GOLDS,
    Gold,
    PeopleConfig,
    SimulatedRater,
    favourite_taste,
    population,
    rank,
    simulate,
)
from practicum.preferences.records import NewPrompt
from practicum.preferences.store import Store
from practicum.tasks.explanations.task import ExplanationsTask
from practicum.tasks.jokes.gold import POPULATION, gold_utility
from practicum.tasks.jokes.grammar import STYLES
from practicum.tasks.jokes.task import JokesTask
from practicum.types import Prompt, Response
from tests.preferences.breaking import KilledError, killed_before_commit

JOKES = GOLDS["jokes"]
PROMPT = Prompt("tell a joke about a pelican.\n")
PUN = "why did the pelican go to the bank? it had lost interest at home."
PLAIN = "why did the pelican go to the bank? it needed a new pen."
NOISE = "pelican pelican pelican the the the!"
# Features given by name: a world in which a text is nothing but its style.
STYLES_ONLY = Gold(lambda prompt, text: {"soundness": 0.0, text: 1.0}, POPULATION, STYLES, "pun")
FRESH = PeopleConfig(raters=4000, spammers=0.0, position_bias=0.0, fatigue=0.0)


def share_of_first(raters, texts, gold, done=0):
    """How often the first text is put above the second, ties counting half."""
    wins = 0.0
    for rater in raters:
        tiers = rank(rater, PROMPT, texts, gold, done).tiers
        wins += 0.5 if len(tiers) == 1 else float(tiers[0][0] == 0)
    return wins / len(raters)


@pytest.mark.parametrize("model", ["plackett-luce", "thurstone"])
@pytest.mark.parametrize("share", [0.72, 0.5, 0.9])
def test_raters_together_prefer_puns_as_often_as_asked(model, share):
    people = replace(FRESH, model=model, pun_share=share)
    raters = population(people, STYLES_ONLY, 1)
    assert share_of_first(raters, ["pun", "question"], STYLES_ONLY) == pytest.approx(share, abs=0.025)
    assert share_of_first(raters, ["story", "question"], STYLES_ONLY) == pytest.approx(0.5, abs=0.03)


def test_without_spread_the_liking_for_puns_is_the_log_odds():
    alike = replace(FRESH, pun_spread=0.0, style_spread=0.0)
    assert favourite_taste(alike) == pytest.approx(np.log(0.72 / 0.28))
    assert favourite_taste(alike) == pytest.approx(POPULATION["pun"])
    assert favourite_taste(replace(alike, noise=2.0)) == pytest.approx(2 * POPULATION["pun"])
    assert favourite_taste(FRESH) > favourite_taste(alike)


def test_a_rater_follows_the_choice_model_exactly():
    texts = [PUN, PLAIN, NOISE]
    utilities = np.array([gold_utility(PROMPT, text) for text in texts])
    rater = SimulatedRater("one", 0, POPULATION)
    orders = Counter(rank(rater, PROMPT, texts, JOKES, done).tiers for done in range(4000))
    for tiers, count in orders.items():
        assert count / 4000 == pytest.approx(
            np.exp(log_probability(tiers, utilities, "plackett-luce")), abs=0.025
        )


def test_rankings_are_fixed_by_rater_prompt_and_experience():
    first, second = population(PeopleConfig(raters=2, spammers=0.0), JOKES, 0)
    texts = [PUN, PLAIN, NOISE]
    assert rank(first, PROMPT, texts, JOKES, 3) == rank(first, PROMPT, texts, JOKES, 3)
    seen = {rank(rater, PROMPT, texts, JOKES, done).seconds for rater in (first, second) for done in range(5)}
    assert len(seen) == 10
    assert population(PeopleConfig(), JOKES, 0) == population(PeopleConfig(), JOKES, 0)
    assert population(PeopleConfig(), JOKES, 0) != population(PeopleConfig(), JOKES, 1)


def test_honest_raters_reject_degenerate_text_and_say_so():
    judgements = [
        rank(rater, PROMPT, [NOISE, PUN, PLAIN], JOKES)
        for rater in population(PeopleConfig(raters=200, spammers=0.0), JOKES, 2)
    ]
    assert sum(judgement.tiers[-1] == (0,) for judgement in judgements) > 190
    assert all((0, "nonsense") in judgement.flags for judgement in judgements)
    assert not any((1, "nonsense") in judgement.flags for judgement in judgements)


def test_unsafe_words_are_flagged():
    rater = SimulatedRater("one", 0, POPULATION)
    assert (1, "unsafe") in rank(rater, PROMPT, [PUN, "the pelican has a bomb!"], JOKES).flags


def test_position_bias_favours_what_stands_first():
    twins = ["pun", "pun"]
    fair = population(FRESH, STYLES_ONLY, 3)
    biased = population(replace(FRESH, position_bias=1.0), STYLES_ONLY, 3)
    assert share_of_first(fair, twins, STYLES_ONLY) == pytest.approx(0.5, abs=0.03)
    assert share_of_first(biased, twins, STYLES_ONLY) == pytest.approx(1 / (1 + np.exp(-1)), abs=0.03)


def test_tired_raters_tell_less_apart():
    tired = population(replace(FRESH, fatigue=1.0, raters=2000), STYLES_ONLY, 4)
    shares = [share_of_first(tired, ["pun", "question"], STYLES_ONLY, done) for done in (0, 300, 3000)]
    assert all(later < earlier - 0.03 for earlier, later in pairwise(shares))


def test_drift_moves_the_liking_of_each_rater_but_not_of_all_together():
    still = population(replace(FRESH, raters=1000), STYLES_ONLY, 5)
    moving = population(replace(FRESH, raters=1000, drift=3.0), STYLES_ONLY, 5)
    assert [rater.taste for rater in still] == [rater.taste for rater in moving]
    changed = sum(
        rank(a, PROMPT, ["pun", "story"], STYLES_ONLY, 200).tiers
        != rank(b, PROMPT, ["pun", "story"], STYLES_ONLY, 200).tiers
        for a, b in zip(still, moving, strict=True)
    )
    assert changed > 200
    assert abs(np.mean([rater.drift for rater in moving])) < 0.3


def test_ties_come_from_small_differences_only():
    rater = SimulatedRater("one", 0, POPULATION, noise=0.01, tie_width=0.3)
    assert rank(rater, PROMPT, [PUN, PUN, NOISE], JOKES).tiers == ((0, 1), (2,))
    strict = replace(rater, tie_width=0.0)
    assert len(rank(strict, PROMPT, [PUN, PUN, NOISE], JOKES).tiers) == 3


def test_spammers_are_as_many_as_asked_and_do_not_read():
    raters = population(PeopleConfig(raters=40, spammers=0.25), JOKES, 6)
    kinds = Counter(rater.kind for rater in raters)
    assert kinds == {"honest": 30, "random": 5, "position": 5}
    texts = [NOISE, PLAIN, PUN]
    by_kind = {rater.kind: rater for rater in raters}
    for done in range(20):
        judgement = rank(by_kind["position"], PROMPT, texts, JOKES, done)
        assert (judgement.tiers, judgement.flags) == (((0,), (1,), (2,)), ())
        assert judgement.seconds < rank(by_kind["honest"], PROMPT, texts, JOKES, done).seconds
    orders = {rank(by_kind["random"], PROMPT, texts, JOKES, done).tiers for done in range(60)}
    assert len(orders) == 6


def test_simulated_rankings_share_the_work_and_keep_what_was_shown():
    task = JokesTask()
    asked = [
        (
            prompt,
            [Response(task.gold(prompt), id="pun"), Response(NOISE, id="noise"), Response("no.", id="no")],
        )
        for prompt in task.prompts("train", 30, 0)
    ]
    raters = population(PeopleConfig(raters=6, spammers=0.0), JOKES, 0)
    rankings = simulate(raters, asked, JOKES, overlap=2, seed=1)
    assert rankings == simulate(raters, asked, JOKES, overlap=2, seed=1)
    assert set(Counter(ranking.rater for ranking in rankings).values()) == {10}
    assert all(len({r.rater for r in rankings if r.prompt_id == str(index)}) == 2 for index in range(30))
    assert len({tuple(response.id for response in ranking.responses) for ranking in rankings}) == 6
    for ranking in rankings:
        assert ranking.responses[ranking.tiers()[0][0]].id == "pun"
        by_id = dict(zip([response.id for response in ranking.responses], ranking.flags, strict=True))
        assert by_id["noise"] == ("nonsense",)
    with pytest.raises(InputError, match="overlap 7"):
        simulate(raters, asked, JOKES, overlap=7)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"raters": 0}, "raters"),
        ({"pun_share": 1.0}, "pun_share"),
        ({"spammers": -0.1}, "spammers"),
        ({"noise": 0.0}, "noise"),
        ({"tie_width": -1.0}, "tie_width"),
    ],
)
def test_bad_settings_are_refused_by_name(change, named):
    with pytest.raises(InputError, match=f"people.{named}"):
        PeopleConfig(**change)


@pytest.fixture
def database(tmp_path):
    """A project of eight prompts with four responses each."""
    path = tmp_path / "preferences.sqlite"
    task = JokesTask()
    prompts = task.prompts("train", 8, 0)
    jokes = [[task.gold(prompt), NOISE, f"{task.gold(prompt)[:-1]} now.", "nothing."] for prompt in prompts]
    with Store.open(path) as store:
        store.create_project("jokes", overlap=3)
        store.add_prompts(
            "jokes",
            [
                NewPrompt(prompt, tuple(Response(text) for text in texts))
                for prompt, texts in zip(prompts, jokes, strict=True)
            ],
        )
    return path


def test_rate_works_through_a_store_as_people_do(database):
    result = rate(RateConfig(str(database), "jokes", people=PeopleConfig(raters=5, spammers=0.2), batch=3))
    assert result == {
        "project": "jokes",
        "raters": 5,
        "rankings": 24,
        "ratings": 96,
        "dollars": 9.6,
        "left": 0,
    }
    with Store.open(database) as store:
        rankings = store.rankings("jokes")
        assert Counter(ranking.prompt.text for ranking in rankings).most_common()[-1][1] == 3
        best = [ranking.responses[ranking.tiers()[0][0]].text for ranking in rankings]
        assert sum(text.endswith("home.") or "?" in text or len(text) > 20 for text in best) > 16
        assert any("nonsense" in kinds for ranking in rankings for kinds in ranking.flags)
        assert all(rater.data == {"simulated": True} for rater in store.raters("jokes"))
    assert rate(RateConfig(str(database), "jokes", people=PeopleConfig(raters=5)))["rankings"] == 0


def test_rate_stops_at_the_number_asked_for_and_goes_on_later(database):
    people = PeopleConfig(raters=4)
    assert rate(RateConfig(str(database), "jokes", people=people, most=5))["rankings"] == 5
    again = rate(RateConfig(str(database), "jokes", people=people, overlap=2))
    assert (again["rankings"], again["left"]) == (11, 0)


@pytest.mark.parametrize("expired", [False, True])
def test_work_broken_off_at_any_moment_ends_as_if_it_had_not_been(place, expired):
    """Whatever commit the process dies before, and though its leases ran out meanwhile."""
    task = JokesTask()
    texts = [told.completion for told in task.demonstrations(4, 1)] + ["kill kill kill", "puns puns"]
    prompts = [NewPrompt(prompt, tuple(map(Response, texts))) for prompt in task.prompts("train", 9, 0)]

    def work(project):
        return rate(RateConfig(place, project, people=PeopleConfig(raters=3), batch=2, overlap=2))

    def made(project):
        with Store.open(place, create=False) as store:
            return [replace(ranking, time=None) for ranking in store.rankings(project)]

    def change(line):
        with Store.open(place) as store, store._engine.execution_options(writes=True).begin() as connection:
            connection.execute(text(line))

    def project(name):
        # The order shown hangs on the project's name too, so each project has it for a while.
        with Store.open(place) as store:
            change(f"UPDATE projects SET name = 'before {name}' WHERE name = 'jokes'")
            store.create_project("jokes", prompts=prompts)

    project("whole")
    with killed_before_commit(10_000) as commits:
        work("jokes")
    unbroken = made("jokes")
    assert len(unbroken) == 2 * len({prompt.prompt.text for prompt in prompts})
    assert any(ranking.flags for ranking in unbroken)
    for number in range(commits[0]):
        project(str(number))
        with pytest.raises(KilledError), killed_before_commit(number):
            work("jokes")
        if expired:
            change("UPDATE assignments SET expires = 0")
        work("jokes")
        assert made("jokes") == unbroken, f"killed before commit {number}"


def test_rate_names_what_it_cannot_use(database, tmp_path):
    with pytest.raises(InputError, match=r"missing\.sqlite"):
        rate(RateConfig(str(tmp_path / "missing.sqlite"), "jokes"))
    with pytest.raises(InputError, match="poems"):
        rate(RateConfig(str(database), "poems"))
    with pytest.raises(InputError, match="batch"):
        RateConfig(str(database), "jokes", batch=0)


def test_explanations_have_raters_too():
    task = ExplanationsTask()
    prompt = task.prompts("train", 1, 0)[0]
    friendly, curt = task.gold(prompt), prompt.data["worked"]
    raters = population(PeopleConfig(raters=100, spammers=0.0), GOLDS["explanations"], 0)
    better = sum(
        rank(rater, prompt, [curt, friendly], GOLDS["explanations"]).tiers[0] == (1,) for rater in raters
    )
    assert better > 75
