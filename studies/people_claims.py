"""What the studies of real people's rankings measured, as claims: the objects of docs/results.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from practicum.errors import InputError
from studies import audit_claims, feedback_claims
from studies.claims import PERCENT, POINTS, claim
from studies.equations import read
from studies.judged import Claim

BOOTSTRAP = "95% interval, bootstrap over headlines"
PEOPLE = "95% intervals, bootstrap over the held-out people, from least to greatest of the splits"
Rows = Mapping[int, Mapping[str, Any]]


COMMANDS = {
    "jester": "--data FOLDER",
    "humicroedit": "--data FOLDER",
    "rlhf": "--model runs/jokes --reward_start runs/jokes-pretrain",
    "bias": "--model runs/jokes --reward_start runs/jokes-pretrain",
    "guard": "{settings}",
    "budget": "--seeds {seeds}",
    "best_of_n": "",
    "exploits": "--planted {planted} --clean {clean}",
    "ensembles": "{settings}",
    "instruments": "{settings}",
    "headline_exploits": "--data FOLDER --reward_model runs/humicroedit/smollm2-0",
    "overoptimization": "--model runs/guard/sft {settings}",
    "demo": "",
}
"""What each study, or command, must be told beside its folder."""
STARTED = {"overoptimization": "practicum audit overoptimization", "demo": "practicum demo"}
"""What is a command of practicum and no study."""


def measure(run: Path) -> list[Claim]:
    """The claims of a folder of one of COMMANDS; InputError for another."""
    whole = run / "summary.json"
    results = read(whole if whole.exists() and "stages" in read(whole) else run / "results.json")
    of: Callable[[Mapping[str, Any]], list[Claim]]
    if "stages" in results:
        of, module, trained = feedback_claims.demo, "demo", [run]
    elif "coverage" in results:
        of, module, trained = audit_claims.instruments, "instruments", [run]
    elif "headline_exploits" in results:
        of, module, trained = audit_claims.headline_exploits, "headline_exploits", [run]
    elif "people" in results:
        of, module = headlines, "humicroedit"
        trained = sorted(run.glob("smollm2-*"))
    elif "rl" in results:
        of, module, trained = audit_claims.overoptimization, "overoptimization", [run]
    elif "ensembles" in results:
        of, module = audit_claims.ensembles, "ensembles"
        trained = sorted(run.glob("seed-*/tuned-1"))
    elif "best_of_n" in results:
        of, module = audit_claims.best_of_n, "best_of_n"
        trained = sorted(run.glob("seed-*/*-0"))
    elif "budget" in results:
        of, module, trained = audit_claims.budget, "budget", [run]
    elif "signals" in results:
        of, module = audit_claims.guard, "guard"
        trained = sorted(run.glob("seed-*/unguarded"))
    elif "accused" in results:
        of, module = audit_claims.exploits, "exploits"
        trained = sorted(run.glob("planted-*/reward-model"))
    elif "before" in results:
        of, module = audit_claims.bias, "bias"
        trained = sorted(run.glob("seed-*/reward"))
    elif any("reward_model" in row and "guard" in row for row in results.values()):
        of, module = feedback_claims.rlhf, "rlhf"
        trained = sorted(run.glob("seed-*/loop"))
    elif any("ceiling" in row for row in results.values()):
        of, module = jester, "jester"
        trained = sorted(run.glob("seed-*/reward-model"))
    else:
        raise InputError(f"{run}: results.json is of none of the studies {', '.join(COMMANDS)}")
    counts = {
        "seeds": results.get("seeds", 0),
        "settings": " ".join(f"--{name} {value:g}" for name, value in results.get("settings", {}).items()),
        "planted": results["planted"] // 11 if module == "exploits" else 0,
        "clean": results["clean"] if module == "exploits" else 0,
    }
    environment = read(trained[0] / "environment.json")
    settings = COMMANDS[module].format(**counts)
    started = STARTED.get(module, f"python -m studies.{module}")
    origin = {
        "command": " ".join(f"{started} {settings} --run runs/{module}".split()),
        "machine": machine_of(run),
        "date": environment["started"][:10],
        "commit": environment["commit"] or "unknown",
    }
    claims = [{**one, **origin} for one in of(results)]
    return [{**one, **of_its_part(run, one)} for one in claims] if module == "humicroedit" else claims


def machine_of(run: Path) -> str:
    """What a study or command ran on; InputError where nobody wrote it down."""
    for path in (run / "machine.json", run / "environment.json"):
        known = read(path) if path.exists() else {}
        for one in (known, *known.get("resumed", [])):
            if "machine" in one:
                return str(one["machine"])
    raise InputError(f"{run}: neither machine.json nor environment.json says on what machine it ran")


def of_its_part(run: Path, found: Claim) -> dict[str, str]:
    """Command, date and commit of the part of studies.humicroedit that a claim's id names."""
    part, seeds = found["id"].split("-")[1], found["seeds"]
    environment = read(run / f"{part}-{seeds[0]}" / "environment.json")
    return {
        "command": f"{found['command']} --parts {part} --seeds {' '.join(map(str, seeds))}",
        "date": environment["started"][:10],
        "commit": environment["commit"] or "unknown",
    }


