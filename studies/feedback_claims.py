"""What the studies of human feedback measured, as claims: the objects of docs/results.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from practicum.audit.intervals import exact_share
from studies.claims import PERCENT, STUDENT, Claim, claim, student_interval

EXACT = "95% interval, exact (Clopper and Pearson)"


def over_seeds(
    name: str, text: str, per_seed: Mapping[int, float], target: str, least: float, unit: str = PERCENT
) -> Claim:
    """A mean over seeds with its 95% interval; met when all seeds, and an interval asked for, are above."""
    found = claim(name, text, per_seed, unit, target, lambda value: value >= least)
    bounds = student_interval(list(per_seed.values()))
    if bounds is None:
        return found
    inside = "interval" not in target or bounds[0] > least
    return {**found, "interval": bounds, "interval_kind": STUDENT, "met": found["met"] and inside}


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
            95,
        ),
        over_seeds(
            "rlhf-reward-model-share-of-truth",
            "Jokes: the same as a share of what people's true utility reaches on these pairs, which only "
            "simulated people tell",
            {seed: 100 * row["ensemble"]["accuracy"] / row["truth"] for seed, row in seeds.items()},
            "at least 95",
            95,
        ),
        over_seeds(
            "rlhf-one-reward-model-share-of-ceiling",
            "Jokes: the same of one reward model alone",
            {seed: 100 * row["accuracy"] / row["ceiling"]["accuracy"] for seed, row in model.items()},
            "at least 95",
            95,
        ),
    ]
    gains = {seed: row["gain"] for seed, row in seeds.items() if "gain" in row}
    if gains:
        first = next(iter(gains.values()))
        claims += [
            over_seeds(
                "rlhf-gain-share",
                "Jokes: gain in people's true utility by PPO against the model of their rankings, as a share "
                "of the gain by as many updates of PPO paid the true utility of every sample",
                {seed: 100 * row["reward_model"] / row["gold"] for seed, row in gains.items()},
                "at least 90",
                90,
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
                lambda value: value < 100,
            ),
        ]
    claims.append(
        claim(
            "rlhf-guard-share-of-time",
            "The guard's share of the time of practice against a reward model",
            {seed: 100 * row["guard"]["share_of_time"] for seed, row in seeds.items()},
            PERCENT,
            "at most 5",
            lambda value: value <= 5,
        )
    )
    batching = {seed: row["held_out_loss"] for seed, row in seeds.items() if "held_out_loss" in row}
    if batching:
        claims.append(
            claim(
                "rlhf-pairs-over-fit",
                "Held-out loss of the reward model after four epochs on shuffled pairs, above that on whole "
                "rankings (InstructGPT reports that shuffled pairs over-fit), in thousandths of a nat; after "
                "one epoch "
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
                lambda value: value > 0,
            )
        )
    return claims


def share(
    name: str,
    text: str,
    found: Mapping[str, float],
    seeds: Sequence[int],
    target: str,
    least: float,
    most: float = 100,
) -> Claim:
    """A share of runs or models with its exact 95% interval, in per cent; met when it lies in the target."""
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
        "n": len(seeds),
        "met": least <= value <= most,
    }


RIVALS = {
    "unguarded": "nothing at all",
    "least": "paying the lower of the two rewards",
    "stopped": "stopping at the KL budget",
    "rolled_back": "going back and ending",
}
"""What the guard that holds is compared with: names in a seed's results, and in words."""


