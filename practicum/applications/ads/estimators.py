"""What a policy would earn, from a log of another policy: five estimators, each with an interval that covers.

For rows i of a log with clicks r, propensities p and a target policy pi(a | x), the weight of a row is
w = pi(a | x) / p. With a click model q, v(x) = sum over a of pi(a | x) q(x, a):

    IPS       mean of w r                              (Horvitz & Thompson 1952)
    SNIPS     sum of w r / sum of w                    (Swaminathan & Joachims 2015, equation 8)
    direct    mean of v
    DR        mean of v + w (r - q)                    (Dudik, Langford & Li 2011, equation 2)
    switch    DR, and direct where w > t               (Wang, Agarwal & Dudik 2017, equation 3)

All are one sum: a click model's part and the weighted clicks. Clicks are few and their weights differ, so
that the mean is skewed, and an interval of mean +- 2 standard errors misses too often. The weighted clicks
get Fay & Feuer's (1997) gamma interval for weighted sums of rare counts, the rest Student's, and the two are
put together by Zou & Donner's MOVER (2008). Values are shares of 1: a click is 1 at most.

The gamma interval allows for one more click at the largest weight. The narrower variant that allows for
one at the mean weight (Tiwari, Clegg & Zou 2006) held the truth in only 60% of 300 made-up logs with skewed
propensities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import gamma
from scipy.stats import t as students_t

from practicum.stats import Estimate

Floats = NDArray[np.float64]
LEVEL = 0.95
CUTS = 40
LARGEST = 1e4


@dataclass(frozen=True)
class Evidence:
    """A log as an estimator sees it, with a target policy: arrays [N].

    `weight_N` pi(a | x) / propensity; `model_N` the model's chance of a click on the shown item; `value_N`
    the policy's expected chance under the model; `doubt` the standard error of the mean of `value_N` that
    comes from the model itself; `highest` the click rate that no policy exceeds: each visitor's best item.
    """

    click_N: Floats
    weight_N: Floats
    model_N: Floats
    value_N: Floats
    doubt: float = 0.0
    highest: float = 1.0

    def __len__(self) -> int:
        return len(self.click_N)

    def take(self, rows: NDArray[np.int64]) -> Evidence:
        """Some rows."""
        return Evidence(
            self.click_N[rows],
            self.weight_N[rows],
            self.model_N[rows],
            self.value_N[rows],
            self.doubt,
            self.highest,
        )


def effective_size(weight_N: Floats) -> float:
    """How many rows of equal weight would be worth as much (Kish 1965); 0 where no row has a weight."""
    squares = float((weight_N**2).sum())
    return float(weight_N.sum()) ** 2 / squares if squares > 0 else 0.0


def ips(evidence: Evidence) -> Estimate:
    """Inverse propensity scoring. Unbiased; wild where weights differ."""
    clicks_N = evidence.weight_N * evidence.click_N
    return estimate(np.zeros(len(evidence)), clicks_N, evidence.weight_N)


def snips(evidence: Evidence) -> Estimate:
    """Self-normalised IPS: adding a constant to every click adds it to the estimate."""
    total = float(evidence.weight_N.sum())
    if total == 0:
        return Estimate(0.0, 0.0, 1.0, len(evidence))
    weight_N = evidence.weight_N * (len(evidence) / total)
    value = float((weight_N * evidence.click_N).mean())
    # To first order SNIPS is DR with its own value as the click model (Owen 2013, 9.2).
    return estimate(value - weight_N * value, weight_N * evidence.click_N, weight_N)


def direct(evidence: Evidence) -> Estimate:
    """The click model's word for it. Biased as the model is.

    Of its own error the model knows only the doubt of its coefficients. The interval therefore reaches as
    far as that of DR, which tests the model by the clicks.
    """
    value = float(evidence.value_N.mean())
    spread = np.hypot(_standard_error(evidence.value_N), evidence.doubt)
    half = float(students_t.ppf((1 + LEVEL) / 2, len(evidence) - 1) * spread)
    tested = doubly_robust(evidence)
    low, high = min(value - half, tested.low), max(value + half, tested.high)
    return _share(value, low, high, len(evidence))


def doubly_robust(evidence: Evidence) -> Estimate:
    """The click model, corrected by the weighted clicks that it did not expect. Unbiased whatever the model.

    What the policy would choose and no row shows is the model's word alone; see `kept`.
    """
    return _modelled(evidence, float("inf"))


def switch(evidence: Evidence) -> Estimate:
    """DR without the correction where a row weighs more than a cut, which no click has a say in.

    What is cut is left to the model; see `kept`.
    """
    return _modelled(evidence, cut_of(evidence))


def _modelled(evidence: Evidence, cut: float) -> Estimate:
    weight_N, below, above = kept(evidence, cut)
    found = estimate(evidence.value_N - weight_N * evidence.model_N, weight_N * evidence.click_N, weight_N)
    return _share(found.value, found.low - below, found.high + above, len(evidence))


def kept(evidence: Evidence, cut: float) -> tuple[Floats, float, float]:
    """The weights up to a cut, and by how much the truth may lie below and above for want of the others.

    Where the weights that are kept have a mean below 1, that share of the policy's choices stands in no
    row. The model expects clicks of it; in truth their rate may be anything from 0 to `highest`.
    """
    weight_N = np.where(evidence.weight_N > cut, 0.0, evidence.weight_N)
    unseen = max(0.0, 1 - float(weight_N.mean()))
    expected = max(0.0, float((evidence.value_N - weight_N * evidence.model_N).mean()))
    return weight_N, expected, max(0.0, unseen * evidence.highest - expected)


def cut_of(evidence: Evidence) -> float:
    """The cut at which the interval of `switch` is expected to be narrowest, from weights and model alone."""
    weights = evidence.weight_N[evidence.weight_N > 0]
    if not len(weights):
        return float("inf")
    rows, best, narrowest = len(evidence), float("inf"), float("inf")
    for cut in np.unique(np.quantile(weights, np.linspace(0.5, 1, CUTS), method="higher")):
        weight_N, below, above = kept(evidence, float(cut))
        noise = float(np.sqrt((weight_N**2 * evidence.model_N).sum())) / rows
        width = 4 * noise + float(cut) / rows + below + above
        if width < narrowest:
            narrowest, best = width, float(cut)
    return best


ESTIMATORS: Mapping[str, Callable[[Evidence], Estimate]] = {
    "ips": ips,
    "snips": snips,
    "direct": direct,
    "dr": doubly_robust,
    "switch": switch,
}
CHOSEN = "switch"
"""The estimator that results are read by, fixed before a run: DR but where a few rows would decide, and
there it says so."""


def estimate(model_N: Floats, clicks_N: Floats, weight_N: Floats) -> Estimate:
    """Mean of model's part plus weighted clicks, with its interval within 0 to 1.

    `weight_N`: what one click of each row would add. The two parts are taken as uncorrelated; with a
    weight in both, their correlation is negative, which makes the interval rather too wide.
    """
    rows = len(clicks_N)
    clicks = weighted_rate(clicks_N / rows, float(weight_N.max(initial=0.0)) / rows)
    centre = float(model_N.mean())
    half = float(students_t.ppf((1 + LEVEL) / 2, rows - 1)) * _standard_error(model_N)
    value = centre + clicks.value
    low = value - np.hypot(half, clicks.value - clicks.low)
    high = value + np.hypot(half, clicks.high - clicks.value)
    return _share(value, float(low), float(high), rows)


def _share(value: float, low: float, high: float, rows: int) -> Estimate:
    """An estimate whose interval keeps to what a share can be; the value itself may lie outside."""
    low, high = (min(1.0, max(0.0, float(end))) for end in (low, high))
    return Estimate(value, low, high, rows)


def weighted_rate(parts_N: Floats, largest: float) -> Estimate:
    """Sum of weighted rare counts, with Fay & Feuer's gamma interval (1997, Statistics in Medicine 16, 791).

    `parts_N`: the weighted counts, 0 for most rows; `largest`: the weight of one more count at most.
    """
    value, variance = float(parts_N.sum()), float((parts_N**2).sum())
    tail = (1 - LEVEL) / 2
    low = 0.0
    if value > 0:
        low = float(gamma.ppf(tail, value**2 / variance, scale=variance / value))
    more, wider = value + largest, variance + largest**2
    high = float(gamma.ppf(1 - tail, more**2 / wider, scale=wider / more)) if more > 0 else 0.0
    return Estimate(value, low, high, len(parts_N))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """One less the other, by MOVER (Zou & Donner 2008); wider than needed where they rise and fall
    together."""
    value = one.value - other.value
    low = value - float(np.hypot(one.value - one.low, other.high - other.value))
    high = value + float(np.hypot(one.high - one.value, other.value - other.low))
    return Estimate(value, low, high, min(one.n, other.n))


def lift(one: Estimate, other: Estimate) -> Estimate:
    """One over the other less 1, by MOVER for ratios (Donner & Zou 2012), solved so that nothing cancels.

    Infinite above where the other may be 0.
    """
    count = min(one.n, other.n)
    if other.value <= 0 or one.value <= 0:
        value = one.value / other.value - 1 if other.value > 0 else float("inf")
        return Estimate(value, -1.0, float("inf"), count)
    product = one.value * other.value
    low, _ = _ratio_ends(
        product, one.low * (2 * one.value - one.low), other.high * (2 * other.value - other.high)
    )
    _, high = _ratio_ends(
        product, one.high * (2 * one.value - one.high), other.low * (2 * other.value - other.low)
    )
    return Estimate(one.value / other.value - 1, low - 1, high - 1, count)


def paired_lift(one: Evidence, other: Evidence) -> Estimate:
    """The lift of one policy over another by the same rows, where rows on which both agree cancel out.

    A lift L is held possible while the interval of value(one) - (1 + L) value(other) holds 0 (Fieller 1954).
    Each is a `switch` estimate with its own cut.
    """
    parts = [(evidence, *kept(evidence, cut_of(evidence))) for evidence in (one, other)]
    values = [switch(evidence).value for evidence in (one, other)]
    if min(values) <= 0:
        return lift(switch(one), switch(other))

    def ends(ratio: float) -> tuple[float, float]:
        (first, weight_N, below, above), (second, weight2_N, below2, above2) = parts
        model_N = first.value_N - weight_N * first.model_N
        model_N = model_N - ratio * (second.value_N - weight2_N * second.model_N)
        low, high = _signed(model_N, weight_N - ratio * weight2_N, one.click_N)
        return low - below - ratio * above2, high + above + ratio * below2

    value = values[0] / values[1]
    low = _crossing(lambda ratio: ends(ratio)[0], 0.0, value)
    high = _crossing(lambda ratio: ends(ratio)[1], value, LARGEST)
    return Estimate(value - 1, low - 1, high - 1, len(one))


def _signed(model_N: Floats, weight_N: Floats, click_N: Floats) -> tuple[float, float]:
    """The interval of the mean of model's part plus weighted clicks, for weights of both signs.

    The clicks of positive and of negative weight are independent counts: their interval is a difference's.
    """
    rows = len(click_N)
    plus, minus = np.maximum(weight_N, 0.0), np.maximum(-weight_N, 0.0)
    parts = [weighted_rate(side * click_N / rows, float(side.max()) / rows) for side in (plus, minus)]
    clicks = difference(parts[0], parts[1])
    half = float(students_t.ppf((1 + LEVEL) / 2, rows - 1)) * _standard_error(model_N)
    value = float(model_N.mean()) + clicks.value
    return (
        value - float(np.hypot(half, clicks.value - clicks.low)),
        value + float(np.hypot(half, clicks.high - clicks.value)),
    )


def _crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses 0 between two points; infinite, or the low one, where it does not."""
    if function(high) > 0:
        return float("inf")
    if function(low) <= 0:
        return low
    found: float = brentq(function, low, high, xtol=1e-6)
    return found


def _ratio_ends(product: float, above: float, below: float) -> tuple[float, float]:
    """The two solutions t of below t^2 - 2 product t + above = 0."""
    root = float(np.sqrt(max(0.0, product**2 - above * below)))
    return above / (product + root), (product + root) / below if below > 0 else float("inf")


def _standard_error(values_N: Floats) -> float:
    return float(values_N.std(ddof=1) / np.sqrt(len(values_N)))
