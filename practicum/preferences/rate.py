"""`practicum rate`: simulated raters work through a preference store, leasing and ranking as people do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from practicum.preferences.raters import GOLDS, Gold, PeopleConfig, SimulatedRater, population, rank
from practicum.preferences.records import Answer, Assignment
from practicum.preferences.store import Store
from practicum.ranges import Common, Count, NonNegativeInt, Ranged, Seed


@dataclass(frozen=True)
class RateConfig(Ranged):
    """Let simulated raters work through the prompts of a preference store.

    practicum rate --database study.sqlite --project jokes --people.raters 20
    """

    database: str
    """Path of the SQLite file, or a postgresql:// URL."""
    project: str
    """The project to work on."""
    task: Common[Literal["jokes", "explanations"]] = "jokes"
    """What the prompts are of, and so what the raters weigh."""
    people: PeopleConfig = field(default_factory=PeopleConfig)
    """Who the raters are."""
    overlap: Common[Count | None] = None
    """Raters per prompt; none leaves the project's number."""
    most: Common[NonNegativeInt] = 0
    """Rankings made before everybody stops; 0 works until nothing is left."""
    batch: Count = 20
    """Prompts a rater takes at a time."""
    seed: Common[Seed] = 0
    """Fixes the raters and their choices."""


def rate(config: RateConfig) -> dict[str, Any]:
    """Rank until nothing is left; the JSON of `practicum rate`.

    Raises InputError for a missing database or project, or a prompt that is not of the task.
    """
    gold = GOLDS[config.task]
    with Store.open(config.database, create=False, seed=config.seed) as store:
        if config.overlap is not None:
            store.set_overlap(config.project, config.overlap)
        known = {rater.name for rater in store.raters(config.project)}
        raters = population(config.people, gold, config.seed)
        for rater in raters:
            if rater.name not in known:
                store.add_rater(config.project, rater.name, data={"simulated": True})
        before = store.progress(config.project)
        made = _work(store, config, raters, gold)
        after = store.progress(config.project)
    return {
        "project": config.project,
        "raters": len(raters),
        "rankings": made,
        "ratings": after.ratings - before.ratings,
        "dollars": round(after.dollars_spent - before.dollars_spent, 6),
        "left": max(after.wanted - after.done, 0),
    }


def _work(store: Store, config: RateConfig, raters: list[SimulatedRater], gold: Gold) -> int:
    """Whoever has done least goes next, until nobody gets a prompt; returns the rankings made.

    Whose turn it is hangs on what is in the store alone, so that work which was broken off anywhere goes on
    as if it had not been: a rater who holds prompts has done least still, and ranks those first.
    """
    done = {rater.name: store.rater_progress(config.project, rater.name).done for rater in raters}
    made, busy = 0, list(raters)
    while busy and not (config.most and made >= config.most):
        rater = min(busy, key=lambda one: done[one.name])
        wanted = min(config.batch, config.most - made) if config.most else config.batch
        assignments = store.lease_many(config.project, rater.name, wanted)
        if assignments:
            answers = _answers(rater, assignments, gold, done[rater.name])
            store.submit_many(config.project, rater.name, answers)
        else:
            busy.remove(rater)
        done[rater.name] += len(assignments)
        made += len(assignments)
    return made


def _answers(rater: SimulatedRater, assignments: list[Assignment], gold: Gold, done: int) -> list[Answer]:
    """What a rater says of the prompts they have taken."""
    answers = []
    for number, assignment in enumerate(assignments):
        texts = [response.text for response in assignment.responses]
        judgement = rank(rater, assignment.prompt, texts, gold, done + number)
        ids = [response.id for response in assignment.responses]
        tiers = [[ids[position] for position in tier] for tier in judgement.tiers]
        flags = [(ids[position], kind) for position, kind in judgement.flags]
        answers.append(Answer(assignment.id, tiers, judgement.seconds, flags))
    return answers
