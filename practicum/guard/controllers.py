"""Rules that adapt the KL weight, the multipliers of budgets and the prices of shares."""

from __future__ import annotations

from practicum.errors import InputError

PROPORTIONAL = 20.0
"""Weight of a step's own violation against the summed one in a budget's multiplier."""
MOST_PRICE = 5.0
"""Price that no share of a behaviour is worth going beyond, in units of reward."""


def adapted_multiplier(
    summed: float, mean: float, budget: float, rate: float, most: float
) -> tuple[float, float]:
    """(multiplier, sum to go on with) of the constraint mean <= budget after a step, both in [0, most].

    Maximising a reward with the constraint is maximising reward - multiplier x part at the right multiplier.
    Dual ascent alone, summed + rate (mean - budget), swings about it, so PROPORTIONAL times a step's ascent
    is added for that step only. Sources: Moskovitz et al. 2023 (2310.04373), who hold reward models to where
    they still tell the truth; the proportional part: Stooke et al. 2020 (2007.03964).
    """
    ascent = rate * (mean - budget)
    summed = min(max(0.0, summed + ascent), most)
    return min(max(0.0, summed + PROPORTIONAL * ascent), most), summed


def adapted_price(summed: float, mean: float, target: float, rate: float) -> tuple[float, float]:
    """(price, sum to go on with) that brings a mean to a target from either side, both within +-MOST_PRICE.

    As `adapted_multiplier`, for the constraint mean = target, whose multiplier has either sign: of all
    policies with that mean, the optimum at the right price is the one that gives up least of reward and KL.
    """
    ascent = rate * (target - mean)
    summed = min(max(-MOST_PRICE, summed + ascent), MOST_PRICE)
    return min(max(-MOST_PRICE, summed + PROPORTIONAL * ascent), MOST_PRICE), summed


def adapted_kl_weight(weight: float, measured: float, target: float) -> float:
    """The next step's KL weight: higher when the policy is further from the reference than `target`.

    weight * (1 + 0.1 e) with e = (measured - target) / target kept within [-0.2, 0.2]; KL in nats per
    completion. Source: Ziegler et al. 2019 (1909.08593, section 2.2). Raises InputError unless target > 0.
    """
    if not target > 0:
        raise InputError(f"KL target {target}: expected nats per completion above 0")
    return weight * (1 + 0.1 * min(max((measured - target) / target, -0.2), 0.2))


def holding_kl_weight(weight: float, measured: float, target: float) -> float:
    """The next step's KL weight where the KL is to be held: `weight` at the target (above 0, in nats a
    completion), elsewhere with the square of measured / target, which counts from 0.1 to 10.

    It follows the KL at once and forgets it at once. Doubling and halving the weight (Schulman et al. 2017,
    1707.06347, section 4) swung by five orders of magnitude, and 2% a step (`adapted_kl_weight`) came late.
    """
    return weight * min(max(0.1, measured / target), 10.0) ** 2
