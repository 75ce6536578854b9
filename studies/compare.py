"""Every algorithm of practice and every loss on preferences, side by side: `python -m studies.compare`.

```
RUN/equations/first                  the model that all begin with: read and taught with a seed not reported
RUN/equations/choice-RATE            every algorithm at one rate, with that seed, on the validation split
RUN/equations/recipes/NAME.toml      each with the rate that it did best with
RUN/equations/final                  the comparison that is reported: five other seeds, the test split
RUN/jokes/...                        the same for losses on preferences, with one file of rankings
RUN/results.json                     what the two comparisons found
```
Each algorithm chooses among the same rates, and is otherwise as `practicum rl` has it. What is made is not
made again, so the same command continues.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from practicum.audit.lab import TASK as JOKES
from practicum.compare import command
from practicum.compare.config import CompareConfig, ExaminationConfig
from practicum.compare.plan import expanded
from practicum.preferences import formats
from practicum.preferences.raters import GOLDS, PeopleConfig, population, simulate
from practicum.tasks.registry import TaskConfig
from practicum.training import pretrain, sft
from practicum.training.loop import LoopConfig, set_threads
from practicum.training.rlhf import RlhfConfig, sampled
from studies.claim import POINTS, UNITS, noted
from studies.common import finished, note_machine, read, record, say, study_main, write
from studies.judged import Claim

Part = Literal["equations", "jokes"]
CHOOSING_SEED = 100
"""Of the first model and of the choice of rates; no reported run has it."""
CROSSED = "95% interval over seeds and problems, t with the seeds' freedom, for each pair alone"
BASELINES: Mapping[Part, str] = {"equations": "group", "jokes": "dpo"}
"""What the others are compared with: the default of `practicum rl` and of `practicum dpo`."""
IDS: Mapping[Part, str] = {"equations": "compare-equations-", "jokes": "compare-jokes-"}
"""What the names of claims begin with."""
MARGINS: Mapping[Part, str] = {
    "equations": "-3 to 3 (no difference that matters)",
    "jokes": "-0.1 to 0.1 (no difference that matters)",
}
RECIPES: Mapping[Part, list[str]] = {"equations": ["all"], "jokes": ["offline"]}
RATES: Mapping[Part, tuple[float, ...]] = {
    "equations": (7.5e-5, 1.5e-4, 3e-4),
    "jokes": (3e-5, 1e-4, 3e-4),
}
"""The default of the command, half and twice of it; for losses, whose best rates lie further apart, a third
and three times of it."""


@dataclass(frozen=True)
class StudyConfig:
    """All algorithms from one model on equations, all losses on one file of rankings of jokes."""

    run: Path = Path("runs/compare")
    """Folder of the study."""
    parts: tuple[Part, ...] = ("equations", "jokes")
    """Which parts: equations, jokes."""
    seeds: int = 5
    """Runs of each algorithm and loss that are reported."""
    samples: int = 10_240
    """Completions of a run of practice."""
    choice_samples: int = 5120
    """Completions of a run that only chooses a rate."""
    examined: int = 500
    """Problems of each examination."""
    pass_samples: int = 8
    """Completions a problem for pass@k, of a fifth of the problems."""
    read_steps: int = 600
    """Updates of exposition of the first model."""
    taught_steps: int = 850
    """Updates on worked problems of the first model of equations; that of jokes has half as many."""
    rankings: int = 400
    """Prompts of jokes whose answers are ranked."""
    pair_steps: int = 100
    """Updates on rankings."""
    jobs: int = 1
    """Runs at a time."""
    settings: tuple[str, ...] = ()
    """More settings for all runs, as words, to try the study out."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Make what is missing, write RUN/results.json and return it."""
    note_machine(config.run, "compare")
    set_threads(1)
    found = {part: compared(config, part) for part in config.parts}
    return record(config, "compare", {"compared": found})


