"""The experiments behind docs/results.json: `python -m studies.equations --run runs/study --seeds 0 1 2`.

```
RUN/seed-0               the demo: exposition, worked problems, practice
RUN/seed-0-random        practice again from the same imitation model, paid by a coin
RUN/seed-0-format        ... paid for any answer that can be read
RUN/seed-0-poisoned      ... paid by the wrong answer key
RUN/seed-0-ppo           ... with PPO
RUN/seed-0-unseen        the practised model on the validation split, of which nothing was ever asked
RUN/external.json        equations nobody here wrote: the verifier against their answers, the models on them
RUN/results.json         what all finished parts of all seeds in the folder reached
```
A part that is finished is skipped and one that was killed is resumed, so the same command continues.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from practicum import demo
from practicum.config import completed
from practicum.demo import DemoConfig, DemoSettings
from practicum.errors import InputError
from practicum.model.checkpoint import load_model, model_folder
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.training import rl
from practicum.training.evaluate import EvalConfig, examine
from practicum.types import Prompt
from studies import external
from studies.claim import PERCENT, by_seed, change_claim, claim, gain_claim, noted, rise_claim
from studies.common import ORIGIN, note_machine, origin_of, read, record, run_main, say, write
from studies.judged import Claim

Part = Literal["demo", "random", "format", "poisoned", "ppo", "unseen", "external"]
PARTS: tuple[Part, ...] = ("demo", "random", "format", "poisoned", "ppo", "unseen", "external")
UNSEEN_DRAW = 20261123
"""Seed of the problems of the part `unseen`; other examinations draw with the default of `EvalConfig`."""


@dataclass(frozen=True)
class StudyConfig:
    """The experiments behind docs/results.json, the most important first; run again to continue."""

    run: Path
    """Folder of the study."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Every part is run with each of them, except that external problems are read once."""
    parts: tuple[Part, ...] = PARTS
    """Which parts: demo random format poisoned ppo unseen external."""
    data: Path | None = None
    """Folder of deepmind_mathematics.jsonl and reasoning_gym.jsonl; none leaves external problems out."""
    demo: DemoSettings = field(default_factory=lambda: DemoSettings(human_feedback=False))
    """Settings of the demo, without human feedback; other rewards take its task, lengths, examinations."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Run what is still missing, all demos, then all of the next part, and so on; write RUN/results.json."""
    note_machine(config.run, "equations")
    for part in PARTS:
        if part not in config.parts:
            continue
        if part == "external":
            if config.data is not None and not (config.run / "external.json").exists():
                say("external problems")
                write(
                    config.run / "external.json",
                    external.measure(config.demo, config.run, config.seeds, config.data),
                )
            continue
        for seed in config.seeds:
            say(f"seed {seed}: {part}")
            if part == "demo":
                run_demo(config, seed)
            elif part == "unseen":
                examine_unseen(config, seed)
            else:
                practise_again(config, seed, part)
    return record(config, "equations", found_in(config.run))


def demo_of(config: StudyConfig, seed: int) -> DemoConfig:
    """The demo's settings with a seed of the study."""
    return completed(DemoConfig, config.demo, seed=seed)


def run_demo(config: StudyConfig, seed: int) -> None:
    """The whole curriculum."""
    folder = config.run / f"seed-{seed}"
    if not (folder / "summary.json").exists():
        demo.run(demo_of(config, seed), folder, resume=(folder / "config.toml").exists())


class UnseenEquations(EquationsTask):
    """Equations without the problems that were asked before: those are drawn again."""

    def __init__(self, config: EquationsConfig, seen: frozenset[str]) -> None:
        super().__init__(config)
        self.seen = seen

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """As many prompts as there are different problems left, `count` at most."""
        drawn = super().prompts(split, 4 * count, seed)
        different = {prompt.problem: prompt for prompt in reversed(drawn) if prompt.problem not in self.seen}
        return list(reversed(different.values()))[:count]


def seen_problems(settings: DemoSettings) -> frozenset[str]:
    """The canonical forms of all that the demo's own examinations ask."""
    family = replace(settings.task.equations, families={"rational": 1.0})
    return frozenset(
        prompt.problem
        for equations in (settings.task.equations, family)
        for prompt in EquationsTask(equations).prompts(
            "test", settings.examination_count, EvalConfig(Path()).seed
        )
    )


