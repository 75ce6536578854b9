"""Simulated people: a gold utility plus what makes people differ, so that the truth about them is known.

An honest rater perceives, for each response,

    taste . features(prompt, response) + position_bias (places below it) + noise (1 + fatigue done / 100)

with noise of the Plackett-Luce or Thurstone model (`choice.py`), sorts, and ties what lies closer together
than `tie_width`. Tastes differ between raters around the population's. Spammers do not read: they rank at
random or as shown. Everything is fixed by the rater, the prompt and how many rankings came before.
A text can also be rated alone (`rating`): what is perceived of it is then the rating.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal

import numpy as np
from scipy.optimize import brentq

from practicum.errors import InputError
from practicum.preferences.choice import Model, pair_probability, perceived
from practicum.ranges import Common, FiniteFloat, NonNegativeFloat, PositiveFloat, Range, Ranged, Share
from practicum.stats import Floats
from practicum.tasks.explanations import gold as explanations
from practicum.tasks.jokes import gold as jokes
from practicum.tasks.jokes.grammar import STYLES
from practicum.types import Prompt, Ranking, Response

Kind = Literal["honest", "random", "position"]
WORDS_PER_SECOND = 4.0
NONSENSE_BELOW = 0.35
"""Soundness, as perceived, below which an honest rater marks a response as nonsense."""
PERCEIVED_SOUNDNESS = 0.05
"""Standard deviation of the error in that perception."""
UNSAFE_WORDS = frozenset(
    [
        "kill",
        "kills",
        "killed",
        "murder",
        "bomb",
        "gun",
        "knife",
        "blood",
        "suicide",
        "stupid",
        "idiot",
        "naked",
    ]
)


@dataclass(frozen=True)
class Gold:
    """What raters of a task weigh, and the population's weights; `favourite` is the style with a share."""

    features_of: Callable[[Prompt, str], Mapping[str, float]]
    population: Mapping[str, float]
    styles: tuple[str, ...] = ()
    favourite: str = ""


GOLDS: Mapping[str, Gold] = MappingProxyType(
    {
        "jokes": Gold(jokes.features_of, jokes.POPULATION, STYLES, "pun"),
        "explanations": Gold(explanations.features_of, explanations.POPULATION),
    }
)


