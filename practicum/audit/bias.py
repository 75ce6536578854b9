"""Bias, forecast and measured: how a majority's taste becomes a model's only taste, and what it costs to keep
the minority's.

Policy optimisation with a KL penalty of weight beta multiplies the reference's odds of a style by
exp(reward / beta). A calibrated Bradley-Terry reward makes the odds of raters' choices exp(reward), hence

    share = sigmoid(logit(reference share) + logit(rater share) / beta):

below beta 1 the policy exaggerates the raters, the more the smaller beta. (The Gibbs form of the optimum:
Ziegler et al. 2019, 1909.08593; the collapse of minorities: Xiao et al. 2024, 2405.16455.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t as student

from practicum.errors import InputError
from practicum.reward.plain import PlainReward, checked
from practicum.stats import Estimate, Integers, clustered_share
from practicum.types import Prompt, Ranking

Classifier = Callable[[Prompt, str], bool]
"""Whether a text has the attribute: a style, a topic, a sentiment, anything."""
QUALITY = 2.0
"""Utility by which a good response exceeds a poor one where the cost of a remedy is shown."""
WARN_SCALE = 1.05
"""Change of beta beyond which a rescaled reward is worth a warning."""


def forecast(rater_share: float, reference_share: float, beta: float) -> float:
    """The share a KL-regularised policy will give an attribute; see the formula above.

    Shares strictly between 0 and 1, beta above 0; InputError otherwise.
    """
    _check_share(rater_share, "rater_share")
    _check_share(reference_share, "reference_share")
    if not (beta > 0 and isfinite(beta)):
        raise InputError(f"beta: expected above 0, got {beta}")
    return float(expit(logit(reference_share) + logit(rater_share) / beta))


def effective_beta(beta: float, reward_deviation: float) -> float:
    """The KL weight in units of the raw reward when rewards are divided by their deviation: beta x deviation.

    max E[r / s] - beta KL has the optimum of max E[r] - beta s KL. Raises InputError unless both are above 0.
    """
    if not (beta > 0 and reward_deviation > 0):
        raise InputError(f"expected beta and the deviation above 0, got {beta} and {reward_deviation}")
    return beta * reward_deviation


def learned_share(target: float, reference_share: float, beta: float) -> float:
    """The share of raters' choices from which the forecast is `target`: the inverse of `forecast`.

    Shares strictly between 0 and 1, beta above 0; InputError otherwise.
    """
    _check_share(target, "target")
    forecast(target, reference_share, beta)
    return float(expit(beta * (logit(target) - logit(reference_share))))


def scaling_warning(
    beta: float, reward_deviation: float, rater_share: float, reference_share: float
) -> str | None:
    """What whitening or rescaling by `reward_deviation` does to the forecast, in words; None if little."""
    true = effective_beta(beta, reward_deviation)
    if 1 / WARN_SCALE < reward_deviation < WARN_SCALE:
        return None
    before, after = (forecast(rater_share, reference_share, one) for one in (beta, true))
    return (
        f"Dividing rewards by their deviation {reward_deviation:.3g} turns beta {beta:.3g} into {true:.3g}: "
        f"the forecast share goes from {before:.1%} to {after:.1%}."
    )


# -------------------------------------------------------------------------------------------------- meter


@dataclass(frozen=True)
class Meter:
    """An attribute's shares along the way, each with a 95% interval.

    `raters` is the share of choices for the attribute among pairs where exactly one response has it.
    amplification: odds of the policy over odds of the reference, divided by the raters' odds (1: the policy
    moved as far as calibrated raters would move it, above: further). measured_beta: the beta at which the
    forecast equals the policy's share; None where it moved against the raters or they have no preference.
    """

    attribute: str
    reference: Estimate
    raters: Estimate
    policy: Estimate
    amplification: float
    measured_beta: float | None


def meter(
    attribute: str,
    classify: Classifier,
    rankings: Sequence[Ranking],
    reference: Sequence[tuple[Prompt, str]],
    policy: Sequence[tuple[Prompt, str]],
) -> Meter:
    """Measure an attribute among the reference's responses, the raters' choices and the policy's outputs.

    Intervals are over prompts. Raises InputError naming what there is too little of.
    """
    raters = rater_share(rankings, classify)
    shares = [
        text_share(pairs, classify, name) for name, pairs in (("reference", reference), ("policy", policy))
    ]
    return compare(attribute, shares[0], raters, shares[1])


def compare(attribute: str, reference: Estimate, raters: Estimate, policy: Estimate) -> Meter:
    """The meter from its three shares; shares of 0 and 1 count as half a prompt away from it."""
    moved, wanted = _safe_logit(policy) - _safe_logit(reference), _safe_logit(raters)
    ratio = moved / wanted if abs(wanted) > 1e-9 else 0.0
    return Meter(
        attribute,
        reference,
        raters,
        policy,
        amplification=float(np.exp(moved - wanted)),
        measured_beta=1 / ratio if ratio > 1e-9 else None,
    )


def text_share(texts: Sequence[tuple[Prompt, str]], classify: Classifier, name: str = "texts") -> Estimate:
    """Share of texts with the attribute, its interval over prompts."""
    if len({prompt.text for prompt, _ in texts}) < 2:
        raise InputError(f"{name}: an interval needs texts on at least 2 prompts: give more prompts")
    hits = np.array([float(classify(prompt, text)) for prompt, text in texts])
    return clustered_share(hits, _numbers([prompt.text for prompt, _ in texts]))


def rater_share(rankings: Sequence[Ranking], classify: Classifier) -> Estimate:
    """How often raters choose the attribute where a pair offers the choice; ties count half.

    Each ranking weighs by its number of such pairs; the interval is over prompts. Raises InputError when
    fewer than two prompts offer the choice.
    """
    prompts, shares = [], []
    for ranking in rankings:
        for share in _choices(ranking, classify):
            prompts.append(ranking.prompt.text)
            shares.append(share)
    if len(set(prompts)) < 2:
        raise InputError(
            f"rankings: {len(set(prompts))} prompts have a response with and one without the attribute, "
            "2 are needed: rank more varied responses"
        )
    return clustered_share(np.array(shares), _numbers(prompts))


def paid_share(rankings: Sequence[Ranking], classify: Classifier, reward: PlainReward) -> Estimate:
    """How often a reward prefers the attribute: sigmoid of what it pays more for it, mean within prompts.

    A learned reward has shrunk what raters prefer, and the policy goes where the reward pays, so this share
    in place of theirs makes the better forecast. The 95% interval is Student's t over prompts. Raises
    InputError when fewer than two prompts offer the choice.
    """
    asked = {ranking.prompt.text: ranking for ranking in rankings}
    gaps = []
    for ranking in asked.values():
        texts = [response.text for response in ranking.responses]
        has = np.array([bool(classify(ranking.prompt, text)) for text in texts], dtype=bool)
        if has.any() and not has.all():
            paid = checked(reward, [ranking.prompt] * len(texts), texts)
            gaps.append(float(paid[has].mean() - paid[~has].mean()))
    if len(gaps) < 2:
        raise InputError(
            f"rankings: {len(gaps)} prompts have a response with and one without the attribute, "
            "2 are needed: rank more varied responses"
        )
    reach = float(student.ppf(0.975, len(gaps) - 1)) * np.std(gaps, ddof=1) / len(gaps) ** 0.5
    middle = float(np.mean(gaps))
    value, low, high = (float(expit(gap)) for gap in (middle, middle - reach, middle + reach))
    return Estimate(value, low, high, len(gaps))


@dataclass(frozen=True)
class Carrier:
    """A rater's part in a preference: own share of choices, shrunk towards all raters', over `choices` of
    them, and `pull`: how much the raters' share falls (rises, if negative) without this rater."""

    rater: str
    share: float
    choices: int
    pull: float


