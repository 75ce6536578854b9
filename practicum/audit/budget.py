"""The label budget: how many rankings buy how much true reward, and what to ask next so that fewer do.
`practicum audit budget`.

A linear reward model (`linear_reward.py`) is trained again and again on simulated raters' rankings, chosen at
random or actively; the gold utility of the response it likes best among many shows what they were worth.
Suffixes: P prompts, R responses of a prompt, F features, K responses ranked together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from scipy.special import expit

from practicum.audit.instruments import Instrument, named
from practicum.audit.linear_reward import LinearReward, fit_pairs, text_features
from practicum.errors import InputError
from practicum.ranges import MOST_HELD, NonNegativeFloat, PositiveFloat, PositiveInt, Range, Ranged, Seed
from practicum.report.figures import SERIES, SMALL, page_picture
from practicum.report.plots import LEGEND
from practicum.report.sections import Section
from practicum.stats import Floats, Integers
from practicum.tasks.jokes.gold import features_of, subject_of, utility
from practicum.tasks.jokes.grammar import STYLES, draw_joke
from practicum.tasks.jokes.mistakes import spoiled
from practicum.tasks.jokes.task import JokesTask

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Strategy = Literal["random", "disagreement", "information"]
STRATEGIES: tuple[Strategy, ...] = ("random", "disagreement", "information")
RARE = 0.1
"""Probability that a simulated response has a rare feature."""


@dataclass(frozen=True)
class Pool:
    """What may be asked about: features_PRF of responses and what people feel about them, gold_PR."""

    features_PRF: Floats
    gold_PR: Floats

    def __post_init__(self) -> None:
        if self.features_PRF.ndim != 3 or self.features_PRF.shape[:2] != self.gold_PR.shape:
            raise InputError(
                f"pool: features {self.features_PRF.shape} and gold {self.gold_PR.shape}: expected "
                "(prompts, responses, features) and (prompts, responses)"
            )
        if self.gold_PR.shape[1] < 2:
            raise InputError("pool: expected at least two responses a prompt")


@dataclass(frozen=True)
class BudgetConfig(Ranged, section="budget"):
    """How the labels are spent."""

    rankings: PositiveInt = 1000
    """Rankings in all."""
    ranked: Annotated[int, Range(at_least=2)] = 4
    """Responses ranked together."""
    batch: PositiveInt = 20
    """Rankings between two trainings: people work in parallel."""
    first: PositiveInt = 20
    """Rankings at random before any strategy has a model to go by."""
    members: Annotated[int, Range(at_least=2)] = 8
    """Members of the ensemble."""
    noise: NonNegativeFloat = 1.0
    """Scale of raters' Gumbel noise (Plackett-Luce)."""
    ridge: PositiveFloat = 1.0
    """Ridge of the reward model."""
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rankings < self.first:
            raise InputError(f"budget: {self.rankings} rankings are fewer than the first {self.first}")


@dataclass(frozen=True)
class LabelCurve:
    """Gold reward against rankings used. `gold` is the mean utility of the response the model likes best on
    test prompts, as a share of the way from an average response (0) to the best one there (1)."""

    strategy: Strategy
    rankings: tuple[int, ...]
    gold: tuple[float, ...]

    def needed(self, level: float) -> int | None:
        """The fewest rankings from which on the curve stays at `level` or above; None if it never does."""
        reached = None
        for count, value in zip(self.rankings, self.gold, strict=True):
            reached = (count if reached is None else reached) if value >= level else None
        return reached


def label_curve(strategy: Strategy, pool: Pool, test: Pool, config: BudgetConfig | None = None) -> LabelCurve:
    """Spend the labels by a strategy and measure after every batch.

    random: prompts and responses at random. disagreement: those whose score differences the ensemble disputes
    most (query by committee, Seung et al. 1992). information: those that shrink the posterior of the weights
    most, log det of the Fisher information under Bradley-Terry (D-optimality; Chaloner & Verdinelli 1995),
    the batch built up greedily. Raises InputError for an unknown strategy or more ranked than responses.
    """
    config = config or BudgetConfig()
    if strategy not in STRATEGIES:
        raise InputError(f"strategy {strategy!r}: expected one of {', '.join(STRATEGIES)}")
    if config.ranked > pool.gold_PR.shape[1]:
        raise InputError(
            f"budget: {config.ranked} responses to rank together but {pool.gold_PR.shape[1]} a prompt: "
            "lower --ranked"
        )
    generator = np.random.default_rng(config.seed)
    gaps: list[Floats] = []
    wins: list[Floats] = []
    used, counts, gold = 0, [], []
    model: LinearReward | None = None
    while used < config.rankings:
        wanted = min(config.batch if model else config.first, config.rankings - used)
        asked = _Asked(pool, wanted, config)
        for prompt, responses in _choose(strategy, model, asked, generator):
            gap, win = _ranked(pool, prompt, responses, config.noise * generator.gumbel(size=len(responses)))
            gaps.append(gap)
            wins.append(win)
        used += wanted
        gap_CF = np.concatenate(gaps)
        weight_C = np.full(len(gap_CF), 2 / config.ranked)
        model = fit_pairs(gap_CF, np.concatenate(wins), weight_C, _no_texts, config.ridge)
        counts.append(used)
        gold.append(gold_reached(model, test))
    return LabelCurve(strategy, tuple(counts), tuple(gold))


