"""Learn policies from one half of a log and judge them on the other, by three answers kept apart.

    on a click model   fitted to the half that no policy saw, with the doubt that its few clicks leave
    off-policy         estimates from that half's rows themselves, no click model needed
    in truth           where the log is made up

Which estimator counts, and how the A/B test is read, is fixed in the code and was so before any result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from practicum.applications.ads.click_model import Fitted, flat
from practicum.applications.ads.data import Log
from practicum.applications.ads.environment import Clicks
from practicum.applications.ads.estimators import ESTIMATORS, Evidence, paired_lift
from practicum.applications.ads.experiment import ExperimentConfig, Path, run_test
from practicum.applications.ads.policies import Policy
from practicum.stats import Estimate

Floats = NDArray[np.float64]
DRAWS = 100
"""Click models drawn from the posterior of the half that judges."""
PRACTICE = ("logging", "popularity")
"""What is done in practice, against which a lift counts."""


@dataclass(frozen=True)
class Judged:
    """A policy's figures on the half that judges.

    `rates_M`: its click rate on each drawn click model; `evidence`: what the rows say; `true`: its click rate in
    truth, None where nobody knows it.
    """

    rates_M: Floats
    evidence: Evidence
    true: float | None

    @property
    def off_policy(self) -> dict[str, Estimate]:
        """The click rate by each estimator."""
        return {key: estimator(self.evidence) for key, estimator in ESTIMATORS.items()}

    @property
    def rate(self) -> Estimate:
        """The click rate on the click model, with a 95% credible interval."""
        return credible(self.rates_M)


def credible(draws_M: Floats) -> Estimate:
    """The mean of draws and the middle 95% of them."""
    low, high = np.quantile(draws_M, [0.025, 0.975])
    return Estimate(float(draws_M.mean()), float(low), float(high), len(draws_M))


def judge(
    policies: Mapping[str, Policy],
    held: Log,
    learned: Fitted,
    judging: Fitted,
    truth: Clicks | None,
    seed: int,
) -> dict[str, Judged]:
    """Each policy's figures. `learned` is the click model of the other half: what off-policy estimators use."""
    random = np.random.default_rng([seed, 23])
    worlds = [judging.draw(random).probabilities(held.contexts) for _ in range(DRAWS)]
    doubts = [learned.draw(random).probabilities(held.contexts) for _ in range(20)]
    model_NA = learned.mean.probabilities(held.contexts)
    true_NA = None if truth is None else truth.probabilities(held.contexts)
    found = {}
    for name, policy in policies.items():
        share_NA = policy.probabilities(held.contexts)
        evidence = evidence_of(held, share_NA, model_NA, doubts)
        found[name] = Judged(
            np.array([(share_NA * world).sum(1).mean() for world in worlds]),
            evidence,
            None if true_NA is None else float((share_NA * true_NA).sum(1).mean()),
        )
    return found


def evidence_of(held: Log, share_NA: Floats, model_NA: Floats, doubts: list[Floats]) -> Evidence:
    """A log with a target policy and a click model, as the estimators take them."""
    rows = np.arange(len(held))
    means = [float((share_NA * doubt).sum(1).mean()) for doubt in doubts]
    return Evidence(
        held.click_N,
        share_NA[rows, held.action_N] / held.propensity_N,
        model_NA[rows, held.action_N],
        (share_NA * model_NA).sum(1),
        float(np.std(means)) if means else 0.0,
        float(np.mean([world.max(1).mean() for world in (doubts or [model_NA])])),
    )


def on_policy(log: Log) -> Evidence:
    """The log's own campaigns as a target policy: every row weighs 1."""
    nothing = np.zeros(len(log))
    return Evidence(log.click_N, np.ones(len(log)), nothing, nothing)


def lifts(judged: Mapping[str, Judged], policy: str, over: str, held: Log) -> dict[str, Any]:
    """A policy's lift over another: on the click model, off-policy, and in truth.

    Off-policy, the logging policy's rate is that of the log itself.
    """
    one, other = judged[policy], judged[over]
    rows = on_policy(held) if over == "logging" else other.evidence
    found: dict[str, Any] = {
        "model": credible(one.rates_M / other.rates_M - 1).json(),
        "off_policy": paired_lift(one.evidence, rows).json(),
    }
    if one.true is not None and other.true is not None:
        found["true"] = one.true / other.true - 1
    return found


def simulated_test(
    policies: Mapping[str, Policy],
    held: Log,
    judging: Fitted,
    pair: tuple[str, str],
    config: ExperimentConfig,
    seed: int,
    null: bool = False,
) -> tuple[Path, float]:
    """An A/B test of one policy against another on a drawn click model, and the lift that it has there.

    With `null` visitors do not care which item they see, so that both policies are the same to them.
    """
    random = np.random.default_rng([seed, 31])
    world = judging.draw(random)
    chance_NA = (flat(world) if null else world).probabilities(held.contexts)
    new, old = (
        float((policies[name].probabilities(held.contexts) * chance_NA).sum(1).mean()) for name in pair
    )
    return run_test(config, new, old, random), new / old - 1