def carriers(rankings: Sequence[Ranking], classify: Classifier) -> list[Carrier]:
    """Which raters carry a preference, the strongest pull first.

    Shrinkage is that of a Beta prior with mean the overall share and the weight of 4 choices. Raises
    InputError when no pair offers the choice, or there is one rater only.
    """
    given = _choices_of_raters(rankings, classify)
    if len(given) < 2:
        raise InputError(f"{len(given)} raters had the choice, 2 are needed to tell who carries a preference")
    total, count = sum(map(sum, given.values())), sum(map(len, given.values()))
    found = [
        Carrier(
            rater,
            (sum(values) + 4 * total / count) / (len(values) + 4),
            len(values),
            total / count - (total - sum(values)) / (count - len(values)),
        )
        for rater, values in given.items()
    ]
    return sorted(found, key=lambda one: -abs(one.pull))


def camp_weights(rankings: Sequence[Ranking], classify: Classifier, wanted: float) -> dict[str, float]:
    """One weight for all raters who mostly choose the attribute, by name, that makes the weighted share of
    choices `wanted`; the others weigh 1 (the rater reweighting of `remedies`, by persons and not by votes).

    Raises InputError when one camp is empty, or no weight of at least 0 does it.
    """
    given = _choices_of_raters(rankings, classify)
    camp = [rater for rater, values in given.items() if sum(values) > len(values) / 2]
    inside, outside = (
        [value for rater, values in given.items() if (rater in camp) is side for value in values]
        for side in (True, False)
    )
    if not inside or not outside:
        raise InputError(
            f"all {len(given)} raters are of one mind, so no weights bring their share to {wanted:.1%}: use "
            "--reward.shares, or more KL weight"
        )
    # (w A + B) / (w N + M) = wanted, with A of N choices for it inside the camp and B of M outside.
    above, below = sum(inside) - wanted * len(inside), wanted * len(outside) - sum(outside)
    weight = below / above if above else -1.0
    if weight < 0:
        raise InputError(
            f"no weight of the {len(camp)} raters who favour it brings the share to {wanted:.1%}: it lies "
            f"between {sum(outside) / len(outside):.1%} and {sum(inside) / len(inside):.1%}"
        )
    return dict.fromkeys(sorted(camp), weight)


