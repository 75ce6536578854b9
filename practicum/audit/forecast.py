"""The share a policy will give to what most raters prefer, and what it costs to keep the minority's.

Policy optimisation with a KL penalty of weight beta multiplies the reference's odds of a style by
exp(reward / beta). A calibrated Bradley-Terry reward makes the odds of raters' choices exp(reward), hence

    share = sigmoid(logit(reference share) + logit(rater share) / beta):

below beta 1 the policy exaggerates the raters, the more the smaller beta. (The Gibbs form of the optimum:
Ziegler et al. 2019, 1909.08593; the collapse of minorities: Xiao et al. 2024, 2405.16455.)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from scipy.special import expit, logit

from practicum.errors import InputError

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
    remedy: str, setting: float, rater_share: float, reference_share: float, beta: float
) -> Outcome:
    """A remedy's exact effect and cost.

    Half of the reference's responses of either style are good, which is worth QUALITY in utility. Style and
    quality add up in the reward, so the optimum is a product: a remedy of style alone (distribution matching,
    rater reweighting, mixture) leaves quality at sigmoid(QUALITY / beta), while more KL weight or entropy
    makes the policy timid in both.
    """
    share = remedied_share(remedy, setting, rater_share, reference_share, beta)
    timid = {"kl_weight": setting, "entropy_bonus": beta + setting}.get(remedy, beta)
    good, bold = float(expit(QUALITY / timid)), float(expit(QUALITY / beta))
    worth = float(logit(rater_share))
    before = forecast(rater_share, reference_share, beta)
    unhelped = (before - reference_share) * worth + (bold - 0.5) * QUALITY
    reward = (share - reference_share) * worth + (good - 0.5) * QUALITY
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