def _ranked(pool: Pool, prompt: int, responses: Integers, noise_K: Floats) -> tuple[Floats, Floats]:
    """A rater's order of these responses: differences of features of all pairs, 1 where the first won."""
    felt = pool.gold_PR[prompt, responses] + noise_K
    left, right = np.triu_indices(len(responses), 1)
    rows = pool.features_PRF[prompt, responses]
    return rows[left] - rows[right], (felt[left] > felt[right]).astype(np.float64)


def gold_reached(model: LinearReward, test: Pool) -> float:
    """Gold of the model's favourite response per prompt, from 0 (an average response) to 1 (the best)."""
    favourite_P = (test.features_PRF @ model.weights_F).argmax(1)
    got = test.gold_PR[np.arange(len(favourite_P)), favourite_P].mean()
    average, best = test.gold_PR.mean(), test.gold_PR.max(1).mean()
    return float((got - average) / (best - average)) if best > average else 0.0


def savings(random_curve: LabelCurve, active_curve: LabelCurve) -> tuple[float, int | None, int]:
    """(level that random selection reaches at its end, rankings active needs for it, random's number).

    The level is the mean of random's last three measurements, which steadies it.
    """
    level = float(np.mean(random_curve.gold[-3:]))
    return level, active_curve.needed(level), random_curve.rankings[-1]


def _no_texts(prompt: object, text: str) -> Floats:
    raise InputError("this reward model was trained on given features, not on texts")


# ------------------------------------------------------------------------------------------- what to ask


@dataclass(frozen=True)
class _Asked:
    """So many rankings are wanted, of prompts and responses of this pool."""

    pool: Pool
    wanted: int
    config: BudgetConfig


def _choose(
    strategy: Strategy, model: LinearReward | None, asked: _Asked, generator: np.random.Generator
) -> list[tuple[int, Integers]]:
    """Prompts to ask about, each with the responses to rank; at random while there is no model."""
    prompts, responses = asked.pool.gold_PR.shape
    if strategy == "random" or model is None:
        return [
            (
                int(generator.integers(prompts)),
                generator.choice(responses, asked.config.ranked, replace=False),
            )
            for _ in range(asked.wanted)
        ]
    candidates = generator.choice(prompts, min(prompts, 4 * asked.wanted), replace=False)
    choose = _disputed if strategy == "disagreement" else _informative
    return choose(model, asked, candidates)


def _disputed(model: LinearReward, asked: _Asked, candidates: Integers) -> list[tuple[int, Integers]]:
    """Prompts where members' scores differ most; in each, the responses they differ on most."""
    members = model.drawn(asked.config.members, asked.config.seed)
    scores = np.stack([asked.pool.features_PRF[candidates] @ member.weights_F for member in members])
    spread_PR = (scores - scores.mean(2, keepdims=True)).std(0)
    picked = np.argsort(-spread_PR, axis=1, kind="stable")[:, : asked.config.ranked]
    total = np.take_along_axis(spread_PR, picked, axis=1).sum(1)
    best = np.argsort(-total, kind="stable")
    places = [best[turn % len(best)] for turn in range(asked.wanted)]
    return [(int(candidates[place]), picked[place]) for place in places]


def _informative(model: LinearReward, asked: _Asked, candidates: Integers) -> list[tuple[int, Integers]]:
    """Greedy D-optimal batch: each question is worth log det(I + W X S X'), S the posterior's covariance.

    A question's worth only falls as others are added, so a stale value is an upper bound and only the best is
    looked at again (lazy greedy; Minoux 1978).
    """
    pool, ranked = asked.pool, asked.config.ranked
    covariance: Floats = np.asarray(np.linalg.inv(model.precision_FF), dtype=np.float64)
    worth = {int(prompt): _worth(int(prompt), model, pool, covariance, ranked) for prompt in candidates}
    chosen: list[tuple[int, Integers]] = []
    while len(chosen) < asked.wanted and worth:
        fresh: set[int] = set()
        while (prompt := max(worth, key=lambda one: worth[one][0])) not in fresh:
            rows, weights = _pairs(pool.features_PRF[prompt, worth[prompt][1]], model, ranked)
            inner = np.eye(len(rows)) + weights[:, None] * (rows @ covariance @ rows.T)
            worth[prompt] = float(np.linalg.slogdet(inner)[1]), worth[prompt][1]
            fresh.add(prompt)
        chosen.append((prompt, worth.pop(prompt)[1]))
        rows, weights = _pairs(pool.features_PRF[chosen[-1]], model, ranked)
        # Woodbury: the covariance after this question, whatever its answer.
        inner = np.diag(1 / weights) + rows @ covariance @ rows.T
        covariance = covariance - covariance @ rows.T @ np.linalg.solve(inner, rows @ covariance)
    return [chosen[turn % len(chosen)] for turn in range(asked.wanted)]


