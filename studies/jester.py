"""What thousands of people found funny: `python -m studies.jester --data FOLDER --run runs/jester`.

```
RUN/seed-0/rankings.jsonl    sets of five jokes as the people of the learning side ranked them
RUN/seed-0/reading           a small model that has read the hundred jokes (without --model)
RUN/seed-0/reward-model      the reward model learned from the rankings
RUN/results.json             per seed: accuracy on the pairs of people who taught nothing, of the reward model
                             and of the aggregate, beside the human ceiling on the same pairs; rank
                             correlation with those people's mean ratings
```
The data are Jester's ratings (Goldberg, Roeder, Gupta & Perkins 2001, Eigentaste, Information Retrieval 4(2)
133-151): 5,000 people, 100 jokes. With a hundred texts a model can learn all of them; what is held out is
people, not jokes. A part that is finished is skipped and one that was killed is resumed.

Suffixes: P people, J jokes, N pairs.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from practicum.config import completed
from practicum.errors import InputError
from practicum.model.decoder import compute_dtype
from practicum.preferences import formats
from practicum.preferences.aggregate import consensus
from practicum.reward.accuracy import share_interval as by_person
from practicum.reward.model import load_reward_model
from practicum.stats import Floats, Integers, bootstrap
from practicum.training import reward_model
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.reward_model import RewardModelConfig, RewardModelSettings
from practicum.types import Prompt, Ranking, Response
from studies.claim import PERCENT, by_seed, claim, noted
from studies.common import finished, note_machine, record, study_main
from studies.judged import Claim
from studies.reading import ReadingConfig, ReadingSettings, read_texts

RATINGS, JOKES = "jester5k_ratings.csv", "jester_jokes.jsonl"
PROMPT = Prompt("Tell a joke.\n")


@dataclass(frozen=True)
class StudyConfig:
    """A reward model from people's ratings of jokes, examined on other people."""

    data: Path
    """Folder with jester5k_ratings.csv and jester_jokes.jsonl."""
    run: Path
    """Folder of the study."""
    model: Path | None = None
    """The model to start from; none reads the hundred jokes into a small model of the study's own."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each draws other people to hold out, other sets of jokes and other weights."""
    held_out: float = 0.2
    """Share of people who teach nothing."""
    sets: int = 4
    """Sets of jokes that each person ranks, at most."""
    jokes: int = 5
    """Jokes of a set."""
    reading: ReadingSettings = field(
        default_factory=lambda: ReadingSettings(
            vocabulary_size=1000, loop=LoopConfig(steps=60, checkpoint_every=60)
        )
    )
    """How the small model reads."""
    reward_model: RewardModelSettings = field(
        default_factory=lambda: RewardModelSettings(
            held_out=0.0,
            epochs=40,
            optimizer=OptimizerConfig("adamw", 2e-3, warmup_steps=5, final_share=0.1),
        )
    )
    """How the reward model is fitted; the study decides on model, rankings and seed. All rankings are of one
    prompt, so an epoch is one update, on all of them."""
    threads: int = 0
    """CPU threads of fitting it; 0 takes one per core."""


@dataclass(frozen=True)
class Jester:
    """Ratings [P, J], from -10 to 10 and NaN where a person did not rate; the jokes' texts [J]."""

    people: tuple[str, ...]
    ratings_PJ: Floats
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Pairs:
    """Pairs of jokes by number, as a person ordered them; ties left out."""

    person_N: Integers
    better_N: Integers
    worse_N: Integers


def study(config: StudyConfig) -> dict[str, Any]:
    """Run what is missing, write RUN/results.json and return it."""
    data = read_jester(config.data)
    note_machine(config.run, "jester")
    results = {"seeds": {str(seed): one_seed(config, data, seed) for seed in config.seeds}}
    return record(config, "jester", results)


