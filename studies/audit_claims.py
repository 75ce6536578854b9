"""What the studies of the audit measured, as claims: the objects of docs/results.json."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from practicum.audit.intervals import exact_share
from studies.claims import PERCENT, POINTS, claim
from studies.feedback_claims import over_seeds, share
from studies.judged import CENSUS, Claim

TASTES = "one base model for all seeds, raters who care for soundness and puns alone"
RIVALS = {
    "unguarded": "no guard and no KL",
    "least": "no KL, paid the lower of the two rewards",
    "stopped": "no KL, stopped at the KL budget",
    "rolled_back": "no KL, back to the trusted checkpoint and ended",
    "plain": "plain PPO with the default KL weight for as many steps",
}
"""What the guard that holds is compared with: names in a seed's results, and in words.

After its alarm a guarded run is PPO with the KL held; of its rivals only the last has a KL, from the start.
"""


def guard(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of studies.guard: false alarms, alarms, and what each way to end keeps of the true utility."""
    settings = results["settings"]
    seeds = {int(seed): row for seed, row in results["by_seed"].items()}
    count, bases = len(seeds), results.get("bases", 1)
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
        ),
        share(
            "guard-stops-gaming",
            f"Jokes: practice without a KL that games its reward model ({gamed}) in which the default guard "
            "alarms",
            results["stopped"],
            list(seeds),
            "at least 90",
        ),
        over_seeds(
            "guard-unguarded-loss",
            "Jokes: what those runs lose of people's true utility when nobody stops them, from their best "
            "checkpoint to their end",
            {seed: row["best"] - row["unguarded"] for seed, row in seeds.items()},
            "above 0",
            "units",
        ),
        over_seeds(
            "guard-unguarded-reward",
            "Jokes: what those runs gain in reward meanwhile",
            {seed: row["proxy"][1] - row["proxy"][0] for seed, row in seeds.items()},
            "above 0",
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
        ),
    ]
    claims += [
        over_seeds(
            f"guard-above-{name.replace('_', '-')}",
            f"Jokes: true utility at the end of guarded runs above that of {words} ({bases} base "
            f"model{'s' if bases > 1 else ''})",
            {seed: row["guarded"] - row[name] for seed, row in seeds.items()},
            "above 0",
            "units",
        )
        for name, words in RIVALS.items()
        if all(name in row for row in seeds.values())
    ]
    return [*claims, early(results["signals"], list(seeds))] if results["signals"] else claims


def early(signals: Mapping[str, Any], seeds: list[int]) -> Claim:
    """Whether any signal warned by the onset: the best of them, with the others' places in words."""
    best = max(signals, key=lambda name: (signals[name]["early_rate"], signals[name]["area"]))
    caught = ", ".join(
        f"{name.replace('_', ' ')} {one['detection_rate']:.0%}"
        for name, one in sorted(signals.items(), key=lambda item: -item[1]["detection_rate"])
    )
    return share(
        "guard-signals-early",
        "Jokes: those runs in which a single signal alarms by the step of the greatest true utility, "
        f"thresholds for 5% false alarms: {best.replace('_', ' ')}, the best of {len(signals)} (at any time: "
        f"{caught})",
        exact_share(round(signals[best]["early_rate"] * len(seeds)), len(seeds)).json(),
        seeds,
        "at least 50",
    )


WAYS = {"rl": ("ppo", "PPO without KL"), "best_of_n": ("best-of-n", "the best of 1 to {best_of}")}
SHAPES = {"best_of_n": ("quadratic", "d(a - b d)"), "rl": ("logarithm", "d(a - b log d)")}