def _worth(
    prompt: int, model: LinearReward, pool: Pool, covariance: Floats, ranked: int
) -> tuple[float, Integers]:
    """(information of the best set of responses found, the set), the set grown from the widest pair."""
    rows = pool.features_PRF[prompt]
    spread = rows @ covariance @ rows.T
    diagonal = np.diag(spread)
    gap = diagonal[:, None] + diagonal[None] - 2 * spread
    score = rows @ model.weights_F
    chance = expit(score[:, None] - score[None])
    value = gap * chance * (1 - chance)
    first, second = np.unravel_index(int(value.argmax()), value.shape)
    responses = [int(first), int(second)]
    while len(responses) < ranked:
        gains = value[:, responses].sum(1)
        gains[responses] = -np.inf
        responses.append(int(gains.argmax()))
    picked = np.array(responses)
    gaps, weights = _pairs(rows[picked], model, ranked)
    inner = np.eye(len(gaps)) + weights[:, None] * (gaps @ covariance @ gaps.T)
    return float(np.linalg.slogdet(inner)[1]), picked


def _pairs(rows_KF: Floats, model: LinearReward, ranked: int) -> tuple[Floats, Floats]:
    """Differences of features of all pairs, and each answer's Fisher information about its logit."""
    left, right = np.triu_indices(len(rows_KF), 1)
    gaps = rows_KF[left] - rows_KF[right]
    chance = expit(gaps @ model.weights_F)
    return gaps, np.maximum(2 / ranked * chance * (1 - chance), 1e-9)