def _choices_of_raters(rankings: Sequence[Ranking], classify: Classifier) -> dict[str, list[float]]:
    """Every rater's choices as of `_choices`, of those who had any."""
    found: dict[str, list[float]] = defaultdict(list)
    for ranking in rankings:
        found[ranking.rater] += _choices(ranking, classify)
    return {rater: values for rater, values in found.items() if values}


def _choices(ranking: Ranking, classify: Classifier) -> list[float]:
    """Per pair with exactly one response of the attribute: 1 when it is preferred, 0.5 tied, else 0."""
    has = [classify(ranking.prompt, response.text) for response in ranking.responses]
    return [
        0.5 + 0.5 * float(np.sign(ranking.ranks[other] - ranking.ranks[one]))
        for one in range(len(has))
        for other in range(len(has))
        if has[one] and not has[other]
    ]


def _numbers(names: Sequence[str]) -> Integers:
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def _safe_logit(estimate: Estimate) -> float:
    edge = 0.5 / (estimate.n + 1)
    return float(logit(min(max(estimate.value, edge), 1 - edge)))


def _check_share(share: float, name: str) -> None:
    if not 0 < share < 1:
        raise InputError(f"{name}: expected strictly between 0 and 1, got {share}")


# ------------------------------------------------------------------------------------------------ remedies


@dataclass(frozen=True)
class Outcome:
    """A remedy at one setting, exact on the smallest case that shows its cost: two styles, each good or poor.

    share: of the favoured style. good: share of good responses. reward: expected calibrated reward above the
    reference's, in units of utility; gain: that reward as a share of what the unhelped policy gains (1: costs
    nothing). kl: nats from the reference.
    """

    remedy: str
    setting: float
    share: float
    good: float
    reward: float
    gain: float
    kl: float


REMEDIES = ("kl_weight", "entropy_bonus", "distribution_matching", "rater_reweighting", "mixture")