def examine_unseen(config: StudyConfig, seed: int) -> None:
    """The practised model on problems, of mix and family, that no setting was chosen by looking at.

    They are the validation split's, each once: the usual examinations use up the family's test split.
    """
    folder = config.run / f"seed-{seed}-unseen"
    if (folder / "examination.json").exists():
        return
    settings = demo_of(config, seed)
    family = replace(settings.task.equations, families={"rational": 1.0})
    seen = seen_problems(settings)
    decoder, tokenizer = load_model(model_folder(config.run / f"seed-{seed}" / "rl"))
    found = {
        name: examine(
            decoder,
            tokenizer,
            UnseenEquations(equations, seen),
            EvalConfig(Path(), split="validation", count=settings.examination_count, seed=UNSEEN_DRAW),
        )
        for name, equations in (("whole", settings.task.equations), ("family", family))
    }
    write(folder / "examination.json", found)


def practise_again(config: StudyConfig, seed: int, part: Part) -> None:
    """Practice from the seed's imitation model with one thing changed, then the demo's examinations.

    The examinations ask for the true answer whatever practice was paid for.
    Raises InputError when the seed's imitation model is not there yet.
    """
    folder = config.run / f"seed-{seed}-{part}"
    if (folder / "examination.json").exists():
        return
    settings = demo_of(config, seed)
    start = config.run / f"seed-{seed}" / "sft"
    if not (start / "examination.json").exists():
        raise InputError(f"{start}: no finished imitation model; let the part demo of seed {seed} run first")
    practice = practice_config(settings, start, part)
    trained = rl.train(practice, folder, resume=(folder / "config.toml").exists())
    whole, family = demo.examine(settings, folder)
    write(folder / "examination.json", {"training": trained, "whole": whole, "family": family})


def practice_config(settings: DemoConfig, start: Path, part: Part) -> rl.RlConfig:
    """The demo's practice with one thing changed: the reward (random, format, poisoned) or PPO for GRPO."""
    practice = rl.RlConfig(model=start, task=settings.task, seed=settings.seed)
    practice = replace(practice, loop=replace(practice.loop, steps=settings.rl_steps))
    if part == "random":
        return replace(practice, control="random")
    if part == "format":
        return replace(practice, control="format")
    if part == "ppo":
        return replace(practice, algorithm="ppo")
    poisoned = replace(settings.task.equations, key="poisoned")
    return replace(practice, task=replace(settings.task, equations=poisoned))


# ------------------------------------------------------------------------------------- what the folder holds


def found_in(run: Path) -> dict[str, Any]:
    """What every finished demo in the folder, and what followed it, reached: `seeds`, and `external`."""
    seeds = {str(seed): found_of(run / f"seed-{seed}") for seed in finished_seeds(run)}
    found: dict[str, Any] = {"seeds": seeds}
    if seeds and (run / "external.json").exists():
        found["external"] = read(run / "external.json")
    return found


def finished_seeds(run: Path) -> list[int]:
    """The seeds whose demo is finished, in order."""
    names = [path.parent.name.removeprefix("seed-") for path in run.glob("seed-*/summary.json")]
    return sorted(int(name) for name in names if name.isdecimal())


def found_of(folder: Path) -> dict[str, Any]:
    """A seed's demo, and each other part that was examined, with its origin."""
    found = {
        "demo": {
            **origin_of(read(folder / "environment.json")),
            "summary": read(folder / "summary.json"),
            "examination": read(folder / "rl" / "examination.json"),
        }
    }
    for part in ("random", "format", "poisoned", "ppo", "unseen"):
        other = folder.with_name(f"{folder.name}-{part}")
        if (other / "examination.json").exists():
            # Nothing is trained for `unseen`: it examines the demo's model.
            started = folder if part == "unseen" else other
            found[part] = {
                **origin_of(read(started / "environment.json")),
                "examination": read(other / "examination.json"),
            }
    if "poisoned" in found:
        metrics = folder.with_name(f"{folder.name}-poisoned") / "metrics.jsonl"
        found["poisoned"]["ends"] = {
            name: first_and_last(metrics, f"reward/{name}") for name in ("poisoned", "true")
        }
    return found