def simulated_pool(prompts: int, responses: int, features: int, seed: int, *, taste_seed: int = 0) -> Pool:
    """Responses as a policy writes them: a few features everywhere, most of them rare, and a linear taste.

    A response has each of the rare features with probability RARE. The taste depends on `taste_seed` only, so
    that pool and test share it.
    """
    if features < 4:
        raise InputError(f"simulated pool: expected at least 4 features, got {features}")
    taste_F = np.random.default_rng(taste_seed).normal(0.0, 1.0, features)
    generator = np.random.default_rng([seed, 1])
    common = max(2, features // 4)
    shown_F = np.where(np.arange(features) < common, 0.5, RARE)
    features_PRF = (generator.random((prompts, responses, features)) < shown_F).astype(np.float64)
    return Pool(features_PRF, features_PRF @ taste_F)


def jokes_pool(prompts: int, responses: int, seed: int, split: str = "train") -> Pool:
    """Jokes in the worked examples' proportions, described by their features and hashed words.

    The features are those of `linear_reward.text_features` and the style, as a reward model might see them;
    gold is the population's utility.
    """
    random = Random(f"jokes pool {seed} {split}")
    rows, gold = [], []
    for prompt in JokesTask().prompts(split, prompts, seed):
        for _ in range(responses):
            joke = draw_joke(subject_of(prompt), random.choice(STYLES), random)
            text = spoiled(joke, random) if random.random() < 0.3 else joke.text
            seen = features_of(prompt, text)
            described = [seen.get(name, 0.0) for name in ("soundness", "originality", "brevity", *STYLES)]
            rows.append([*described, *text_features(prompt, text)[-10:]])
            gold.append(utility(seen))
    return Pool(
        np.array(rows, dtype=np.float64).reshape(prompts, responses, -1),
        np.array(gold).reshape(prompts, responses),
    )


def mean_curve(curves: Sequence[LabelCurve]) -> LabelCurve:
    """The mean of several seeds' curves of one strategy. Raises InputError when they do not match."""
    first = curves[0] if curves else None
    if first is None or any(
        (one.strategy, one.rankings) != (first.strategy, first.rankings) for one in curves
    ):
        raise InputError("mean_curve: expected curves of one strategy with the same numbers of rankings")
    return LabelCurve(first.strategy, first.rankings, tuple(np.mean([one.gold for one in curves], axis=0)))


# ------------------------------------------------------------------------------------------ the instrument


@dataclass(frozen=True)
class Config(Ranged):
    """How many rankings buy how much true reward: random against active asking, on simulated raters."""

    rankings: Annotated[int, Range(at_least=20, at_most=MOST_HELD)] = 500
    """Rankings each strategy may use."""
    task: Literal["features", "jokes"] = "features"
    """features: responses with mostly rare features; jokes: the jokes task's own."""
    ranked: Annotated[int, Range(at_least=2, at_most=12)] = 4
    """Responses ranked together."""
    batch: PositiveInt = 50
    """Rankings between two trainings."""
    prompts: Annotated[int, Range(at_least=10, at_most=100_000)] = 300
    """Prompts that may be asked about."""
    seeds: Annotated[int, Range(at_least=1, at_most=1000)] = 1
    """Repeats, averaged."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to."""


@dataclass(frozen=True)
class Result:
    """Each strategy's curve, mean over seeds."""

    config: Config
    curves: Sequence[LabelCurve]

    def saved(self) -> tuple[float, int | None, int]:
        """What asking for information saves over asking at random, see `savings`."""
        by_name = {curve.strategy: curve for curve in self.curves}
        return savings(by_name["random"], by_name["information"])


def run(config: Config) -> Result:
    """Spend the rankings by every strategy, on the same pools."""
    return Result(
        config,
        [
            mean_curve([_one_curve(strategy, seed, config) for seed in range(config.seeds)])
            for strategy in STRATEGIES
        ],
    )


def _one_curve(strategy: Strategy, seed: int, config: Config) -> LabelCurve:
    if config.task == "jokes":
        pool, test = jokes_pool(config.prompts, 12, seed), jokes_pool(100, 24, seed, "validation")
    else:
        pool = simulated_pool(config.prompts, 12, 40, seed, taste_seed=seed)
        test = simulated_pool(200, 32, 40, seed + 1000, taste_seed=seed)
    settings = BudgetConfig(
        rankings=config.rankings, ranked=config.ranked, batch=config.batch, first=config.batch, seed=seed
    )
    return label_curve(strategy, pool, test, settings)


def lines(result: Result) -> list[str]:
    """What each strategy reached, and what asking for information saves."""
    level, needed, used = result.saved()
    return [
        *(
            f"{curve.strategy}: {curve.gold[-1]:.3f} of the best after {result.config.rankings} rankings"
            for curve in result.curves
        ),
        f"information reaches random's {level:.3f} with {needed or 'more than'} of {used} rankings",
    ]


def as_json(result: Result) -> dict[str, Any]:
    """The curves, the level that random asking reaches, and how many rankings it needs with information."""
    level, needed, _ = result.saved()
    return {"curves": [asdict(curve) for curve in result.curves], "level": level, "needed": needed}


def page(result: Result) -> tuple[str, list[Section]]:
    """The linear reward model, and the section."""
    return named(()), [section(result.curves)]


audit = Instrument(run, lines, as_json, page)


# ---------------------------------------------------------------------------------------------- on the page


def section(curves: Sequence[LabelCurve]) -> Section:
    """How many rankings are enough."""
    first = curves[0]
    sentence = (
        f"{first.rankings[-1]} {first.strategy} rankings reach {first.gold[-1]:.1%} of what is possible."
    )
    data: dict[str, Any] = {"curves": [one.__dict__ for one in curves]}
    by_name = {one.strategy: one for one in curves}
    if "random" in by_name and "information" in by_name:
        level, needed, count = savings(by_name["random"], by_name["information"])
        data["level"], data["needed"] = level, needed
        sentence = (
            f"Asking where answers tell most reaches what {count} random rankings reach "
            f"after {needed or 'more than it was given'}."
        )
    caption = "1: the model always picks the response people like best, 0: an average one."
    return Section(
        "budget",
        "How many rankings are enough?",
        "good",
        sentence,
        data,
        [(picture(curves), caption)],
        ("strategy", "rankings", "gold reached"),
        [(one.strategy, str(one.rankings[-1]), f"{one.gold[-1]:.3f}") for one in curves],
    )


def picture(curves: Sequence[LabelCurve]) -> str:
    """Gold reached against rankings used, one line a strategy."""

    def draw(axes: Axes) -> None:
        for curve, colour in zip(curves, SERIES, strict=False):
            axes.plot(curve.rankings, curve.gold, color=colour, label=curve.strategy)
        axes.set_xlabel("rankings")
        axes.set_ylabel("share of the best")
        axes.legend(**LEGEND)

    told = ", ".join(f"{curve.strategy} {curve.gold[-1]:.3f} after {curve.rankings[-1]}" for curve in curves)
    return page_picture("audit-budget", f"Gold reached: {told}", draw, SMALL)
