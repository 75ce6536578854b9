"""The controllers of a run: they adapt the KL weight, the multipliers of budgets and the prices of shares.

Each is an observer. Its rule is a pure function below, and what it has come to is plain JSON in a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from practicum.errors import InputError
from practicum.guard.observer import GO_ON, Adjustments, Quiet, StepResult, Verdict
from practicum.ranges import Common, NonNegativeFloat, Ranged
from practicum.run.folder import Run

KLEstimator = Literal["k1", "k2", "k3"]
Placement = Literal["reward", "loss"]
HELD_WEIGHT = 0.1
"""KL weight that a run without one begins with when it is pinned; from there it is adapted."""
PROPORTIONAL = 20.0
"""Weight of a step's own violation against the summed one in a budget's multiplier."""
MOST_PRICE = 5.0
"""Price that no share of a behaviour is worth going beyond, in units of reward."""


@dataclass(frozen=True)
class KLPenalty:
    """What training computes with: beta times an estimate of the KL, in the reward or in the loss."""

    beta: float = 0.0
    estimator: KLEstimator = "k1"
    placement: Placement = "reward"


@dataclass(frozen=True)
class KLConfig(Ranged, section="update.kl"):
    """KL penalty to the reference policy (the model that practice started from)."""

    weight: Common[NonNegativeFloat | None] = None
    """Beta; 0 loads no reference. none: what the paper of the algorithm has in its objective, which is 0 but
    for grpo (0.04)."""
    estimator: KLEstimator | None = None
    """Only k1 in the reward and k2 in the loss have the gradient of the KL. none: the algorithm's own, k3 for
    grpo, k2 for reinforce_pp_baseline, k1 for all others."""
    placement: Placement | None = None
    """Subtracted from the reward, or added to the loss. none: the algorithm's own, the loss for grpo and
    reinforce_pp_baseline, the reward for all others."""
    target: NonNegativeFloat = 0.0
    """If above 0, the weight is adapted each step towards this KL, in nats per completion."""
    hold: bool = False
    """Pin the KL at `target`: the weight scales as (KL / target)^2."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target and not self.weight:
            raise InputError(
                f"update.kl: target {self.target} needs a weight above 0 to start from: "
                "give --update.kl.weight"
            )
        if self.hold and not self.target:
            raise InputError("update.kl.hold: there is no KL to hold: give --update.kl.target, in nats")

    def over(self, own: KLPenalty) -> KLPenalty:
        """The penalty of an algorithm that has its own, where these settings say nothing else."""
        return KLPenalty(
            own.beta if self.weight is None else self.weight,
            self.estimator or own.estimator,
            self.placement or own.placement,
        )


class KLController(Quiet):
    """Adapts the KL weight to a target, from the settings or, once the run is pinned, from the guard's."""

    name = "kl"

    def __init__(self, config: KLConfig, held_target: float) -> None:
        self.start = self.weight = config.weight or HELD_WEIGHT
        self.target, self.hold, self.held_target = config.target, config.hold, held_target

    def before(self, step: int) -> Adjustments:
        """The weight as adapted so far; that of the settings while there is no target."""
        return Adjustments(kl_weight=self.weight if self.target else None)

    def after(self, step: int, result: StepResult) -> Verdict:
        """Adapt the weight for the next step."""
        if self.target:
            measured = result.metrics["kl_completion"]
            # Holding starts from the weight of the settings, adapting from that of the step.
            if self.hold:
                self.weight = holding_kl_weight(self.start, measured, self.target)
            else:
                self.weight = adapted_kl_weight(self.weight, measured, self.target)
        return GO_ON

    def state(self) -> dict[str, Any]:
        """The weight."""
        return {"weight": self.weight}

    def restore(self, state: Mapping[str, Any], run: Run) -> Verdict:
        """Take the weight."""
        self.weight = float(state["weight"])
        return GO_ON

    def pinned(self, record: Mapping[str, Any]) -> None:
        """Hold the KL at what the guard trusts, or at a lower target of the settings."""
        self.target, self.hold = min(self.target or self.held_target, self.held_target), True


class CompletionLimit(Quiet):
    """Ends a run at a number of completions, where an algorithm samples more or less often in a step.

    most: completions of the run; round_size: those of one round of sampling.
    """

    name = "completions"

    def __init__(self, most: int, round_size: int) -> None:
        self.most, self.round_size, self.sampled = most, round_size, 0

    def before(self, step: int) -> Adjustments:
        """As many rounds as are left; the first step of a run has one, whatever the limit."""
        return Adjustments(rounds=max(1, (self.most - self.sampled) // self.round_size))

    def after(self, step: int, result: StepResult) -> Verdict:
        """Count the step's completions, and end where no round is left."""
        self.sampled += int(result.metrics["completions"])
        return self._verdict(f"step {step}")

    def state(self) -> dict[str, Any]:
        """The completions so far."""
        return {"sampled": self.sampled}

    def restore(self, state: Mapping[str, Any], run: Run) -> Verdict:
        """Take the count."""
        self.sampled = int(state["sampled"])
        return self._verdict("its newest checkpoint")

    def _verdict(self, place: str) -> Verdict:
        if self.sampled + self.round_size <= self.most:
            return GO_ON
        said = f"practicum: {self.sampled:,} completions were sampled by {place}: the run ends at its limit"
        return Verdict(ends=True, said=(said,))


class _Multipliers(Quiet):
    """A multiplier for each of some names, 0 at the start, and what it sums up."""

    def __init__(self, targets: Mapping[str, float], rate: float) -> None:
        self.targets, self.rate = dict(sorted(targets.items())), rate
        self.values = dict.fromkeys(self.targets, 0.0)
        self.sums = dict.fromkeys(self.targets, 0.0)

    def state(self) -> dict[str, Any]:
        """Values and sums."""
        return {"values": dict(self.values), "sums": dict(self.sums)}

    def restore(self, state: Mapping[str, Any], run: Run) -> Verdict:
        """Take values and sums."""
        self.values, self.sums = dict(state["values"]), dict(state["sums"])
        return GO_ON


class BudgetController(_Multipliers):
    """Takes off a part's weight what holds its mean to its budget; `most` bounds each multiplier."""

    name = "budgets"

    def __init__(self, budgets: Mapping[str, float], rate: float, most: Mapping[str, float]) -> None:
        super().__init__(budgets, rate)
        self.most = most

    def before(self, step: int) -> Adjustments:
        """The present multipliers."""
        return Adjustments(multipliers=dict(self.values))

    def after(self, step: int, result: StepResult) -> Verdict:
        """Adapt the multipliers for the next step."""
        for name, budget in self.targets.items():
            self.values[name], self.sums[name] = adapted_multiplier(
                self.sums[name], result.metrics[f"reward/{name}"], budget, self.rate, self.most[name]
            )
        return GO_ON


class ShareController(_Multipliers):
    """Pays or charges a behaviour what brings the share of completions that show it to its target."""

    name = "prices"

    def before(self, step: int) -> Adjustments:
        """The present prices."""
        return Adjustments(prices=dict(self.values))

    def after(self, step: int, result: StepResult) -> Verdict:
        """Adapt the prices for the next step; one whose behaviour no prompt called for stays."""
        for name, target in self.targets.items():
            share = result.metrics.get(f"behaviour/{name}")
            if share is not None:
                self.values[name], self.sums[name] = adapted_price(self.sums[name], share, target, self.rate)
        return GO_ON


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