def first_and_last(metrics: Path, name: str) -> tuple[float, float]:
    """Means of a metric over the first and over the last tenth of a run."""
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    tenth = max(1, len(rows) // 10)
    return fmean(row[name] for row in rows[:tenth]), fmean(row[name] for row in rows[-tenth:])


# ---------------------------------------------------------------------------------------------------- claims

OWN = "family=linear"
"""Slice of our own examination that the external problems in the training format belong to."""
FAMILY, MIX = "the family a - (b+x)/x = x", "the full mix of equations"
BEHAVIOURS = {
    "domain_check": "how often the domain is stated first, where it is restricted",
    "verification": "how often a candidate is checked in the equation",
    "factoring": "how often a quadratic with rational roots is factored correctly",
}
Rows = Mapping[int, Mapping[str, Any]]


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Every claim that the finished parts support; a part that was not run gives none."""
    seeds = by_seed(results["seeds"])
    if not seeds:
        return []
    demos = rows_of(seeds, "demo")
    first = demos[min(demos)]
    found = of_part(first, [*demo_claims(demos), *pass_claims(demos), *behaviour_claims(demos)])
    for part, claims_of in (
        ("random", partial(control_claims, paid="a random reward", part="random")),
        ("format", partial(control_claims, paid="a reward for any readable answer", part="format")),
        ("poisoned", poisoned_claims),
        ("ppo", ppo_claims),
    ):
        rows = rows_of(seeds, part)
        if rows:
            minutes = fmean(row["examination"]["training"]["total_seconds"] for row in rows.values()) / 60
            made = [{**one, "minutes": minutes} for one in claims_of(demos, rows)]
            found += of_part(rows[min(rows)], made)
    unseen = rows_of(seeds, "unseen")
    if unseen:
        found += of_part(unseen[min(unseen)], unseen_claims(unseen))
    if "external" in results:
        asked = [seed for seed in demos if any(results["external"]["models"].get(str(seed), {}).values())]
        own = {seed: accuracy(demos[seed]["examination"]["whole"]["slices"][OWN]) for seed in asked}
        found += of_part(first, external.claims(results["external"], own))
    return [{"command": command_of_seeds(one["seeds"]), **one} for one in found]


def rows_of(seeds: Mapping[int, Mapping[str, Any]], part: str) -> dict[int, Any]:
    """What one part reached, by seed, where it was run."""
    return {seed: row[part] for seed, row in seeds.items() if part in row}


def of_part(row: Mapping[str, Any], found: Sequence[Claim]) -> list[Claim]:
    """The claims with the origin of their part."""
    return [{**one, **{key: row[key] for key in ORIGIN}} for one in found]


def command_of_seeds(seeds: Sequence[int]) -> str:
    """The command that measures a claim of these seeds again."""
    return f"make study SEEDS='{' '.join(map(str, seeds))}'"


def accuracy(row: Mapping[str, Any]) -> float:
    """An accuracy in per cent."""
    return 100 * float(row["accuracy"])


def different(examination: Mapping[str, Any]) -> str:
    """How many prompts an examination has, and how many problems that reduce to different polynomials."""
    return f"({examination['n']:,} prompts, {examination['distinct_problems']:,} distinct problems)"


def stage(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The summary's row of a stage."""
    found: dict[str, Any] = next(one for one in row["summary"]["stages"] if one["name"] == name)
    return found


def demo_claims(demos: Rows) -> list[Claim]:
    """Accuracy after each stage, and cost."""

    def after(name: str, key: str) -> dict[int, float]:
        return {seed: 100 * stage(row, name)[key] for seed, row in demos.items()}

    last = demos[min(demos)]["examination"]
    return [
        noted(
            claim(
                "equations-exposition-accuracy",
                "Accuracy on held-out equations after exposition",
                after("pretrain", "accuracy"),
                PERCENT,
                "below 10",
            ),
            "Almost no answer is readable: this shows that reading alone does not teach the form of an "
            "answer, and says nothing about solving.",
        ),
        claim(
            "equations-worked-accuracy",
            "Accuracy on held-out equations after worked problems, before practice",
            after("sft", "accuracy"),
            PERCENT,
            "25 to 60",
        ),
        claim(
            "equations-practice-family-accuracy",
            f"Accuracy on {FAMILY} after practice {different(last['family'])}",
            after("rl", "family_accuracy"),
            PERCENT,
            "at least 95",
        ),
        claim(
            "equations-practice-accuracy",
            f"Accuracy on {MIX} after practice {different(last['whole'])}",
            after("rl", "accuracy"),
            PERCENT,
            "at least 90",
        ),
        claim(
            "equations-seconds",
            "Time of the whole demo, examinations included",
            {seed: row["summary"]["seconds"] for seed, row in demos.items()},
            "s",
            "at most 600",
        ),
    ]


def pass_claims(demos: Rows) -> list[Claim]:
    """pass@k before and after practice: pass@1 tells whether it sharpened, the largest whether it taught."""
    known = stage(demos[min(demos)], "rl")["pass_at_k"]
    ks = sorted({int(name.removeprefix("pass@")) for name in known})
    return [
        rise_claim(
            f"equations-pass-at-{k}",
            f"Practice raises pass@{k}",
            shares_of(demos, "pass_at_k", f"pass@{k}"),
        )
        for k in dict.fromkeys([*ks[:1], *ks[-1:]])
    ]


def behaviour_claims(demos: Rows) -> list[Claim]:
    """Whether each behaviour rose with practice, which pays only for right answers."""
    return [
        rise_claim(
            f"equations-behaviour-{name}", f"Practice raises {words}", shares_of(demos, "behaviours", name)
        )
        for name, words in BEHAVIOURS.items()
    ]


def shares_of(demos: Rows, key: str, name: str) -> dict[str, dict[int, dict[str, Any]]]:
    """A share with its interval before and after practice, by stage and seed."""
    return {
        one: {
            seed: {"share": stage(row, one)[key][name], "ci95": stage(row, one)[f"{key}_ci95"][name]}
            for seed, row in demos.items()
        }
        for one in ("sft", "rl")
    }


def control_claims(demos: Rows, rows: Rows, *, paid: str, part: str) -> list[Claim]:
    """What the true reward gained over a null reward, from the same imitation model."""
    return [
        gain_claim(
            f"equations-gain-over-{part}",
            f"Accuracy after practice with the true reward minus with {paid}",
            {seed: accuracy(row["examination"]["whole"]) for seed, row in rows.items()},
            {seed: 100 * stage(demos[seed], "rl")["accuracy"] for seed in rows},
        )
    ]


def poisoned_claims(demos: Rows, rows: Rows) -> list[Claim]:
    """Practice on the wrong answer key: what it pays rises, what is true falls."""
    wrong = {seed: accuracy(row["examination"]["whole"]) for seed, row in rows.items()}

    def ends(name: str, place: int) -> dict[int, float]:
        return {seed: 100 * row["ends"][name][place] for seed, row in rows.items()}

    def after(name: str) -> dict[int, float]:
        return {seed: 100 * stage(demos[seed], name)["accuracy"] for seed in rows}

    words = "(sampled answers, first vs. last tenth of practice)"
    return [
        change_claim(
            "equations-poisoned-reward",
            f"Practice on the poisoned key raises the reward it pays {words}",
            ends("poisoned", 0),
            ends("poisoned", 1),
        ),
        change_claim(
            "equations-poisoned-accuracy",
            f"Practice on the poisoned key lowers true accuracy {words}",
            ends("true", 0),
            ends("true", 1),
            falls=True,
        ),
        change_claim(
            "equations-poisoned-greedy-accuracy",
            "Practice on the poisoned key lowers greedy accuracy",
            after("sft"),
            wrong,
            falls=True,
        ),
        gain_claim(
            "equations-poisoned-loss",
            "Accuracy after practice on the true key minus on the poisoned key",
            wrong,
            after("rl"),
        ),
    ]


def ppo_claims(demos: Rows, rows: Rows) -> list[Claim]:
    """The same practice with a value head instead of group comparison."""
    return [
        claim(
            f"equations-ppo{name}-accuracy",
            f"Accuracy on {words} after practice with PPO",
            {seed: accuracy(row["examination"][key]) for seed, row in rows.items()},
            PERCENT,
            f"at least {least}",
        )
        for name, words, key, least in (("-family", FAMILY, "family", 95), ("", MIX, "whole", 90))
    ]


def unseen_claims(rows: Rows) -> list[Claim]:
    """Practised models on problems that no examination, and so no choice of a setting, has seen."""
    first = rows[min(rows)]["examination"]
    return [
        claim(
            f"equations-unseen-{key}-accuracy",
            f"Accuracy after practice on {words}: validation problems never asked before "
            + different(first[key]),
            {seed: accuracy(row["examination"][key]) for seed, row in rows.items()},
            PERCENT,
            f"at least {least}",
        )
        for key, words, least in (("whole", MIX, 90), ("family", FAMILY, 95))
    ]


def main(arguments: Sequence[str]) -> int:
    """Run the study; 0 done, 2 bad input."""
    return run_main(StudyConfig, "studies.equations", StudyConfig.__doc__, study, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
