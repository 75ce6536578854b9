"""Would people agree that it is better? The policy's answer against the reference's, by the reward and by
simulated raters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from practicum.audit.answers import Answers
from practicum.preferences.raters import GOLDS, PeopleConfig, population, simulate
from practicum.report.figures import SMALL
from practicum.report.plots import estimates_picture
from practicum.report.sections import Section, estimate_row
from practicum.stats import Estimate, clustered_share
from practicum.types import Ranking, Response

MOST_TURNS = 20
"""Prompts that a simulated rater meets before the first one comes again."""


def simulated_rankings(
    task: str, reference: Answers, policy: Answers, seed: int
) -> tuple[list[Ranking], list[Ranking]]:
    """Simulated raters' rankings: of the reference's answers by two raters twice each, of the policy's.

    `task` is one of GOLDS. The reference needs different answers to two prompts or more.
    """
    gold = GOLDS[task]
    old, new = reference.different(), policy.different()
    turns = min(MOST_TURNS, len(old))
    raters = population(PeopleConfig(raters=2 * turns), gold, seed)
    # Raters take turns, so after a whole number of rounds each meets the same prompts again.
    old = old[: len(old) // turns * turns]
    twice = simulate(raters, [*old, *old], gold, 2, seed)
    return [replace(one, prompt_id="") for one in twice], simulate(raters, new, gold, 1, seed + 1)


def opinions(task: str, reference: Answers, policy: Answers, seed: int) -> tuple[Estimate, Estimate]:
    """How often the policy's answer is better than the reference's to the same prompt.

    (By the reward, by simulated raters), ties counting half, intervals over prompts.
    """
    gold = GOLDS[task]
    raters = population(PeopleConfig(), gold, seed)
    duels = [
        (prompt, [Response(old, id="reference"), Response(new, id="policy")])
        for (prompt, old), (_, new) in zip(reference.pairs(), policy.pairs(), strict=True)
    ]
    by_people = []
    for ranking in simulate(raters, duels, gold, 1, seed + 2):
        rank = {one.id: place for one, place in zip(ranking.responses, ranking.ranks, strict=True)}
        by_people.append(0.5 + 0.5 * np.sign(rank["reference"] - rank["policy"]))
    gained = policy.part("reward_model") - reference.part("reward_model")
    cluster = np.unique([prompt.text for prompt, _ in duels], return_inverse=True)[1]
    return clustered_share(0.5 + 0.5 * np.sign(gained), cluster), clustered_share(
        np.array(by_people), cluster
    )


def section(reward: Estimate, people: Estimate) -> Section:
    """Whether people see the improvement that the reward sees."""
    worse = people.high < 0.5 < reward.value
    sentence = (
        f"The reward calls the policy's answer better in {reward.value:.0%} of cases, "
        f"people in {people.value:.0%}"
    )
    end = ": more of this reward makes it worse for people." if worse else "."
    return Section(
        "overoptimization",
        "Would people agree that it is better?",
        "bad" if worse else "open" if people.low < 0.5 else "good",
        sentence + end,
        {"reward": reward.json(), "people": people.json()},
        [(picture(reward, people), "The policy's answer against the reference's.")],
        ("judge", "policy better", "95% interval"),
        [estimate_row("the reward", reward), estimate_row("people", people)],
    )


def picture(reward: Estimate, people: Estimate) -> str:
    """How often the policy's answer is called the better one, by the reward and by people."""
    parts = [("the reward", reward), ("people", people)]
    return estimates_picture("audit-opinion", parts, "policy's answer is better", None, SMALL)