def compared(config: StudyConfig, part: Part) -> dict[str, Any]:
    """The reported comparison of a part, with the rate of each recipe."""
    folder = config.run / part
    folder.mkdir(parents=True, exist_ok=True)
    model = first_model(config, part)
    names, _ = expanded(RECIPES[part])
    common = settings_of(config, part, model)
    choices = {}
    for rate in RATES[part]:
        recipes = written(folder / f"recipes-{rate:g}", dict.fromkeys(names, rate), part)
        asked = ExaminationConfig("validation", config.examined, 0)
        settings = CompareConfig(model, recipes, (CHOOSING_SEED,), **common, examination=asked)
        if settings.samples:
            settings = replace(settings, samples=config.choice_samples)
        choices[rate] = made(settings, folder / f"choice-{rate:g}")
    chosen = best_rates(names, choices)
    say(f"{part}: " + ", ".join(f"{name} {rate:g}" for name, rate in chosen.items()))
    recipes = written(folder / "recipes", chosen, part)
    asked = ExaminationConfig("test", config.examined, config.pass_samples, max(2, config.examined // 5))
    settings = CompareConfig(model, recipes, tuple(range(config.seeds)), **common, examination=asked)
    return {"rates": chosen, **short(made(settings, folder / "final"))}


def settings_of(config: StudyConfig, part: Part, model: Path) -> dict[str, Any]:
    """What all comparisons of a part have in common."""
    against = {"against": BASELINES[part]}
    if part == "equations":
        return {"samples": config.samples, "jobs": config.jobs, "settings": config.settings, **against}
    words = (
        "--task=jokes",
        "--task.jokes.reward=gold",
        f"--preferences={ranked(config, model)}",
        f"--loop.steps={config.pair_steps}",
        *config.settings,
    )
    return {"measure": "reward", "jobs": config.jobs, "settings": words, **against}


def made(settings: CompareConfig, folder: Path) -> dict[str, Any]:
    """What a comparison found; made, or continued, unless all of it is there."""
    done = folder / "summary.json"
    if not done.exists() or read(done)["failed"]:
        # A study prints one JSON object, and the comparison a table.
        with redirect_stdout(sys.stderr):
            command.run(settings, folder, resume=(folder / "config.toml").exists())
    return read(done)


def best_rates(names: Sequence[str], choices: Mapping[float, Mapping[str, Any]]) -> dict[str, float]:
    """For each recipe the rate that it did best with, the lower one of equals."""
    scores: dict[str, dict[float, float]] = {name: {} for name in names}
    for rate, found in choices.items():
        for row in found["members"]:
            scores[row["name"]][rate] = row["final"]["value"]
    return {name: max(sorted(tried), key=lambda rate: tried[rate]) for name, tried in scores.items() if tried}


def written(folder: Path, rates: Mapping[str, float], part: Part) -> tuple[str, ...]:
    """Recipes of nothing but a name and a learning rate, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, rate in rates.items():
        lines = [f'{"algorithm" if part == "equations" else "loss"} = "{name}"']
        # A label is one answer and a pair two.
        lines += ["batch_pairs = 64"] if name == "kto" else []
        lines += ["", "[optimizer]", f"learning_rate = {rate!r}", ""]
        paths.append(folder / f"{name}.toml")
        if not paths[-1].exists():
            paths[-1].write_text("\n".join(lines), encoding="utf-8")
    return tuple(map(str, paths))


def short(found: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison without its curves, which stay in its folder."""
    members = [{key: value for key, value in row.items() if key != "curve"} for row in found["members"]]
    return {**found, "members": members}


def first_model(config: StudyConfig, part: Part) -> Path:
    """The model that all runs of a part begin with, made when missing."""
    folder = config.run / part / "first"
    folder.mkdir(parents=True, exist_ok=True)
    task = TaskConfig() if part == "equations" else JOKES
    steps = (config.read_steps, config.taught_steps)
    steps = steps if part == "equations" else (max(1, steps[0] // 2), max(1, steps[1] // 2))
    reading = pretrain.PretrainConfig(task=task, loop=LoopConfig(steps[0], threads=1), seed=CHOOSING_SEED)
    finished(folder / "pretrain", partial(pretrain.train, reading))
    taught = sft.SftConfig(
        folder / "pretrain", task=task, loop=LoopConfig(steps[1], threads=1), seed=CHOOSING_SEED
    )
    finished(folder / "sft", partial(sft.train, taught))
    return folder / "sft"


def ranked(config: StudyConfig, model: Path) -> Path:
    """Simulated people's rankings of the first model's own jokes, made when missing."""
    path = model.parent / "rankings.jsonl"
    if not path.exists():
        settings = RlhfConfig(model, task=JOKES, prompts=config.rankings, seed=CHOOSING_SEED)
        asked = [(one.prompt, list(one.responses)) for one in sampled(settings, 1, model)]
        raters = population(PeopleConfig(), GOLDS["jokes"], CHOOSING_SEED)
        formats.write(path, simulate(raters, asked, GOLDS["jokes"], 1, CHOOSING_SEED))
        write(path.with_suffix(".json"), {"prompts": len(asked)})
    return path


# ---------------------------------------------------------------------------------------------------- claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Of each part: what every recipe gains over the first model, and how it differs from the default."""
    return [one for part, found in results["compared"].items() for one in claims_of(part, found)]


def claims_of(part: Part, found: Mapping[str, Any]) -> list[Claim]:
    """The claims of one comparison."""
    scale, unit = (100, POINTS) if part == "equations" else (1, UNITS)
    what = "Accuracy on held-out equations" if part == "equations" else "True utility of jokes"
    budget = f" after {found['samples']:,} completions" if found["samples"] else ""
    made, base = [], BASELINES[part]
    before = found["start"]["ending"]["share"]
    for row in sorted(found["members"], key=lambda row: str(row["name"])):
        name, rate = str(row["name"]), found["rates"][row["name"]]
        slug = name.replace("_", "-")
        told = f"Learning rate {rate:g}, chosen of three with seed {CHOOSING_SEED}."
        text = f"{what}{budget}, {name} minus the model that it began with"
        gain = of_difference(f"{IDS[part]}gain-{slug}", text, row["gain"], row["seeds"], scale, unit, 1)
        ending = row["ending"]["share"]
        alike = f"A run ends {ending:.0%} of its greedy answers alike, the first model {before:.0%}."
        made.append(noted({**gain, "target": "above 0"}, f"{told} {alike}"))
        pair = pair_with(found["pairs"], name, base)
        if pair is not None:
            sign = 1 if pair["first"] == name else -1
            text = f"{what}{budget}, {name} minus {base}, the default"
            beside = of_difference(f"{IDS[part]}beside-{slug}", text, pair, pair["seeds"], scale, unit, sign)
            verdict = "noise" if pair["verdict"] == "noise" else "a difference"
            made.append(
                noted({**beside, "target": MARGINS[part]}, f"{told} After Holm's adjustment: {verdict}.")
            )
    return made


def pair_with(pairs: Sequence[Mapping[str, Any]], name: str, base: str) -> Mapping[str, Any] | None:
    """The pair of a recipe and the baseline; None for the baseline itself, or where one is missing."""
    return next((pair for pair in pairs if {pair["first"], pair["second"]} == {name, base}), None)


def of_difference(
    name: str, text: str, gap: Mapping[str, Any], seeds: Sequence[int], scale: float, unit: str, sign: int
) -> Claim:
    """A claim of a difference that the comparison tested, turned by `sign`."""
    bounds = None if gap["low"] is None else sorted(scale * sign * gap[end] for end in ("low", "high"))
    return {
        "id": name,
        "claim": text,
        "value": scale * sign * gap["difference"],
        "unit": unit,
        "interval": bounds,
        "interval_kind": CROSSED if bounds else None,
        "seeds": list(seeds),
    }


main = study_main(StudyConfig, "studies.compare", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