def one_seed(config: StudyConfig, data: Jester, seed: int) -> dict[str, Any]:
    """Teach with some people, examine on the others."""
    folder = config.run / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    learning, held_out = divided(len(data.people), config.held_out, seed)
    rankings = [
        ranking_of(data, person, jokes)
        for person in learning
        for jokes in sets_of(data.ratings_PJ[person], config, Random(f"jester {seed} {person}"))
    ]
    file = folder / "rankings.jsonl"
    if not file.exists():
        formats.write(file, rankings)
    start = config.model
    if start is None:
        start = folder / "reading"
        finished(start, partial(read_texts, data.texts, completed(ReadingConfig, config.reading, seed=seed)))
    settings = completed(
        RewardModelConfig,
        config.reward_model,
        model=start,
        preferences=(str(file),),
        threads=config.threads,
        seed=seed,
    )
    summary = finished(folder / "reward-model", partial(reward_model.train, settings))
    scored = load_reward_model(folder / "reward-model", compute_dtype(settings.dtype))
    pairs = pairs_of(data, config, held_out, seed)
    found = consensus(rankings)
    aggregate_J = np.array([found.scores[PROMPT.text, f"j{joke + 1}"] for joke in range(len(data.texts))])
    rewards_J = scored.rewards([PROMPT.text] * len(data.texts), data.texts).mean(1).double().numpy()
    scores = {"reward_model": rewards_J, "aggregate": aggregate_J}
    return {
        "rankings": len(rankings),
        "people_learning": len(learning),
        "people_held_out": len(held_out),
        "pairs": len(pairs.better_N),
        "seconds": summary["total_seconds"],
        "reward_model": examined(rewards_J, data, pairs, held_out),
        "aggregate": examined(aggregate_J, data, pairs, held_out),
        "ceiling": ceiling(data.ratings_PJ, pairs),
        "over_people": over_people(scores, data, pairs, held_out, seed),
    }


# -------------------------------------------------------------------------------------------------- the data


def read_jester(folder: Path) -> Jester:
    """Read both files. Raises InputError naming the file and line that is not as expected."""
    jokes = [json.loads(line) for line in _lines(folder / JOKES)]
    names = [f"j{number + 1}" for number in range(len(jokes))]
    if [joke.get("id") for joke in jokes] != names:
        raise InputError(f"{folder / JOKES}: expected jokes with ids j1, j2, ... in order")
    rows = list(csv.reader(_lines(folder / RATINGS)))
    if rows[0] != ["user", *names]:
        raise InputError(f"{folder / RATINGS}:1: expected the columns user, j1, ..., {names[-1]}")
    ratings_PJ = np.full((len(rows) - 1, len(jokes)), np.nan)
    for number, row in enumerate(rows[1:]):
        try:
            ratings_PJ[number] = [float(value) if value else np.nan for value in row[1:]]
        except ValueError as error:
            raise InputError(
                f"{folder / RATINGS}:{number + 2}: {error}; expected ratings or blanks"
            ) from error
    return Jester(tuple(row[0] for row in rows[1:]), ratings_PJ, tuple(joke["text"] for joke in jokes))


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; --data is a folder with {RATINGS} and {JOKES}")
    return path.read_text(encoding="utf-8").splitlines()


def divided(people: int, held_out: float, seed: int) -> tuple[list[int], list[int]]:
    """(who teaches, who is held out), by number; InputError when a side would be empty."""
    order = list(range(people))
    Random(f"jester people {seed}").shuffle(order)
    cut = round(people * held_out)
    if not 0 < cut < people:
        raise InputError(f"held_out {held_out} of {people} people leaves one side empty")
    return sorted(order[cut:]), sorted(order[:cut])


