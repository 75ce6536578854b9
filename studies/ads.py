"""Ads: lifts, off-policy estimates, A/B tests: `python -m studies.ads --data FOLDER --run runs/ads`.

FOLDER has Open Bandit's files (random_men.csv.gz, bts_men.csv.gz, item_context_men.csv, and women's). Five
seeds of each: the two real logs, the made-up one, both controls on both; 200 simulations of the intervals;
1,000 A/A tests. About half an hour; what is finished is not done again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from practicum.applications.ads.click_model import fit
from practicum.applications.ads.columns import DataConfig
from practicum.applications.ads.command import Config, apply
from practicum.applications.ads.controls import Control
from practicum.applications.ads.data import Log, read_log
from practicum.applications.ads.estimators import ESTIMATORS, Evidence, effective_size, ips, paired_lift
from practicum.applications.ads.experiment import ExperimentConfig, false_positives
from practicum.applications.ads.generator import GeneratorConfig, generate
from practicum.applications.ads.judge import evidence_of, on_policy
from practicum.applications.ads.policies import popularity
from practicum.errors import InputError
from practicum.stats import exact_share
from studies.claim import PERCENT, noted, over_seeds, share
from studies.common import note_machine, read, record, say, study_main, write
from studies.judged import Claim

Floats = NDArray[np.float64]
LOGS = ("men", "women")
BASELINES = {
    "logging": "the logging policy",
    "popularity": "the best seller",
    "random": "random choice",
    "linucb": "LinUCB",
    "thompson": "Thompson sampling",
    "vowpalwabbit": "vowpalwabbit",
    "click model": "its own click model's best item",
}
SESSION_BASELINES = {
    "random": "random choice",
    "popularity": "the best seller",
    "click model": "the click model's best item",
    "click model, tired": "the click model that knows of tiring but does not plan",
    "click model, freshest category": "the best item of the freshest category",
}
CREDIBLE = (
    "mean over splits of the 95% credible intervals: what the clicks of the half that judges leave possible"
)
BY_ROWS = "mean over splits of 95% intervals (gamma and MOVER), from the rows alone"
SETTINGS = "Settings were chosen on made-up seeds 100 to 103 and on split 1 of men's learning half."


@dataclass(frozen=True)
class StudyConfig:
    """What is gained by learning whom to show what, on Open Bandit's logs and on made-up ones."""

    data: Path
    """Folder with Open Bandit's logs and items."""
    run: Path
    """Folder of the study."""
    seeds: int = 5
    """Splits, worlds and agents."""
    seed: int = 10
    """The first of them; settings were chosen on others."""
    simulations: int = 200
    """Logs on which intervals are checked."""
    tests: int = 1000
    """A/A tests."""


def study(config: StudyConfig, settings: Config | None = None) -> dict[str, Any]:
    """Do each part that is not done, write RUN/results.json and return it.

    `settings`: those of `practicum apply ads`; the study decides on log, seeds and control.
    """
    note_machine(config.run, "ads")
    results: dict[str, Any] = {"applied": {}}
    for name, one in runs_of(config, settings or Config()).items():
        say(f"ads: {name}")
        results["applied"][name] = applied(one, config.run / name)
    results["cross"] = {name: cross_estimates(config.data, name, config.seed) for name in LOGS}
    results["coverage"] = kept(
        config.run / "coverage.json", lambda: coverage(config.simulations, config.seed)
    )
    results["false_positives"] = kept(config.run / "aa.json", lambda: aa_tests(config.tests, config.seed))
    return record(config, "ads", results)


def runs_of(config: StudyConfig, settings: Config) -> dict[str, Config]:
    """The applications of the study, by name."""
    plain = replace(settings, seeds=config.seeds, seed=config.seed)
    found = {"made-up": plain}
    controls: tuple[Control, ...] = ("positive", "null")
    for control in controls:
        found[f"made-up-{control}"] = replace(plain, control=control, sessions=False)
    for name in LOGS:
        real = replace(plain, data=log_of(config.data, name), sessions=False)
        found[name] = real
        for control in controls:
            found[f"{name}-{control}"] = replace(real, control=control)
    return found


def log_of(folder: Path, name: str) -> DataConfig:
    """Both campaigns of Open Bandit on one department."""
    files = tuple(folder / f"{campaign}_{name}.csv.gz" for campaign in ("random", "bts"))
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --data has Open Bandit's logs")
    return DataConfig(file=files, items=folder / f"item_context_{name}.csv")


