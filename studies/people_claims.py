"""What the studies of real people's rankings measured, as claims: the objects of docs/results.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from practicum.errors import InputError
from studies import audit_claims, feedback_claims
from studies.claims import PERCENT, Claim, claim
from studies.equations import read
from studies.feedback_claims import over_seeds

BOOTSTRAP = "95% interval, bootstrap over headlines"


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
    """Claims over seeds, each with other people held out."""
    seeds = {int(name[5:]): row for name, row in results.items()}
    first = next(iter(seeds.values()))

    def of(kind: str, key: str = "accuracy") -> dict[int, float]:
        return {seed: 100 * row[kind][key] for seed, row in seeds.items()}

    reached, most = of("reward_model"), of("ceiling")
    held_out = f"people held out ({first['people_held_out']:,} of them, {first['pairs']:,} pairs of jokes)"
    return [
        over_seeds(
            "jester-held-out-people-accuracy",
            f"Jester: accuracy of the reward model on {held_out}; the majority of all others as a lookup "
            f"table, which is the ceiling, reaches {fmean(most.values()):.1f}%",
            reached,
            "interval above 50",
            50,
        ),
        over_seeds(
            "jester-share-of-ceiling",
            "Jester: the reward model's accuracy as a share of the ceiling",
            {seed: 100 * reached[seed] / most[seed] for seed in seeds},
            "at least 95",
            95,
        ),
        over_seeds(
            "jester-share-of-ceiling-above-chance",
            "Jester: the same with chance, 50%, taken off both",
            {seed: 100 * (reached[seed] - 50) / (most[seed] - 50) for seed in seeds},
            "at least 90",
            90,
        ),
        over_seeds(
            "jester-aggregate-accuracy",
            f"Jester: accuracy of the rater-aware aggregate on {held_out}",
            of("aggregate"),
            "interval above 50",
            50,
        ),
        over_seeds(
            "jester-rank-correlation",
            "Jester: rank correlation of the reward model with the held-out people's mean ratings, times 100",
            of("reward_model", "rank_correlation"),
            "at least 90",
            90,
            "of 100",
        ),
        over_seeds(
            "jester-aggregate-rank-correlation",
            "Jester: rank correlation of the aggregate with the held-out people's mean ratings, times 100",
            of("aggregate", "rank_correlation"),
            "at least 90",
            90,
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
                "interval above 50",
                above=50,
            )
        )
    if own:
        claims.append(
            on_dev(
                "humicroedit-own-accuracy",
                f"Humicroedit: accuracy of the reward model from a small model that read the headlines, "
                f"{pairs['train']:,} training pairs, on the dev pairs",
                own,
                "interval above 50 in every seed",
                above=50,
            )
        )
    if smollm2 and trl:
        ours = fmean(100 * row["ci95"][1] for row in smollm2.values())
        claims.append(
            on_dev(
                "humicroedit-trl-accuracy",
                f"Humicroedit: accuracy of TRL's RewardTrainer with peft on the same {pairs['some']:,} "
                "pairs, from the same SmolLM2-135M, same epochs and settings",
                trl,
                f"not above the interval of ours (to {ours:.1f}%)",
                below=ours,
            )
        )
    return claims


def on_dev(
    name: str,
    text: str,
    rows: Mapping[int, Mapping[str, Any]],
    target: str,
    above: float | None = None,
    below: float | None = None,
) -> Claim:
    """Accuracy on the dev pairs: of one seed with its bootstrap interval, of several with their range."""
    reached = {seed: 100 * row["accuracy"] for seed, row in rows.items()}
    bounds = [[100 * bound for bound in row["ci95"]] for row in rows.values()]
    met = all(above is None or low > above for low, _ in bounds) and all(
        below is None or value <= below for value in reached.values()
    )
    found = {
        **claim(name, text, reached, PERCENT, target, bool),
        "met": met,
        "n": next(iter(rows.values()))["pairs"],
    }
    return found if len(rows) > 1 else {**found, "interval": bounds[0], "interval_kind": BOOTSTRAP}