def sets_of(ratings_J: Floats, config: StudyConfig, random: Random) -> list[list[int]]:
    """Sets of different jokes among those a person rated, no joke in two sets."""
    rated = [int(joke) for joke in np.flatnonzero(~np.isnan(ratings_J))]
    random.shuffle(rated)
    whole = min(config.sets, len(rated) // config.jokes)
    return [rated[number * config.jokes : (number + 1) * config.jokes] for number in range(whole)]


def ranking_of(data: Jester, person: int, jokes: Sequence[int]) -> Ranking:
    """A person's ratings of some jokes as a ranking; equal ratings are a tie."""
    ratings = [float(data.ratings_PJ[person, joke]) for joke in jokes]
    levels = sorted(set(ratings), reverse=True)
    return Ranking(
        PROMPT,
        tuple(Response(data.texts[joke], id=f"j{joke + 1}") for joke in jokes),
        tuple(levels.index(rating) + 1 for rating in ratings),
        rater=data.people[person],
    )


def pairs_of(data: Jester, config: StudyConfig, people: Sequence[int], seed: int) -> Pairs:
    """All pairs of the sets that these people ranked."""
    rows = [
        (person, better, worse)
        for person in people
        for jokes in sets_of(data.ratings_PJ[person], config, Random(f"jester {seed} {person}"))
        for better in jokes
        for worse in jokes
        if data.ratings_PJ[person, better] > data.ratings_PJ[person, worse]
    ]
    person_N, better_N, worse_N = np.array(rows, dtype=np.int64).T
    return Pairs(person_N, better_N, worse_N)


# ------------------------------------------------------------------------------------------- the examination


def examined(scores_J: Floats, data: Jester, pairs: Pairs, people: Sequence[int]) -> dict[str, Any]:
    """Accuracy on pairs with its interval over people, and rank correlation with these people's means."""
    right_N = (scores_J[pairs.better_N] > scores_J[pairs.worse_N]).astype(np.float64)
    means_J = np.nanmean(data.ratings_PJ[list(people)], axis=0)
    return {
        "accuracy": float(right_N.mean()),
        "ci95": by_person(right_N, pairs.person_N),
        "rank_correlation": float(spearmanr(scores_J, means_J).statistic),
    }


def over_people(
    scores: Mapping[str, Floats], data: Jester, pairs: Pairs, people: Sequence[int], seed: int
) -> dict[str, dict[str, float]]:
    """What the claims are about, with intervals by a bootstrap over the held-out people.

    Splits of the same people overlap, so figures of three splits lie much closer together than three draws of
    people would; these intervals are those of people.
    """
    others_N = majority_share(data.ratings_PJ, pairs)
    owner_N = np.searchsorted(np.array(people), pairs.person_N)
    count_P = np.bincount(owner_N, minlength=len(people))

    def of_people(values_N: Floats) -> Floats:
        return np.bincount(owner_N, values_N, minlength=len(people)).astype(np.float64)

    def estimate(statistic: Callable[[Integers], float]) -> dict[str, float]:
        return bootstrap(statistic, len(people), seed).json()

    ceiling_P = of_people(others_N)
    held_out_PJ = data.ratings_PJ[list(people)]
    found = {}
    for name, scores_J in scores.items():
        right_P = of_people((scores_J[pairs.better_N] > scores_J[pairs.worse_N]).astype(np.float64))

        def accuracy(drawn: Integers, right_P: Floats = right_P) -> float:
            return float(right_P[drawn].sum() / count_P[drawn].sum())

        def share(drawn: Integers, chance: float, right_P: Floats = right_P) -> float:
            by_chance = chance * float(count_P[drawn].sum())
            return float((right_P[drawn].sum() - by_chance) / (ceiling_P[drawn].sum() - by_chance))

        def correlation(drawn: Integers, scores_J: Floats = scores_J) -> float:
            # A joke that none of the people drawn has rated is left out.
            counted_J = (~np.isnan(held_out_PJ[drawn])).sum(0)
            means_J = np.nansum(held_out_PJ[drawn], axis=0) / np.maximum(counted_J, 1)
            rated_J = counted_J > 0
            return float(spearmanr(scores_J[rated_J], means_J[rated_J]).statistic)

        found[f"{name}/accuracy"] = estimate(accuracy)
        found[f"{name}/share_of_ceiling"] = estimate(partial(share, chance=0.0))
        found[f"{name}/share_above_chance"] = estimate(partial(share, chance=0.5))
        found[f"{name}/rank_correlation"] = estimate(correlation)
    return found


def ceiling(ratings_PJ: Floats, pairs: Pairs) -> dict[str, Any]:
    """The share of these pairs that are ordered as the majority of all other people order them.

    Nobody who does not know the person can do better on average: for each pair of jokes the majority's order
    is the best guess. All people count, those held out too, but not the pair's own person; an even vote is
    half right.
    """
    right_N = majority_share(ratings_PJ, pairs)
    return {"accuracy": float(right_N.mean()), "ci95": by_person(right_N, pairs.person_N)}


def majority_share(ratings_PJ: Floats, pairs: Pairs) -> Floats:
    """1 where all others' majority orders a pair as its person does, 0 where it does not, else 0.5."""
    votes_JJ = majority_votes(ratings_PJ)
    others_N = votes_JJ[pairs.better_N, pairs.worse_N] - 1 - votes_JJ[pairs.worse_N, pairs.better_N]
    right_N: Floats = (np.sign(others_N) + 1) / 2
    return right_N


def majority_votes(ratings_PJ: Floats) -> NDArray[np.int64]:
    """How many people rate joke i above joke k, int64 [J, J]."""
    # A comparison with NaN is False: who has not rated both does not vote.
    return np.stack([(ratings_PJ[:, [joke]] > ratings_PJ).sum(0) for joke in range(ratings_PJ.shape[1])])


# ---------------------------------------------------------------------------------------------------- claims

PEOPLE = "95% intervals, bootstrap over the held-out people, from least to greatest of the splits"
TRAINED_ON = "The jokes are the hundred that it was trained on."


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Claims over splits, each with other people held out; the jokes are those that were trained on."""
    seeds = by_seed(results["seeds"])
    return [*accuracy_claims(seeds), *correlation_claims(seeds)]


def accuracy_claims(seeds: Mapping[int, Mapping[str, Any]]) -> list[Claim]:
    """Accuracy of the reward model and of the aggregate, and their shares of the ceiling."""
    first = next(iter(seeds.values()))
    most = fmean(100 * row["ceiling"]["accuracy"] for row in seeds.values())
    people, pairs = first["people_held_out"], first["pairs"]
    return [
        noted(
            people_claim(
                "jester-held-out-people-accuracy",
                f"Jester: reward model accuracy on held-out people ({people:,} people, {pairs:,} pairs; "
                f"majority-vote ceiling {most:.1f}%)",
                {seed: row["over_people"]["reward_model/accuracy"] for seed, row in seeds.items()},
                "above 50",
            ),
            f"{TRAINED_ON} The ceiling is a lookup table of the majority of everyone else.",
        ),
        people_claim(
            "jester-share-of-ceiling",
            "Jester: reward model accuracy as a share of the majority-vote ceiling",
            {seed: row["over_people"]["reward_model/share_of_ceiling"] for seed, row in seeds.items()},
            "at least 95",
        ),
        people_claim(
            "jester-share-of-ceiling-above-chance",
            "Jester: reward model accuracy as a share of the ceiling, chance (50%) subtracted from both",
            {seed: row["over_people"]["reward_model/share_above_chance"] for seed, row in seeds.items()},
            "at least 90",
        ),
        noted(
            people_claim(
                "jester-aggregate-accuracy",
                f"Jester: accuracy of the rater-aware aggregate on held-out people ({people:,} people, "
                f"{pairs:,} pairs)",
                {seed: row["over_people"]["aggregate/accuracy"] for seed, row in seeds.items()},
                "above 50",
            ),
            f"{TRAINED_ON} The aggregate is a lookup table itself.",
        ),
    ]


def correlation_claims(seeds: Mapping[int, Mapping[str, Any]]) -> list[Claim]:
    """Rank correlations with the held-out people's mean ratings."""
    return [
        people_claim(
            name,
            f"Jester: rank correlation (x100) of the {words} with the mean ratings of held-out people",
            {seed: row["over_people"][f"{key}/rank_correlation"] for seed, row in seeds.items()},
            "at least 90",
            "of 100",
        )
        for name, words, key in (
            ("jester-rank-correlation", "reward model", "reward_model"),
            ("jester-aggregate-rank-correlation", "aggregate", "aggregate"),
        )
    ]


def people_claim(
    name: str, text: str, rows: Mapping[int, Mapping[str, float]], target: str, unit: str = PERCENT
) -> Claim:
    """A claim with the bootstrap intervals of all splits from end to end."""
    return {
        **claim(name, text, {seed: 100 * row["value"] for seed, row in rows.items()}, unit, target),
        # A correlation may lie above those of its draws: redrawn people make a noisier mean.
        "interval": [
            100 * min(min(row["low"], row["value"]) for row in rows.values()),
            100 * max(max(row["high"], row["value"]) for row in rows.values()),
        ],
        "interval_kind": PEOPLE,
    }


main = study_main(StudyConfig, "studies.jester", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