def applied(config: Config, folder: Path) -> dict[str, Any]:
    """What `practicum apply ads` finds, without the curves."""

    def found() -> dict[str, Any]:
        outcome = apply(config, folder)
        seeds = {
            seed: {key: value for key, value in one.items() if key not in ("segments", "features")}
            for seed, one in outcome.data["seeds"].items()
        }
        for one in seeds.values():
            one["tests"] = {
                name: {key: value for key, value in test.items() if key != "path"}
                for name, test in one["tests"].items()
            }
        return {**outcome.data, "headline": outcome.headline, "seeds": seeds}

    return kept(folder / "found.json", found)


def kept(path: Path, work: Any) -> dict[str, Any]:
    """What a part found: from its file, or worked out and written there."""
    if not path.exists():
        write(path, work())
    return read(path)


# ------------------------------------------------------------------------------------------ the estimators


def cross_estimates(folder: Path, name: str, seed: int) -> list[dict[str, Any]]:
    """Each campaign's click rate as the other campaign's rows estimate it, beside what it was.

    What a campaign would show at each place is the share of each item in its own log. The click model of the
    estimators is fitted to a half of the log that judges, which then does not judge.
    """
    settings = log_of(folder, name)
    log = read_log(settings)
    found = []
    for judging, target in ((0, 1), (1, 0)):
        rows = log.take(np.flatnonzero(log.campaign_N == judging))
        other = log.take(np.flatnonzero(log.campaign_N == target))
        learning, held = rows.halves(seed)
        fitted = fit(learning)
        random = np.random.default_rng(seed)
        doubts = [fitted.draw(random).probabilities(held.contexts) for _ in range(20)]
        evidence = evidence_of(
            held, shares_by_place(other)[held.place_N], fitted.mean.probabilities(held.contexts), doubts
        )
        found.append(
            {
                "target": ("random", "bts")[target],
                "truth": ips(on_policy(other)).json(),
                "effective": effective_size(evidence.weight_N),
                "rows": len(held),
                "estimates": {key: estimator(evidence).json() for key, estimator in ESTIMATORS.items()},
            }
        )
    return found


def shares_by_place(log: Log) -> Floats:
    """The share of each item at each place, float64 [places, A]."""
    places = int(log.place_N.max()) + 1
    counts = np.zeros((places, len(log.items)))
    np.add.at(counts, (log.place_N, log.action_N), 1.0)
    return np.asarray(counts / counts.sum(1, keepdims=True))


WORLDS = {
    "2% clicks, even log": (2000, 0.02, 0.0),
    "2% clicks, skewed log": (2000, 0.02, 1.0),
    "0.5% clicks, even log": (5000, 0.005, 0.0),
    "0.5% clicks, skewed log": (5000, 0.005, 1.0),
    "0.5% clicks, propensities down to 0.001": (5000, 0.005, 2.5),
}
"""Rows of the judging half, click rate, and how far the log's own policy is from even."""


def coverage(simulations: int, seed: int) -> dict[str, Any]:
    """How often each estimator's interval held the truth, by world."""
    return {name: covered(rows, rate, skew, simulations, seed) for name, (rows, rate, skew) in WORLDS.items()}


def covered(rows: int, rate: float, skew: float, simulations: int, seed: int) -> dict[str, Any]:
    """Logs drawn anew from one world; the policy and the click model were learnt from another log of it."""
    log, truth = generate(GeneratorConfig(rows=2 * rows, rate=rate), seed)
    learning, held = log.halves(seed)
    fitted = fit(learning)
    random = np.random.default_rng([seed, 77])
    chance_NA = truth.probabilities(held.contexts)
    model_NA = fitted.mean.probabilities(held.contexts)
    doubts = [fitted.draw(random).probabilities(held.contexts) for _ in range(20)]
    policy_NA = np.eye(len(log.items))[model_NA.argmax(1)]
    seller_NA = popularity(learning).probabilities(held.contexts)
    logging_A = np.exp(skew * random.standard_normal(len(log.items)))
    logging_A /= logging_A.sum()
    value = float((policy_NA * chance_NA).sum(1).mean())
    lifts = {
        "lift over the log": value / float((chance_NA @ logging_A).mean()) - 1,
        "lift over the best seller": value / float((seller_NA * chance_NA).sum(1).mean()) - 1,
    }
    inside = dict.fromkeys([*ESTIMATORS, *lifts], 0)
    every = np.arange(len(held))
    for _ in range(simulations):
        action_N = random.choice(len(logging_A), len(held), p=logging_A)
        click_N = (random.random(len(held)) < chance_NA[every, action_N]).astype(np.float64)
        drawn = replace(held, action_N=action_N, click_N=click_N, propensity_N=logging_A[action_N])
        evidence = evidence_of(drawn, policy_NA, model_NA, doubts)
        found = {name: estimator(evidence) for name, estimator in ESTIMATORS.items()}
        seller = replace_policy(evidence, seller_NA, model_NA, drawn)
        found["lift over the log"] = paired_lift(evidence, on_policy(drawn))
        found["lift over the best seller"] = paired_lift(evidence, seller)
        for name, one in found.items():
            inside[name] += one.low <= lifts.get(name, value) <= one.high
    return {"value": value, "simulations": simulations, "inside": inside}