def remedied_share(
    remedy: str, setting: float, rater_share: float, reference_share: float, beta: float
) -> float:
    """The favoured style's share under a remedy, in closed form; with q raters, p reference, b beta:

    kl_weight: sigmoid(logit p + logit q / s), setting s above 0 in place of beta.
    entropy_bonus: sigmoid((b logit p + logit q) / (b + s)), the optimum with s >= 0 times the entropy added.
    distribution_matching: the policy is paid (1 - s) r + s (log q_i - log policy_i), 0 <= s <= 1, for a
    response of style i (preference matching, Xiao et al. 2024): sigmoid((b logit p + logit q) / (b + s));
    with s = 1 and b = 0 that is q whatever the reference.
    rater_reweighting: votes of the favoured side weigh s > 0 each: sigmoid(logit p + (logit q + log s) / b).
    mixture: with probability s the policy of those who favour the style, else of the others, each with a
    reward of its own of strength |logit q|: s f + (1 - s) g, f and g their forecasts (pluralistic mixture).
    Raises InputError for an unknown remedy or a setting out of its range.
    """
    forecast(rater_share, reference_share, beta)
    p, q = float(logit(reference_share)), float(logit(rater_share))
    lowest = {"entropy_bonus": 0.0, "distribution_matching": 0.0, "mixture": 0.0}.get(remedy, 1e-9)
    highest = 1.0 if remedy in ("distribution_matching", "mixture") else float("inf")
    if not lowest <= setting <= highest:
        raise InputError(f"{remedy}: setting {setting} lies outside [{lowest:g}, {highest:g}]")
    if remedy == "kl_weight":
        return float(expit(p + q / setting))
    if remedy in ("entropy_bonus", "distribution_matching"):
        return float(expit((beta * p + q) / (beta + setting)))
    if remedy == "rater_reweighting":
        return float(expit(p + (q + np.log(setting)) / beta))
    if remedy == "mixture":
        return float(setting * expit(p + abs(q) / beta) + (1 - setting) * expit(p - abs(q) / beta))
    raise InputError(f"remedy {remedy!r}: expected one of {', '.join(REMEDIES)}")


def apply_remedy(
    remedy: str,
    setting: float,
    rater_share: float,
    reference_share: float,
    beta: float,
    quality: float = QUALITY,
) -> Outcome:
    """A remedy's exact effect and cost.

    Half of the reference's responses of either style are good, which is worth `quality` in utility. Style and
    quality add up in the reward, so the optimum is a product: a remedy of style alone (distribution matching,
    rater reweighting, mixture) leaves quality at sigmoid(quality / beta), while more KL weight or entropy
    makes the policy timid in both.
    """
    share = remedied_share(remedy, setting, rater_share, reference_share, beta)
    timid = {"kl_weight": setting, "entropy_bonus": beta + setting}.get(remedy, beta)
    good, bold = float(expit(quality / timid)), float(expit(quality / beta))
    worth = float(logit(rater_share))
    unhelped = (forecast(rater_share, reference_share, beta) - reference_share) * worth + (
        bold - 0.5
    ) * quality
    reward = (share - reference_share) * worth + (good - 0.5) * quality
    gain = reward / unhelped if unhelped else 1.0
    return Outcome(remedy, setting, share, good, reward, gain, _kl(share, reference_share) + _kl(good, 0.5))


def reach(
    remedy: str, target: float, rater_share: float, reference_share: float, beta: float
) -> Outcome | None:
    """The remedy at the setting that brings the share to `target`; None where no setting does."""
    _check_share(target, "target")
    p, q, t = (float(logit(one)) for one in (reference_share, rater_share, target))
    setting = None
    if remedy == "kl_weight":
        setting = q / (t - p) if t != p else None
    elif remedy in ("entropy_bonus", "distribution_matching"):
        setting = (beta * p + q) / t - beta if t != 0 else None
    elif remedy == "rater_reweighting":
        setting = float(np.exp(beta * (t - p) - q))
    elif remedy == "mixture":
        high, low = expit(p + abs(q) / beta), expit(p - abs(q) / beta)
        setting = float((target - low) / (high - low)) if high > low else None
    else:
        raise InputError(f"remedy {remedy!r}: expected one of {', '.join(REMEDIES)}")
    if setting is None:
        return None
    try:
        return apply_remedy(remedy, setting, rater_share, reference_share, beta)
    except InputError:
        return None


def remedies(
    rater_share: float, reference_share: float, beta: float, target: float | None = None
) -> list[Outcome]:
    """Every remedy that can bring the share to `target` (default: the raters' own), the cheapest first."""
    wanted = rater_share if target is None else target
    found = [reach(one, wanted, rater_share, reference_share, beta) for one in REMEDIES]
    return sorted((one for one in found if one is not None), key=lambda one: (-one.gain, one.kl))


def _kl(share: float, reference: float) -> float:
    parts = [(share, reference), (1 - share, 1 - reference)]
    return float(sum(a * np.log(a / b) for a, b in parts if a > 0))