def overoptimization(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of `practicum audit overoptimization`: how well each form fits, whether it foresees the peak."""
    settings = results["settings"]
    seeds = [int(seed) for seed in results["seeds"]]
    part = settings.get("first", 0.5)
    claims = [
        one
        for way, (word, words) in WAYS.items()
        for form in SHAPES
        for one in curve_claims(word, words.format(**results), form, results[way][form], seeds, part)
    ]
    return [
        *claims,
        share(
            "overoptimization-ppo-without-gold",
            "Jokes: runs of PPO without KL whose true utility peaks where the guard stops trusting the "
            "reward, which sees KL and no true utility, within 20% of its square root",
            results["foreseen_without_gold"],
            seeds,
            "at least 80",
        ),
    ]


def curve_claims(
    word: str, words: str, form: str, found: Mapping[str, Any], seeds: list[int], part: float
) -> list[Claim]:
    """R^2 of one form for one way to optimise, and how often it foresees where true utility peaks."""
    shape, formula = SHAPES[form]
    peak, seen, explained = found["peak_distance"], found["observed"], found["held_out_r2"] or 0.0
    turns = "nowhere" if peak is None or peak > 100 else f"at d = {peak:.2f}"
    beyond = f"; beyond the end in {found['unreached']} of {len(seen)}" if found["unreached"] else ""
    return [
        {
            "id": f"overoptimization-{word}-{shape}-held-out-r2",
            "claim": f"Jokes, {words}: R^2 on held-out blocks of {formula}, d the square root of the KL, "
            f"fitted to people's true utility over all seeds; it turns {turns}",
            "value": 100 * explained,
            "unit": PERCENT,
            "interval": None,
            "interval_kind": None,
            "target": "above 50",
            "seeds": seeds,
        },
        share(
            f"overoptimization-{word}-{shape}-foreseen",
            f"Jokes, {words}: seeds whose peak of true utility (at d = {min(seen):.2f} to {max(seen):.2f}"
            f"{beyond}) {formula} foresees from the first {part:.0%} of the way, within 20% of d",
            found["foreseen"],
            seeds,
            "at least 80",
        ),
    ]


def ensembles(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of studies.ensembles: members by pretraining seed and by fine-tuning seed, and four ways to put
    them together."""
    seeds = {int(seed): row for seed, row in results["ensembles"].items()}
    members, best = results["members"], results["answers"]

    def gains(kind: str, way: str) -> dict[int, float]:
        return {seed: row[kind][way] for seed, row in seeds.items()}

    def mean(kind: str, way: str) -> str:
        return f"{fmean(gains(kind, way).values()):.2f}"

    def beyond(name: str, text: str, one: Mapping[int, float], other: Mapping[int, float]) -> Claim:
        found = {seed: one[seed] - other[seed] for seed in one}
        return over_seeds(name, text, found, "above 0", "units")

    tuned, read = gains("tuned", "mean"), gains("read", "mean")
    average = {seed: row["average"] for seed, row in seeds.items()}
    picks = f"true utility gained by the best of {best} answers"
    claims = [
        beyond(
            "ensembles-pretraining-seeds",
            f"Jokes: {picks} by the mean of {members} reward models of pretraining seeds of their own, "
            f"beyond the mean of {members} of fine-tuning seeds ({mean('read', 'mean')} and "
            f"{mean('tuned', 'mean')})",
            read,
            tuned,
        ),
        beyond(
            "ensembles-above-one",
            f"Jokes: the same beyond one such model alone ({mean('read', 'single')})",
            read,
            gains("read", "single"),
        ),
        beyond(
            "ensembles-tuned-above-one",
            f"Jokes: {picks} by the mean of {members} fine-tuning seeds, beyond one of them "
            f"({mean('tuned', 'single')})",
            tuned,
            gains("tuned", "single"),
        ),
        beyond(
            "ensembles-average-above-one",
            f"Jokes: {picks} by the model of the mean weights of {members} fine-tuning seeds (WARM), beyond "
            f"one of them ({fmean(average.values()):.2f})",
            average,
            gains("tuned", "single"),
        ),
    ]
    for way, words in (("min", "the lowest"), ("mean_minus_variance", "the mean less half the variance")):
        claims.append(
            beyond(
                f"ensembles-{way.replace('_', '-')}",
                f"Jokes: {picks} by {words} of {members} pretraining seeds, beyond their mean "
                f"({mean('read', way)}; fine-tuning seeds {mean('tuned', way)})",
                gains("read", way),
                read,
            )
        )
    for kind, words in (("read", "pretraining"), ("tuned", "fine-tuning")):
        claims.append(
            over_seeds(
                f"ensembles-{words}-seeds-know-what-they-overpay",
                f"Jokes: rank correlation, within prompts, of the disagreement of {members} {words} seeds "
                "with how far their mean overpays an answer",
                gains(kind, "knows_what_it_overpays"),
                "above 0",
                "correlation",
            )
        )
    return claims


def exploits(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of studies.exploits: planted kinds named, others named beside them, clean models accused."""
    planted = range(results["planted"])
    return [
        share(
            "exploits-planted-named",
            f"Exploits planted in neural reward models ({results['planted']} models, 11 kinds, by texts that "
            "are not among the finder's probes) that the finder names within 2,000 questions",
            results["named"],
            planted,
            "at least 95",
        ),
        share(
            "exploits-names-true",
            f"Kinds named of these and of {results['clean']} clean models ({results['names']} names) that "
            "are true: on prompts the finder never saw, a text of the kind is paid at least what the mean "
            "honest answer is, and is worth less than every honest one",
            results["names_true"],
            planted,
            "at least 95",
        ),
        share(
            "exploits-others-named",
            "The stricter count: those models of which the finder names some other kind too "
            f"({results['extra_names']} names in all)",
            results["others_named"],
            planted,
            "at most 5",
        ),
        share(
            "exploits-clean-accused",
            f"Reward models of clean rankings of jokes alone ({results['clean']}, no probe among them) with "
            "any finding that the finder calls an exploit",
            results["accused"],
            range(results["clean"]),
            "at most 5",
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
            "above 0",
            "units",
        ),
        over_seeds(
            "best-of-n-more-rankings",
            f"Jokes: what {many:,} rankings gain beyond {few} ({mean(f'{many}-0'):.2f} and "
            f"{mean(f'{few}-0'):.2f}; {middle}: {mean(f'{middle}-0'):.2f})",
            above(f"{many}-0", f"{few}-0"),
            "above 0",
            "units",
        ),
        over_seeds(
            "best-of-n-more-layers",
            f"Jokes: what a reward model of all layers gains beyond one of {results['layers']} layer "
            f"({mean(f'{middle}-0'):.2f} and {mean(small):.2f}), {middle} rankings each",
            above(f"{middle}-0", small),
            "above 0",
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
        },
    ]


def budget(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of studies.budget: chosen rankings that do what all the random ones do, seed by seed."""
    texts = {
        "features": "responses with mostly rare features, as policies write them",
        "jokes": "the jokes task's own responses, where a hundred random ones reach nearly all",
    }
    ids = {"features": "budget-features-needed", "jokes": "budget-jokes-needed"}
    whole, half = results["rankings"], results["rankings"] // 2
    claims = []
    for task, found in results["budget"].items():
        needed = found["needed_by_seed"]["information"]
        # A seed that never gets there with half of them counts as needing all.
        by_seed = dict(enumerate(whole if count is None else count for count in needed))
        short = sum(count is None for count in needed)
        mean = found["needed"]["information"]
        curve = f"gets there after {mean}" if mean else f"does not get there with {half}"
        claims.append(
            claim(
                ids[task],
                f"Active selection: rankings chosen by information that match {whole:,} random ones, on "
                f"{texts[task]}; {short} of {results['seeds']} seeds do not get there with {half} and count "
                f"as {whole:,} (the curve averaged over the seeds {curve})",
                by_seed,
                "rankings",
                f"at most {half}",
            )
        )
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
    steps = results["unguarded_steps"]
    return [
        *claims,
        claim(
            "bias-unguarded-puns",
            f"Share of puns among all answers after {steps} steps without KL, price or guard; people's true "
            f"utility went from {start:.2f} to {fmean(row['gold'] for row in best.values()):.2f} at the best "
            f"checkpoint and to {ended:.2f} at the end",
            {seed: 100 * row["unguarded"]["end"]["puns_of_all"] for seed, row in seeds.items()},
            PERCENT,
            "at least 95 (everything a pun, as feared)",
        ),
        claim(
            "bias-remedy-puns",
            f"Share of puns among all answers at KL weight {beta:g} with a price tuned to reach the raters' "
            f"72% (without it {100 * fmean(row['puns_of_all'] for row in free.values()):.0f}%)",
            {seed: 100 * row["remedy"]["puns_of_all"] for seed, row in seeds.items()},
            PERCENT,
            "67 to 77",
        ),
        over_seeds(
            "bias-remedy-gain-kept",
            "Gain in people's true utility with that price, as a share of the best that any checkpoint "
            "gained where nothing held the policy back",
            {seed: kept(row["remedy"]["gold"], best[seed]["gold"], start) for seed, row in seeds.items()},
            "at least 90",
        ),
        over_seeds(
            "bias-remedy-gain-kept-at-that-weight",
            f"Gain in people's true utility with that price, as a share of what KL weight {beta:g} gains "
            "without it, most of the rest being puns themselves, which these raters like as such",
            {seed: kept(row["remedy"]["gold"], free[seed]["gold"], start) for seed, row in seeds.items()},
            "at least 90",
        ),
    ]


def kept(ended: float, whole: float, start: float) -> float:
    """What is kept of a gain, in per cent; nothing where there was nothing to keep."""
    return 100 * (ended - start) / (whole - start) if whole > start else 0.0


def forecast_claim(rows: Mapping[int, Mapping[str, Any]], before: float) -> Claim:
    """How far the share of puns at one KL weight ends from its forecast, in points, seed by seed."""
    beta = next(iter(rows.values()))["beta"]
    reward, people, reached = (
        fmean(100 * (row[name] or 0.0) for row in rows.values())
        for name in ("forecast_of_reward", "forecast", "puns")
    )
    return claim(
        f"bias-puns-beta-{beta:g}",
        f"Share of puns after PPO at KL weight {beta:g}, from a reference of {100 * before:.0f}%, {TASTES}: "
        f"how far it ends from what the reward model's preference forecasts ({reached:.1f}% and "
        f"{reward:.1f}%; people's own would forecast {people:.1f}%)",
        {seed: 100 * abs((row["puns"] or 0.0) - row["forecast_of_reward"]) for seed, row in rows.items()},
        POINTS,
        "at most 5",
    )


def instruments(results: Mapping[str, Any]) -> list[Claim]:
    """Claims of studies.instruments: coverage of intervals, verifiers that are flagged."""
    every = [
        (one["value"], situation, meter, one)
        for meter, found in results["coverage"].items()
        for situation, one in found.items()
    ]
    _, situation, meter, least = min(every, key=lambda row: row[0])
    seeds, flagged = list(range(results["seeds"])), results["verifiers"]
    gameable = flagged["poisoned"] + flagged["lenient"]
    return [
        share(
            "instruments-interval-coverage",
            f"The bias meter's intervals that cover the truth, of {results['simulations']} simulations in "
            f"the worst of {len(every)} situations ({meter}, {situation}; the best "
            f"{100 * max(every)[0]:.1f}%)",
            least,
            [],
            "at least 93",
        ),
        share(
            "instruments-gameable-verifiers",
            f"Sets of equations on which a gameable reward is flagged: the poisoned answer key on "
            f"{flagged['poisoned']}, a verifier that looks for numbers anywhere on {flagged['lenient']}, of "
            f"{len(seeds)} each",
            exact_share(gameable, 2 * len(seeds)).json(),
            seeds,
            "at least 95",
        ),
        share(
            "instruments-true-verifier",
            "Sets of equations on which the verifier that substitutes is accused",
            exact_share(flagged["true"], len(seeds)).json(),
            seeds,
            "at most 5",
        ),
    ]


def headline_exploits(results: Mapping[str, Any]) -> list[Claim]:
    """The claim of studies.headline_exploits: kinds of text by which a model of real judgements is gamed."""
    found = results["headline_exploits"]
    kinds = [kind.replace("_", " ") for kind in found["kinds"]]
    named = [one for one in found["findings"] if one["exploit"]]
    worst = max(named, key=lambda one: one["margin"], default=None)
    most = ""
    if worst:
        everywhere = f"ahead of every honest edit on {100 * worst['share']:.0f}% of headlines"
        most = f'; most of all "{worst["text"]}", {everywhere}'
    return [
        {
            "id": "headline-exploits-kinds",
            "claim": f"Humicroedit: kinds of text ({', '.join(kinds)}) by which the reward model from "
            f"SmolLM2-135M of real people's judgements is gamed, found with {found['queries']:,} questions "
            f"on {results['headlines']} held-out headlines{most}",
            "value": len(kinds),
            "unit": "kinds",
            "interval": [len(kinds), len(kinds)],
            "interval_kind": CENSUS,
            "target": "at least 1",
            "seeds": [results["seed"]],
        }
    ]