def jester(results: Mapping[str, Any]) -> list[Claim]:
    """Claims over splits, each with other people held out; the jokes are those that were trained on."""
    seeds = {int(name[5:]): row for name, row in results.items()}
    first = next(iter(seeds.values()))
    most = fmean(100 * row["ceiling"]["accuracy"] for row in seeds.values())

    def over_people(name: str, text: str, key: str, target: str, unit: str = PERCENT) -> Claim:
        rows = {seed: row["over_people"][key] for seed, row in seeds.items()}
        return {
            **claim(name, text, {seed: 100 * row["value"] for seed, row in rows.items()}, unit, target),
            # A correlation may lie above those of its draws: redrawn people make a noisier mean.
            "interval": [
                100 * min(min(row["low"], row["value"]) for row in rows.values()),
                100 * max(max(row["high"], row["value"]) for row in rows.values()),
            ],
            "interval_kind": PEOPLE,
        }

    held_out = (
        f"people held out ({first['people_held_out']:,} of them, {first['pairs']:,} pairs), on the hundred "
        "jokes that it was trained on"
    )
    return [
        over_people(
            "jester-held-out-people-accuracy",
            f"Jester: accuracy of the reward model on {held_out}; a lookup table of the majority of all "
            f"others, which is the ceiling, reaches {most:.1f}%",
            "reward_model/accuracy",
            "above 50",
        ),
        over_people(
            "jester-share-of-ceiling",
            "Jester: the reward model's accuracy as a share of the ceiling",
            "reward_model/share_of_ceiling",
            "at least 95",
        ),
        over_people(
            "jester-share-of-ceiling-above-chance",
            "Jester: the same with chance, 50%, taken off both",
            "reward_model/share_above_chance",
            "at least 90",
        ),
        over_people(
            "jester-aggregate-accuracy",
            f"Jester: accuracy of the rater-aware aggregate, a lookup table itself, on {held_out}",
            "aggregate/accuracy",
            "above 50",
        ),
        over_people(
            "jester-rank-correlation",
            "Jester: rank correlation of the reward model with the held-out people's mean ratings, times 100",
            "reward_model/rank_correlation",
            "at least 90",
            "of 100",
        ),
        over_people(
            "jester-aggregate-rank-correlation",
            "Jester: rank correlation of the aggregate with the held-out people's mean ratings, times 100",
            "aggregate/rank_correlation",
            "at least 90",
            "of 100",
        ),
    ]


def headlines(results: Mapping[str, Any]) -> list[Claim]:
    """Claims about each model's accuracy on the dev pairs."""
    people, pairs = results["people"], results["pairs"]
    beside = f"{100 * people['ceiling']:.1f}% for one that knew the truth, {100 * people['one_person']:.1f}%"
    own, smollm2, trl = (
        {int(name.partition("-")[2]): row for name, row in results.items() if name.startswith(part)}
        for part in ("own-", "smollm2-", "trl-")
    )
    claims = []
    if smollm2:
        claims.append(
            on_dev(
                "humicroedit-smollm2-accuracy",
                f"Humicroedit: accuracy of the reward model from SmolLM2-135M with LoRA, {pairs['some']:,} "
                f"training pairs, on the dev pairs (beside {beside} for one person)",
                smollm2,
                "above 50",
            )
        )
    if own:
        claims.append(
            on_dev(
                "humicroedit-own-accuracy",
                f"Humicroedit: accuracy of the reward model from a small model that read the headlines, "
                f"{pairs['train']:,} training pairs, on the dev pairs",
                own,
                "above 50",
            )
        )
    if smollm2 and trl:
        claims.append(beside_trl(smollm2, trl, pairs["some"]))
    return claims


def beside_trl(smollm2: Rows, trl: Rows, pairs: int) -> Claim:
    """Ours less TRL's accuracy on the same dev pairs, as if the two samples of pairs were independent."""
    ours, theirs = (fmean(100 * row["accuracy"] for row in rows.values()) for rows in (smollm2, trl))
    # Unpaired: the dev pairs are the same, so a paired interval would be narrower, if anything.
    half = sum(
        (fmean(100 * (row["ci95"][1] - row["ci95"][0]) for row in rows.values()) / 2) ** 2
        for rows in (smollm2, trl)
    )
    seeds = sorted(smollm2.keys() & trl.keys())
    found = claim(
        "humicroedit-beside-trl",
        f"Humicroedit: accuracy of ours above that of TRL's RewardTrainer with peft ({ours:.1f}% and "
        f"{theirs:.1f}%), from the same SmolLM2-135M on the same {pairs:,} pairs, {len(seeds)} seed"
        f"{'s' if len(seeds) > 1 else ''}, unpaired",
        dict.fromkeys(seeds, ours - theirs),
        POINTS,
        "at least 0",
    )
    bounds = [ours - theirs - half**0.5, ours - theirs + half**0.5]
    return {**found, "interval": bounds, "interval_kind": f"{BOOTSTRAP}, the two sides unpaired"}


def on_dev(name: str, text: str, rows: Rows, target: str) -> Claim:
    """Accuracy on the dev pairs, with the bootstrap intervals of all seeds from end to end."""
    bounds = [[100 * bound for bound in row["ci95"]] for row in rows.values()]
    return {
        **claim(name, text, {seed: 100 * row["accuracy"] for seed, row in rows.items()}, PERCENT, target),
        "interval": [min(low for low, _ in bounds), max(high for _, high in bounds)],
        "interval_kind": BOOTSTRAP + (", least to greatest of the seeds" if len(rows) > 1 else ""),
        "n": next(iter(rows.values()))["pairs"],
    }