def replace_policy(evidence: Evidence, share_NA: Floats, model_NA: Floats, log: Log) -> Evidence:
    """The same rows with another target policy."""
    rows = np.arange(len(log))
    return replace(
        evidence,
        weight_N=share_NA[rows, log.action_N] / log.propensity_N,
        value_N=(share_NA * model_NA).sum(1),
    )


def aa_tests(tests: int, seed: int) -> dict[str, Any]:
    """A/A tests at Open Bandit's click rate, looked at every thousand visitors up to a million."""
    return {"tests": tests, "found": false_positives(ExperimentConfig(), 0.005, tests, seed)}


# ---------------------------------------------------------------------------------------------------- claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Lifts on the real logs and in made-up worlds, controls, intervals, tests."""
    found = results["applied"]
    return [
        *real_claims({name: found[name] for name in LOGS}),
        *made_up_claims(found["made-up"]),
        *session_claims(found["made-up"]),
        *control_claims(found),
        *estimator_claims(results),
    ]


def real_claims(found: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """The lift on Open Bandit's logs over each baseline, by click models and by the rows alone."""
    made = [
        real_claim(f"ads-ctr-lift{suffix}", name, found, target)
        for name, suffix, target in (
            ("logging", "", "at least 23"),
            ("popularity", "-over-best-seller", "at least 23"),
            *((name, f"-over-{name.replace(' ', '-')}", "above 0") for name in list(BASELINES)[2:]),
        )
    ]
    return [*made, real_claim("ads-ctr-lift-by-rows", "logging", found, "at least 23", "off_policy")]


def real_claim(
    name: str, over: str, found: Mapping[str, Mapping[str, Any]], target: str, kind: str = "model"
) -> Claim:
    """The mean over men's and women's log, with the limits' means."""
    rows = [one["lifts"][over][kind] for one in found.values()]
    seeds = [int(seed) for seed in next(iter(found.values()))["seeds"]]
    per_seed = {
        str(seed): 100
        * fmean(one["seeds"][str(seed)]["lifts"][over][kind]["value"] for one in found.values())
        for seed in seeds
    }
    where = "simulated A/B tests on click models of the other half" if kind == "model" else "the rows alone"
    return noted(
        {
            "id": name,
            "claim": f"Ads, Open Bandit: PPO's lift of the click rate over {BASELINES[over]}, by {where}",
            "value": 100 * fmean(row["value"] for row in rows),
            "unit": PERCENT,
            "interval": bounds(rows),
            "interval_kind": CREDIBLE if kind == "model" else BY_ROWS,
            "target": target,
            "seeds": seeds,
            "per_seed": per_seed,
        },
        f"{SETTINGS} By log: "
        + "; ".join(
            f"{log} {100 * row['value']:+.0f}% ({limit(row['low'])} to {limit(row['high'])})"
            for log, row in zip(found, rows, strict=True)
        ),
    )


def bounds(rows: list[Mapping[str, Any]]) -> list[float] | None:
    """The means of low and high limits in per cent; none where one is without limit."""
    if any(row[end] is None for row in rows for end in ("low", "high")):
        return None
    return [100 * fmean(row[end] for row in rows) for end in ("low", "high")]


def limit(value: float | None) -> str:
    """A limit in per cent, in words where there is none."""
    return "any" if value is None else f"{100 * value:+.0f}%"


def made_up_claims(found: Mapping[str, Any]) -> list[Claim]:
    """In truth, over each baseline; and how far the simulated lift is from it."""
    made = []
    for name, words in BASELINES.items():
        true = {int(seed): 100 * one["lifts"][name]["true"] for seed, one in found["seeds"].items()}
        suffix = {"logging": "", "popularity": "-over-best-seller"}.get(
            name, f"-over-{name.replace(' ', '-')}"
        )
        target = "at least 23" if name == "logging" else "at least -5" if name == "click model" else "above 0"
        made.append(
            noted(
                over_seeds(
                    f"ads-made-up-lift{suffix}",
                    f"Ads, made-up worlds: PPO's true lift of the click rate over {words}",
                    true,
                    target,
                ),
                f"{SETTINGS} How much there is to gain was decided by whoever wrote the generator.",
            )
        )
    gaps = {
        int(seed): 100 * (one["lifts"]["logging"]["model"]["value"] - one["lifts"]["logging"]["true"])
        for seed, one in found["seeds"].items()
    }
    return [
        *made,
        over_seeds(
            "ads-simulated-less-true-lift",
            "Ads, made-up worlds: the lift over the logging policy in simulated A/B tests less the true one",
            gaps,
            "-25 to 25",
            "percentage points",
        ),
    ]


def session_claims(found: Mapping[str, Any]) -> list[Claim]:
    """Clicks of whole sessions, in which visitors tire."""
    return [
        over_seeds(
            f"ads-session-lift-over-{name.replace(', ', '-').replace(' ', '-')}",
            f"Ads, made-up sessions: PPO's lift of clicks per session over {words}",
            {int(seed): 100 * one["sessions"]["lifts"][name] for seed, one in found["seeds"].items()},
            "above 0",
        )
        for name, words in SESSION_BASELINES.items()
    ]


def control_claims(found: Mapping[str, Any]) -> list[Claim]:
    """The planted taste is found; of shuffled clicks nothing is claimed."""
    made = []
    for name, words in (
        ("made-up", "made-up worlds"),
        ("men", "Open Bandit, men"),
        ("women", "Open Bandit, women"),
    ):
        planted, null = found[f"{name}-positive"]["seeds"], found[f"{name}-null"]["seeds"]
        made.append(
            over_seeds(
                f"ads-positive-control-{name}",
                f"Ads, positive control, {words}: how often PPO shows the planted item to those who click it",
                {int(seed): 100 * one["planted"]["shown"]["ppo"] for seed, one in planted.items()},
                "at least 80",
            )
        )
        claimed = [
            one["lifts"][over]["off_policy"]["low"] > 0 or one["tests"][over]["ended"] == "won"
            for one in null.values()
            for over in ("logging", "popularity")
        ]
        made.append(
            share(
                f"ads-null-control-{name}",
                f"Ads, null control, {words}: lifts that the rows or an A/B test claim of shuffled clicks",
                exact_share(sum(claimed), len(claimed)).json(),
                map(int, null),
                "at most 50",
            )
        )
    return made


def estimator_claims(results: Mapping[str, Any]) -> list[Claim]:
    """Coverage of the intervals, agreement with the other campaign, false positives of A/A tests."""
    made = []
    covered = results["coverage"]
    count = next(iter(covered.values()))["simulations"]
    for name in next(iter(covered.values()))["inside"]:
        worst = min(covered, key=lambda world: covered[world]["inside"][name])
        made.append(
            noted(
                share(
                    f"ads-interval-coverage-{name.replace(' ', '-')}",
                    f"Ads: simulated logs in which the 95% interval of {name} held the truth, in the "
                    f"worst of "
                    f"{len(covered)} worlds",
                    exact_share(covered[worst]["inside"][name], count).json(),
                    [results["config"]["seed"]],
                    "at least 92 (95 less what 200 simulations leave open)",
                ),
                f"The worst world: {worst}.",
            )
        )
    overlaps = [
        one["low"] <= row["truth"]["high"] and row["truth"]["low"] <= one["high"]
        for rows in results["cross"].values()
        for row in rows
        for one in row["estimates"].values()
    ]
    made.append(
        share(
            "ads-other-campaign",
            "Ads, Open Bandit: estimates of a campaign from the other one's rows whose interval meets "
            "that of what "
            "it was",
            exact_share(sum(overlaps), len(overlaps)).json(),
            [results["config"]["seed"]],
            "at least 80",
        )
    )
    found = results["false_positives"]
    made.append(
        share(
            "ads-aa-false-positives",
            f"Ads: A/A tests, looked at every 1,000 of a million visitors, that find a difference "
            f"({found['tests']:,} "
            "tests)",
            exact_share(found["found"], found["tests"]).json(),
            [results["config"]["seed"]],
            "at most 5",
        )
    )
    return made


main = study_main(StudyConfig, "studies.ads", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
