"""What `practicum apply overoptimization` measured, as claims for docs/results.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.claim import POINTS, noted, over_seeds
from studies.judged import Claim

PROXIES = {"ads": "a click model", "portfolio": "a backtest"}
WORTH = {"ads": "clicks over showing all evenly", "portfolio": "annual return beyond equal weight"}
COSTS = {
    "ads": "at least -5 (the guard should cost little where the proxy is honest)",
    "portfolio": "above 0",
}


def command_of(results: Mapping[str, Any]) -> str:
    """The command that repeats it."""
    return (
        f"practicum apply overoptimization --seeds {len(results['ads']['seeds'])} --run runs/overoptimization"
    )


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Of each game, how far the proxy is above gold at the end, and what the guard keeps of gold."""
    made = []
    for game, proxy in PROXIES.items():
        moments = results[game]["moments"]
        seeds = [int(one["seed"]) for one in results[game]["seeds"]]
        last, guard = moments["last"], moments["guard"]
        gap = by_seed(seeds, last["proxy"]["seeds"], last["gold"]["seeds"])
        told = f"Paid by {proxy} to the end: {WORTH[game]}, promised less true"
        ends = f"Promised {100 * last['proxy']['mean']:.1f}, true {100 * last['gold']['mean']:.1f}."
        made.append(noted(over_seeds(f"proxies-{game}-gap", told, gap, "above 0", POINTS), ends))
        kept = by_seed(seeds, guard["gold"]["seeds"], last["gold"]["seeds"])
        told = f"Paid by {proxy}: {WORTH[game]} of the agent that the guard keeps, less the last's"
        worth, place = 100 * guard["gold"]["mean"], guard["iteration"]
        where = f"The guard's agent is worth {worth:.1f}; it is that of iteration {place:.0f} on average."
        made.append(noted(over_seeds(f"proxies-{game}-guard", told, kept, COSTS[game], POINTS), where))
    return made


def by_seed(seeds: list[int], one: list[float], other: list[float]) -> dict[int, float]:
    """Differences in percentage points, seed by seed."""
    return {seed: 100 * (first - second) for seed, first, second in zip(seeds, one, other, strict=True)}