def guard(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of studies.guard: false alarms, alarms, and what each way to end keeps of the true utility."""
    settings = results["settings"]
    seeds = {int(seed): row for seed, row in results["by_seed"].items()}
    count = len(seeds)
    kept = sum(row["guarded"] >= 0.95 * row["best"] for row in seeds.values())
    gamed = f"{count} seeds, {settings['gamed_steps']} steps, learning rate {settings['gamed_rate']:g}"
    claims = [
        share(
            "guard-false-alarms",
            f"Jokes: clean practice against a reward model ({settings['clean']} seeds, "
            f"{settings['practice.loop.steps']} steps) in which the default guard alarms",
            results["false_alarms"],
            range(settings["first_seed"], settings["first_seed"] + settings["clean"]),
            "at most 5",
            0,
            5,
        ),
        share(
            "guard-stops-gaming",
            f"Jokes: practice without a KL that games its reward model ({gamed}) in which the default guard "
            "alarms",
            results["stopped"],
            list(seeds),
            "at least 90",
            90,
        ),
        over_seeds(
            "guard-unguarded-loss",
            "Jokes: what those runs lose of people's true utility when nobody stops them, from their best "
            "checkpoint to their end",
            {seed: row["best"] - row["unguarded"] for seed, row in seeds.items()},
            "interval above 0",
            0,
            "units",
        ),
        over_seeds(
            "guard-unguarded-reward",
            "Jokes: what those runs gain in reward meanwhile",
            {seed: row["proxy"][1] - row["proxy"][0] for seed, row in seeds.items()},
            "interval above 0",
            0,
            "units",
        ),
        share(
            "guard-kept",
            "Jokes: guarded runs that end at 95% or more of the true utility of the best checkpoint of their "
            f"unguarded twin; in the mean {fmean(row['guarded'] for row in seeds.values()):.2f} against "
            f"{fmean(row['best'] for row in seeds.values()):.2f}",
            exact_share(kept, count).json(),
            list(seeds),
            "at least 90",
            90,
        ),
    ]
    claims += [
        over_seeds(
            f"guard-above-{name.replace('_', '-')}",
            f"Jokes: true utility at the end of guarded runs above that of {words}",
            {seed: row["guarded"] - row[name] for seed, row in seeds.items()},
            "interval above 0",
            0,
            "units",
        )
        for name, words in RIVALS.items()
    ]
    foreseen = share(
        "guard-peak-without-gold",
        "Jokes: those runs whose true utility peaks where the guard stops to trust the reward, which sees KL "
        "and no true utility, within 20% of its square root",
        results["foreseen_without_gold"],
        list(seeds),
        "at least 80",
        80,
    )
    return [*claims, *curves(results["curves"], list(seeds)), foreseen]


def curves(found: Mapping[str, Any], seeds: list[int]) -> list[Claim]:
    """Claims about the forms of over-optimisation: how well each fits, and whether it foresees the peak."""
    claims = []
    for form, formula in (("best_of_n", "d(a - b d)"), ("rl", "d(a - b log d)")):
        one = found[form]
        claims += [
            {
                "id": f"guard-curve-{form.replace('_', '-')}-held-out-r2",
                "claim": f"Jokes: R^2 on held-out blocks of {formula}, d the square root of the KL, fitted "
                "to people's true utility over those unguarded runs; it peaks at d = "
                f"{one['peak_distance']:.2f}",
                "value": 100 * one["held_out_r2"],
                "unit": PERCENT,
                "interval": None,
                "interval_kind": None,
                "target": "above 50",
                "seeds": seeds,
                "met": one["held_out_r2"] > 0.5,
            },
            share(
                f"guard-curve-{form.replace('_', '-')}-foreseen",
                f"Jokes: those runs whose peak of true utility {formula} foresees from their first half, "
                "within 20% of the square root of the KL",
                one["foreseen"],
                seeds,
                "at least 80",
                80,
            ),
        ]
    return claims


def exploits(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of studies.exploits: planted kinds that are named, clean models that are accused."""
    return [
        share(
            "exploits-planted-named",
            f"Exploits planted in neural reward models ({results['planted']} models, 11 kinds) that the "
            "finder names within 2,000 questions",
            results["named"],
            range(results["planted"]),
            "at least 95",
            95,
        ),
        share(
            "exploits-clean-accused",
            f"Reward models of clean rankings ({results['clean']}) that the finder accuses",
            results["accused"],
            range(results["clean"]),
            "at most 5",
            0,
            5,
        ),
    ]


def best_of_n(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of studies.best_of_n: what rankings and layers are worth, and how well d(a - b d) fits."""
    seeds = {int(seed): row for seed, row in results["best_of_n"].items()}
    few, middle, many = results["rankings"]
    best, small = results["answers"], f"{middle}-{results['layers']}"

    def gains(name: str) -> dict[int, float]:
        return {seed: row[name]["gold"][-1] for seed, row in seeds.items()}

    def above(name: str, other: str) -> dict[int, float]:
        one, than = gains(name), gains(other)
        return {seed: one[seed] - than[seed] for seed in seeds}

    def mean(name: str) -> float:
        return fmean(gains(name).values())

    fit = results["fits"][f"{middle}-0"]
    peak = fit["peak_distance"]
    turns = "nowhere" if peak is None or peak > 100 else f"at d = {peak:.1f}"
    return [
        over_seeds(
            "best-of-n-gain",
            f"Jokes: true utility gained by the best of {best} answers by a model of {middle} rankings",
            gains(f"{middle}-0"),
            "interval above 0",
            0,
            "units",
        ),
        over_seeds(
            "best-of-n-more-rankings",
            f"Jokes: what {many:,} rankings gain beyond {few} ({mean(f'{many}-0'):.2f} and "
            f"{mean(f'{few}-0'):.2f}; {middle}: {mean(f'{middle}-0'):.2f})",
            above(f"{many}-0", f"{few}-0"),
            "interval above 0",
            0,
            "units",
        ),
        over_seeds(
            "best-of-n-more-layers",
            f"Jokes: what a reward model of all layers gains beyond one of {results['layers']} layer "
            f"({mean(f'{middle}-0'):.2f} and {mean(small):.2f}), {middle} rankings each",
            above(f"{middle}-0", small),
            "interval above 0",
            0,
            "units",
        ),
        {
            "id": "best-of-n-curve-held-out-r2",
            "claim": "Jokes: R^2 on held-out blocks of d(a - b d), d the square root of the KL, fitted to "
            f"the true utility of the best of 1 to {best} over all seeds; it turns {turns}",
            "value": 100 * fit["held_out_r2"],
            "unit": PERCENT,
            "interval": None,
            "interval_kind": None,
            "target": "above 50",
            "seeds": list(seeds),
            "met": fit["held_out_r2"] > 0.5,
        },
    ]


def budget(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of studies.budget: chosen rankings that reach what all the random ones do."""
    texts = {
        "features": "responses with mostly rare features, as policies write them",
        "jokes": "the jokes task's own responses, where a hundred random ones reach nearly all",
    }
    ids = {"features": "budget-features-needed", "jokes": "budget-jokes-needed"}
    claims = []
    for task, found in results["budget"].items():
        half, needed = results["rankings"] // 2, found["needed"]["information"]
        reached = sum(count is not None for count in found["needed_by_seed"]["information"])
        row: Claim = {
            "id": ids[task],
            "claim": f"Rankings chosen by information after which a reward model's favourites are worth what "
            f"they are after {results['rankings']:,} random ones, on {texts[task]} (curves averaged over "
            f"{results['seeds']} seeds; alone {reached} of them reach it with {half})",
            "value": needed or half,
            "unit": "rankings",
            "interval": None,
            "interval_kind": None,
            "target": f"at most {half}",
            "seeds": list(range(results["seeds"])),
            "met": needed is not None,
        }
        claims.append(row if needed else {**row, "lower_bound": True})
    return claims


def bias(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of studies.bias: the share of puns at each KL weight beside its forecast, without any KL, and
    with a price."""
    seeds = {int(name[5:]): row for name, row in results.items() if name.startswith("seed-")}
    first = next(iter(seeds.values()))["rows"]
    claims = [
        forecast_claim(
            {seed: found["rows"][place] for seed, found in seeds.items()}, results["before"]["puns"]
        )
        for place in range(len(first))
    ]
    beta, start = first[-1]["beta"], results["before"]["gold"]
    free = {seed: row["rows"][-1] for seed, row in seeds.items()}
    best = {seed: row["unguarded"]["best"] for seed, row in seeds.items()}
    ended = fmean(row["unguarded"]["end"]["gold"] for row in seeds.values())
    return [
        *claims,
        claim(
            "bias-unguarded-puns",
            "Share of puns among all answers after as many steps without KL, price or guard; people's true "
            f"utility went from {start:.2f} to {fmean(row['gold'] for row in best.values()):.2f} at the best "
            f"checkpoint and to {ended:.2f} at the end",
            {seed: 100 * row["unguarded"]["end"]["puns_of_all"] for seed, row in seeds.items()},
            PERCENT,
            "at least 95 (everything a pun, as feared)",
            lambda value: value >= 95,
        ),
        claim(
            "bias-remedy-puns",
            f"Share of puns among all answers at KL weight {beta:g} with a price that is to bring them to "
            f"people's 72% (without it {100 * fmean(row['puns_of_all'] for row in free.values()):.0f}%)",
            {seed: 100 * row["remedy"]["puns_of_all"] for seed, row in seeds.items()},
            PERCENT,
            "67 to 77",
            lambda value: 67 <= value <= 77,
        ),
        over_seeds(
            "bias-remedy-gain-kept",
            "Gain in people's true utility with that price, as a share of the best that any checkpoint "
            "gained where nothing held the policy back",
            {
                seed: 100 * (row["remedy"]["gold"] - start) / (best[seed]["gold"] - start)
                for seed, row in seeds.items()
            },
            "at least 90",
            90,
        ),
        over_seeds(
            "bias-remedy-gain-kept-at-that-weight",
            f"The same as a share of what KL weight {beta:g} gains without the price, most of the rest being "
            "puns themselves, which these raters like as such",
            {
                seed: 100 * (row["remedy"]["gold"] - start) / (free[seed]["gold"] - start)
                for seed, row in seeds.items()
            },
            "at least 90",
            90,
        ),
    ]


def forecast_claim(rows: Mapping[int, Mapping[str, Any]], before: float) -> Claim:
    """The share of puns at one KL weight, met where every seed lies within 5 points of its own forecast."""
    beta = next(iter(rows.values()))["beta"]
    reward, people = (
        fmean(100 * row[name] for row in rows.values()) for name in ("forecast_of_reward", "forecast")
    )
    near = [
        row["puns"] is not None and abs(row["puns"] - row["forecast_of_reward"]) <= 0.05
        for row in rows.values()
    ]
    found = claim(
        f"bias-puns-beta-{beta:g}",
        f"Share of puns after PPO at KL weight {beta:g} from a reference of {100 * before:.0f}%; "
        f"{reward:.1f}% forecast from what the reward model prefers, {people:.1f}% from what people do; "
        f"within 5 points of its own forecast in {sum(near)} of {len(near)} seeds",
        {seed: 100 * (row["puns"] or 0.0) for seed, row in rows.items()},
        PERCENT,
        "within 5 points of the forecast",
        bool,
    )
    return {**found, "met": all(near)}
