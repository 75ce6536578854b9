"""Where each claim's target came from, and on which seeds the settings behind it were chosen.

The first pattern that fits a claim's id holds. `None` seeds: they were not written down, so take it that any
of the claim's own seeds may have been looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any

GOAL = "a goal of the project, set before the study was run"
ZERO = "no effect: the least that the sentence says"
ABOUT = "chosen with the study; not known to be set before its first results were seen"

_ORIGINS: tuple[tuple[str, str, list[int] | None], ...] = (
    ("verifier-*", GOAL, []),
    ("proxies-*-guard", ABOUT, [100]),
    ("proxies-*", ZERO, [100]),
    ("cloud-cost-reduction", "17%: the figure of the text that the project grew from", None),
    ("cloud-cost-below-calibrated-rule", GOAL, None),
    ("cloud-positive-control", ABOUT, None),
    ("cloud-null-control", ABOUT, None),
    ("cloud-*", ZERO, None),
    ("portfolio-return-improvement", "12: the figure of the text that the project grew from", [100, 101]),
    ("portfolio-deflated-sharpe", "the usual level of significance", [100, 101]),
    ("portfolio-null-control", "set after the first result was seen: the size that is sought", [100, 101]),
    ("portfolio-*", ZERO, [100, 101]),
    (
        "agent-pendulum-return",
        "a margin of 5% of the range of returns, set before the study was run; the unit of actions was "
        "changed after these seeds had been looked at, by others",
        [101, 102, 103, 104, 105, 106, 107, 108],
    ),
    ("agent-*-return", "a margin of 5% of the range of returns, set before the study was run", []),
    ("agent-*-speed", GOAL, []),
    ("compare-*-gain-*", ZERO, [100]),
    ("compare-*", "a margin set with the study, before it was run", [100]),
    ("equations-exposition-*", ABOUT, [0, 1, 2]),
    ("equations-worked-*", ABOUT, [0, 1, 2]),
    ("equations-practice-*", GOAL, [0, 1, 2]),
    ("equations-seconds", GOAL, [0, 1, 2]),
    ("equations-ppo*", GOAL, [0, 1, 2]),
    ("equations-unseen-*", f"{GOAL} for the usual problems", [0, 1, 2]),
    ("equations-external-*", ABOUT, [0, 1, 2]),
    ("equations-*", ZERO, [0, 1, 2]),
    ("outside-*", GOAL, [0]),
    ("jester-*accuracy", ZERO, None),
    ("jester-*", GOAL, None),
    ("humicroedit-*", ZERO, None),
    ("rlhf-guard-*", GOAL, []),
    ("rlhf-demo-*", GOAL, [0]),
    ("rlhf-pairs-*", ZERO, None),
    ("rlhf-*", GOAL, [0, 1, 2]),
    ("exploits-*", GOAL, None),
    ("learned-rewards-*", GOAL, [20, 21, 22, 23, 24]),
    ("human-efficiency-*-passed", ZERO, [100]),
    ("human-efficiency-*-null", ZERO, [100]),
    ("human-efficiency-*", GOAL, [100]),
    ("style-by-*-correct", GOAL, [100]),
    ("style-*", ZERO, [100]),
    (
        "teaching-unsolved-greedy",
        "25%: set with the study's first recipe, which missed it, and kept for the two after it",
        [*range(10), 101, 102, 103, 104, 105, 106],
    ),
    ("teaching-unsolved-*", ZERO, [*range(10), 101, 102, 103, 104, 105, 106]),
    (
        "teaching-short-kept",
        "1 point: set with the recipe that begins at 2 terms, before its seeds ran",
        [*range(10), 101, 102, 103, 104, 105, 106],
    ),
    ("teaching-*", ZERO, [100]),
    ("budget-*", GOAL, None),
    ("guard-false-alarms", GOAL, [20, 21, 22, 23, 24]),
    ("guard-stops-gaming", GOAL, [20, 21, 22, 23, 24]),
    ("guard-kept", GOAL, [20, 21, 22, 23, 24]),
    ("guard-signals-early", ABOUT, [20, 21, 22, 23, 24]),
    ("guard-*", ZERO, [20, 21, 22, 23, 24]),
    ("fuzz-*", GOAL, [0]),
    ("math-reward-*", "none wrong and none over 50 ms: goals of the project", []),
    ("newcomer-*", GOAL, []),
    ("counted-*", GOAL, [0]),
    ("pairs-count", GOAL, [0]),
    (
        "pairs-area-*",
        "better than chance; made of the direction watched after the runs: random signs leave half",
        [0],
    ),
    ("pairs-*", "better than chance, or than half: chosen with the study, before it was run", [0]),
    ("best-of-n-curve-*", ABOUT, None),
    ("best-of-n-*", ZERO, None),
    ("ensembles-*", ZERO, []),
    ("instruments-interval-coverage", "95% by construction, less 2 for chance in the simulations", []),
    ("instruments-*", GOAL, []),
    ("headline-exploits-*", "one is enough to game it", []),
    ("overoptimization-*-foreseen", GOAL, [*range(20, 25), *range(30, 40)]),
    ("overoptimization-*", ABOUT, [*range(20, 25), *range(30, 40)]),
    ("bias-puns-*", GOAL, [0, 1, 2]),
    ("bias-*", GOAL, [0, 1, 2]),
    ("beside-trl-ppo-time", GOAL, [100]),
    ("beside-trl-ppo-*", "a margin set with the study, before it was run", [100]),
    ("beside-trl-*", GOAL, [9]),
    ("real-model-*-true", GOAL, [7, 9]),
    ("real-model-*", "a tenth of what a true reward should give, set before the study was run", [7, 9]),
    ("shaping-*", ZERO, []),
    ("ads-ctr-lift", "23%: the figure of the text that the project grew from", [*range(100, 104), 1]),
    ("ads-ctr-lift-over-best-seller", "23%: as against the logging policy", [*range(100, 104), 1]),
    ("ads-ctr-lift-by-rows", "23%: as against the logging policy", [*range(100, 104), 1]),
    ("ads-ctr-lift-*", ZERO, [*range(100, 104), 1]),
    ("ads-aa-*", GOAL, []),
    ("ads-interval-*", "95% by construction, less 3 for chance in the simulations", [7]),
    ("ads-*", ABOUT, [*range(100, 104), 1]),
    ("bench-*", "a goal that the comparison was built for, set before it was recorded", []),
)


def with_origin(claim: Mapping[str, Any]) -> dict[str, Any]:
    """The claim with `target_origin` and `settings_seeds`; what it says of itself stays."""
    for pattern, origin, seeds in _ORIGINS:
        if fnmatch(str(claim["id"]), pattern):
            return {"target_origin": origin, "settings_seeds": seeds, **claim}
    return {"target_origin": "not written down", "settings_seeds": None, **claim}
