"""What the studies of human feedback measured, as claims: the objects of docs/results.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.claims import PERCENT, STUDENT, claim, student_interval
from studies.judged import Claim

EXACT = "95% interval, exact (Clopper and Pearson)"


def over_seeds(
    name: str, text: str, per_seed: Mapping[int, float], target: str, unit: str = PERCENT
) -> Claim:
    """A mean over seeds with its 95% interval; none of one seed."""
    found = claim(name, text, per_seed, unit, target)
    bounds = student_interval(list(per_seed.values()))
    return found if bounds is None else {**found, "interval": bounds, "interval_kind": STUDENT}


def rlhf(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of studies.rlhf: the reward model beside the ceiling, its gain beside that of the truth."""
    seeds = {int(name[5:]): row for name, row in results.items() if name.startswith("seed-")}
    model = {seed: row["reward_model"] for seed, row in seeds.items()}
    claims = [
        over_seeds(
            "rlhf-reward-model-share-of-ceiling",
            "Jokes, 1,000 prompts of five answers, five rankings each: accuracy of the reward model (the "
            "mean of four) on held-out pairs as a share of the human ceiling",
            {
                seed: 100 * row["ensemble"]["accuracy"] / row["reward_model"]["ceiling"]["accuracy"]
                for seed, row in seeds.items()
            },
            "at least 95",
        ),
        over_seeds(
            "rlhf-reward-model-share-of-truth",
            "Jokes: the same as a share of what people's true utility reaches on these pairs, which only "
            "simulated people tell",
            {seed: 100 * row["ensemble"]["accuracy"] / row["truth"] for seed, row in seeds.items()},
            "at least 95",
        ),
        over_seeds(
            "rlhf-one-reward-model-share-of-ceiling",
            "Jokes: the same of one reward model alone",
            {seed: 100 * row["accuracy"] / row["ceiling"]["accuracy"] for seed, row in model.items()},
            "at least 95",
        ),
    ]
    gains = {seed: row["gain"] for seed, row in seeds.items() if "gain" in row}
    if gains:
        first = next(iter(gains.values()))
        claims += [
            over_seeds(
                "rlhf-gain-share",
                "Jokes: gain in people's true utility by PPO against the model of their rankings, as a share "
                "of the gain by as many updates of PPO paid the true utility of every sample at the same KL "
                "weight, which weighs more or less on a reward of another scale, and without the price of 5 "
                "for unfinished text: another run to compare with, and no ceiling",
                {seed: 100 * row["reward_model"] / row["gold"] for seed, row in gains.items()},
                "at least 90",
            ),
            claim(
                "rlhf-dollars-share",
                f"Dollars that those rankings would cost (${first['reward_model_dollars']:,.0f} at $0.10 a "
                "rating), as a share of what one rating of every sample of PPO would "
                f"(${first['gold_dollars']:,.0f})",
                {
                    seed: 100 * row["reward_model_dollars"] / row["gold_dollars"]
                    for seed, row in gains.items()
                },
                PERCENT,
                "below 100",
            ),
        ]
    claims.append(
        claim(
            "rlhf-guard-share-of-time",
            "The guard's share of the time of practice against a reward model",
            {seed: 100 * row["guard"]["share_of_time"] for seed, row in seeds.items()},
            PERCENT,
            "at most 5",
        )
    )
    batching = {seed: row["held_out_loss"] for seed, row in seeds.items() if "held_out_loss" in row}
    if batching:
        claims.append(
            claim(
                "rlhf-pairs-over-fit",
                "Held-out loss of the reward model after four epochs on shuffled pairs, above that on whole "
                "rankings, both with as many pairs a batch and so as many updates (InstructGPT reports that "
                "shuffled pairs over-fit), in thousandths of a nat; after one epoch "
                + ", ".join(
                    f"{1000 * (losses['pairs'][0] - losses['grouped'][0]):.0f}"
                    for losses in batching.values()
                ),
                {
                    seed: 1000 * (losses["pairs"][-1] - losses["grouped"][-1])
                    for seed, losses in batching.items()
                },
                "thousandths",
                "above 0",
            )
        )
    return claims


def share(name: str, text: str, found: Mapping[str, float], seeds: Sequence[int], target: str) -> Claim:
    """A share of runs or models with its exact 95% interval, in per cent."""
    value, low, high = (100 * found[key] for key in ("value", "low", "high"))
    return {
        "id": name,
        "claim": text,
        "value": value,
        "unit": PERCENT,
        "interval": [low, high],
        "interval_kind": EXACT,
        "target": target,
        "seeds": list(seeds),
        "n": int(found["n"]),
    }


def demo(summary: Mapping[str, Any]) -> list[Claim]:
    """Claims of a demo's human half: its seconds, and what it did to people's true utility."""
    stage = next(one for one in summary["stages"] if one["name"] == "rlhf")
    feedback = summary["human_feedback"]
    before, after = feedback["gold"]
    return [
        {
            "id": "rlhf-demo-seconds",
            "claim": "Demo: seconds of its human half, from no model to jokes by human feedback and their "
            f"audit ({feedback['ratings']:,} ratings; true utility {before:.2f} to {after:.2f})",
            "value": stage["seconds"],
            "unit": "s",
            "interval": None,
            "interval_kind": None,
            "target": "at most 300",
            "seeds": [summary["seed"]],
        }
    ]