def true_utilities(gold: Gold, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[float]:
    """What the population of simulated people as a whole makes of each text, in units of utility."""
    return [
        sum(gold.population[name] * value for name, value in gold.features_of(prompt, text).items())
        for prompt, text in zip(prompts, texts, strict=True)
    ]


@dataclass(frozen=True)
class PeopleConfig(Ranged, section="people"):
    """Who the simulated raters are."""

    raters: Common[Annotated[int, Range(at_least=1, at_most=100_000)]] = 40
    """How many simulated people rank."""
    model: Model = "plackett-luce"
    """Noise of their choices: Gumbel (plackett-luce) or normal (thurstone)."""
    noise: PositiveFloat = 1.0
    """Scale of that noise; 1 is one unit of utility."""
    pun_share: Annotated[float, Range(at_least=0.01, at_most=0.99)] = jokes.PUN_SHARE
    """How often the raters together put a pun above a joke without one, everything else equal."""
    pun_spread: NonNegativeFloat = 1.0
    """Standard deviation over raters of their liking for puns."""
    style_spread: NonNegativeFloat = 0.5
    """Standard deviation over raters of their liking for each other style."""
    quality_spread: NonNegativeFloat = 0.25
    """Standard deviation over raters of what originality, brevity and the like are worth to them."""
    position_bias: FiniteFloat = 0.1
    """Utility gained per place further up on the screen."""
    fatigue: NonNegativeFloat = 0.1
    """Growth of the noise per 100 rankings, as a share."""
    drift: NonNegativeFloat = 0.0
    """Standard deviation over raters of the change in their liking for puns per 100 rankings."""
    tie_width: NonNegativeFloat = 0.15
    """Perceived utilities closer than this are ranked as equal."""
    spammers: Share = 0.1
    """Share of raters who do not read: in turn one ranks at random, one as shown."""


@dataclass(frozen=True)
class SimulatedRater:
    """One rater; `taste` weighs features, `drift` is what the favourite's weight gains per 100 rankings."""

    name: str
    seed: int
    taste: Mapping[str, float]
    kind: Kind = "honest"
    model: Model = "plackett-luce"
    noise: float = 1.0
    position_bias: float = 0.0
    fatigue: float = 0.0
    drift: float = 0.0
    tie_width: float = 0.0


@dataclass(frozen=True)
class Judgement:
    """A rater's answer: `tiers` of positions as shown, best first; `flags` (position, kind)."""

    tiers: tuple[tuple[int, ...], ...]
    seconds: float
    flags: tuple[tuple[int, str], ...] = ()


def population(people: PeopleConfig, gold: Gold, seed: int) -> list[SimulatedRater]:
    """The raters of a configuration, the same for the same seed; spammers are spread among them."""
    spammers = round(people.spammers * people.raters)
    order = _generator(seed, "who is a spammer").permutation(people.raters)
    kinds: dict[int, Kind] = {
        int(index): "position" if place % 2 else "random" for place, index in enumerate(order[:spammers])
    }
    centre = dict(gold.population)
    if gold.favourite:
        centre[gold.favourite] = favourite_taste(people)
    raters = []
    for index in range(people.raters):
        name = f"simulated-{index:03d}"
        generator = _generator(seed, f"taste of {name}")
        taste = {
            key: value + generator.normal() * _spread(key, people, gold) for key, value in centre.items()
        }
        raters.append(
            SimulatedRater(
                name=name,
                seed=seed,
                taste=taste,
                kind=kinds.get(index, "honest"),
                model=people.model,
                noise=people.noise,
                position_bias=people.position_bias,
                fatigue=people.fatigue,
                drift=people.drift * float(generator.normal()) if gold.favourite else 0.0,
                tie_width=people.tie_width,
            )
        )
    return raters


def _spread(key: str, people: PeopleConfig, gold: Gold) -> float:
    if key == "soundness":
        return 0.0
    if key == gold.favourite:
        return people.pun_spread
    return people.style_spread if key in gold.styles else people.quality_spread


def favourite_taste(people: PeopleConfig) -> float:
    """The mean liking for puns at which fresh raters, all together, prefer a pun with `pun_share`.

    Solves E[P(pun above other | liking)] = share, the difference of two likings being normal around the mean
    with variance pun_spread^2 + style_spread^2; without spreads it is noise logit(share).
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    spread = float(np.hypot(people.pun_spread, people.style_spread))

    def excess(mean: float) -> float:
        shares = pair_probability(mean + spread * nodes, people.model, people.noise)
        return float(shares @ weights / weights.sum()) - people.pun_share

    reach = 20 * (people.noise + spread)
    return float(brentq(excess, -reach, reach))


def rank(rater: SimulatedRater, prompt: Prompt, texts: Sequence[str], gold: Gold, done: int = 0) -> Judgement:
    """Rank texts in the order shown. `done`: how many rankings this rater has given before.

    Deterministic in all arguments. Raises InputError for a prompt that is not of the gold's task.
    """
    generator = _generator(rater.seed, f"{rater.name} {done} {prompt.text}")
    hurry = float(generator.lognormal(0.0, 0.3))
    if rater.kind != "honest":
        shown = np.arange(len(texts))
        order = shown if rater.kind == "position" else generator.permutation(shown)
        return Judgement(tuple((int(index),) for index in order), 2.5 * hurry)
    features = [gold.features_of(prompt, text) for text in texts]
    liked = _utilities(rater, features, gold, done)
    scale = rater.noise * (1 + rater.fatigue * done / 100)
    seen = perceived(liked, rater.model, generator, scale)
    words = len(prompt.text.split()) + sum(len(text.split()) for text in texts)
    seconds = (words / WORDS_PER_SECOND + 2.0 * len(texts)) * hurry
    return Judgement(_tiers(seen, rater.tie_width), seconds, _flags(features, texts, generator))


def rating(rater: SimulatedRater, prompt: Prompt, text: str, gold: Gold, done: int = 0) -> float:
    """What a rater says of one text alone, in units of utility, with the noise of one look at it.

    Raters use the scale alike. A spammer who ranks at random says anything from a useless text's utility to
    the best one's, and one who ranks as shown always says the best. `done`: how many were judged before.
    Deterministic in all arguments. Raises InputError for a prompt that is not of the gold's task.
    """
    generator = _generator(rater.seed, f"{rater.name} {done} {prompt.text} alone")
    if rater.kind != "honest":
        lowest, highest = rating_range(gold)
        return highest if rater.kind == "position" else float(generator.uniform(lowest, highest))
    liked = _utilities(rater, [gold.features_of(prompt, text)], gold, done)
    scale = rater.noise * (1 + rater.fatigue * done / 100)
    return float(perceived(liked, rater.model, generator, scale)[0])


def rating_range(gold: Gold) -> tuple[float, float]:
    """The population's utility of noise, and of a text that has all that people like in any one style."""
    liked = {name: weight for name, weight in gold.population.items() if name != "soundness"}
    style = max((liked.pop(name) for name in gold.styles), default=0.0)
    return -gold.population["soundness"], style + sum(liked.values())


def simulate(
    raters: Sequence[SimulatedRater],
    asked: Sequence[tuple[Prompt, Sequence[Response]]],
    gold: Gold,
    overlap: int = 1,
    seed: int = 0,
) -> list[Ranking]:
    """Rankings of prompts with their responses, in memory: each by `overlap` raters, who take turns.

    What `practicum rate` does through a store, for studies that need many. `seed` fixes the orders shown.
    Raises InputError for more overlap than raters.
    """
    if not 1 <= overlap <= len(raters):
        raise InputError(f"overlap {overlap}: expected 1 to {len(raters)}, the number of raters")
    done: Counter[str] = Counter()
    rankings = []
    for index, (prompt, responses) in enumerate(asked):
        for turn in range(index * overlap, (index + 1) * overlap):
            rater = raters[turn % len(raters)]
            order = _generator(seed, f"shown {turn}").permutation(len(responses))
            shown = tuple(responses[place] for place in order)
            judgement = rank(rater, prompt, [response.text for response in shown], gold, done[rater.name])
            done[rater.name] += 1
            rankings.append(_ranking(rater, prompt, shown, judgement, str(index)))
    return rankings


def _ranking(
    rater: SimulatedRater, prompt: Prompt, shown: tuple[Response, ...], judgement: Judgement, prompt_id: str
) -> Ranking:
    tier_of = {position: tier for tier, tied in enumerate(judgement.tiers, 1) for position in tied}
    flags = tuple(
        tuple(kind for position, kind in judgement.flags if position == index) for index in range(len(shown))
    )
    return Ranking(
        prompt=prompt,
        responses=shown,
        ranks=tuple(tier_of[index] for index in range(len(shown))),
        rater=rater.name,
        prompt_id=prompt_id,
        seconds=judgement.seconds,
        flags=flags if judgement.flags else (),
    )


def _utilities(
    rater: SimulatedRater, features: Sequence[Mapping[str, float]], gold: Gold, done: int
) -> Floats:
    """What the rater would feel without noise, the bias for what stands further up included."""
    taste = rater.taste
    if gold.favourite:
        taste = {**taste, gold.favourite: taste[gold.favourite] + rater.drift * done / 100}
    felt = [sum(taste[name] * value for name, value in each.items()) for each in features]
    liked: Floats = np.array(felt) + rater.position_bias * np.arange(len(felt))[::-1]
    return liked


def _tiers(seen: Floats, tie_width: float) -> tuple[tuple[int, ...], ...]:
    """Positions, best first; a tier holds what lies less than `tie_width` below its best."""
    tiers: list[list[int]] = []
    for index in np.argsort(-seen, kind="stable").tolist():
        if tiers and seen[tiers[-1][0]] - seen[index] < tie_width:
            tiers[-1].append(index)
        else:
            tiers.append([index])
    return tuple(tuple(sorted(tier)) for tier in tiers)


def _flags(
    features: Sequence[Mapping[str, float]], texts: Sequence[str], generator: np.random.Generator
) -> tuple[tuple[int, str], ...]:
    """(position, kind) of what an honest rater marks; `soundness` is a feature of every gold."""
    flags = []
    for index, (each, text) in enumerate(zip(features, texts, strict=True)):
        if 1 + each["soundness"] + generator.normal(0.0, PERCEIVED_SOUNDNESS) < NONSENSE_BELOW:
            flags.append((index, "nonsense"))
        if not UNSAFE_WORDS.isdisjoint(word.strip(".,:;!?\"'") for word in text.lower().split()):
            flags.append((index, "unsafe"))
    return tuple(flags)


def _generator(seed: int, purpose: str) -> np.random.Generator:
    """Randomness fixed by the seed and a text, the same on every machine."""
    digest = hashlib.sha256(f"{seed} {purpose}".encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
