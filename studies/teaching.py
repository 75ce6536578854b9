"""Whether practice teaches what was not known before: `python -m studies.teaching --run runs/teaching`.

Two parts, each from an imitation model of its own (the recipes `curriculum` and `verification`):

lengths: chains of sums. Worked problems are mostly short. Asked are long chains of which 64 tries of the
imitation model solve none. Tries that choose problems would flatter whatever comes after them, so the
imitation model gets fresh tries on these too, and those are what practice is compared with. Short chains are
asked as well, to see what is forgotten.
checks: equations with absolute values, half of whose worked solutions check their candidates. Where a false
root is among the candidates, only a check tells.

```
RUN/seed-0-lengths/pretrain, sft      the imitation model
RUN/seed-0-lengths/curriculum         practice from short to long
RUN/seed-0-lengths/mixed              ... on all lengths from the beginning
RUN/seed-0-lengths/random             ... from short to long, paid by a coin
RUN/seed-0-lengths/imitation          no practice, as many further updates on worked problems
RUN/seed-0-lengths/longer             ... three times as many, which takes about as long as practice
RUN/seed-0-checks/pretrain, sft       the imitation model
RUN/seed-0-checks/practice            practice
RUN/seed-0-checks/random              ... paid by a coin
RUN/seed-0-checks/harmless            ... on equations without false roots, where a check changes nothing
RUN/results.json                      what all finished seeds reached
```
A part that is finished is skipped and one that was killed is resumed, so the same command continues.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from practicum.config import load
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.rollout.collect import collect
from practicum.rollout.samplers import make_sampler
from practicum.tasks.registry import find_task
from practicum.tasks.task import Task, graded
from practicum.training import pretrain, rl, sft
from practicum.training.curriculum import CurriculumConfig
from practicum.training.evaluate import EvalConfig, evaluate
from practicum.training.loop import sampling_seed, set_threads
from practicum.types import Prompt
from studies.claim import by_seed, change_claim, gain_claim, over_seeds
from studies.common import finished, note_machine, read, record, run_main, say, write
from studies.judged import Claim

RECIPES = Path(__file__).parents[1] / "recipes"
Part = Literal["lengths", "checks"]
PARTS: tuple[Part, ...] = ("lengths", "checks")
ARMS: Mapping[Part, tuple[str, ...]] = {
    "lengths": ("curriculum", "mixed", "random", "imitation", "longer"),
    "checks": ("practice", "random", "harmless"),
}
CHECKED_TOKENS = 256
"""Length limit of the examination of checks; the longest worked problem with both checks has 246 tokens."""
LONGER = 3
"""How many times the updates of the imitation model take about as long as practice."""
CHOSEN, FRESH = 1, 2
"""Seeds of the tries that choose the problems, and of those that are counted."""


@dataclass(frozen=True)
class StudyConfig:
    """Whether practice teaches what was not known before; run again to continue."""

    run: Path
    """Folder of the study."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Every part is run with each of them."""
    parts: tuple[Part, ...] = PARTS
    """Which parts: lengths checks."""
    levels: tuple[str, ...] = ("11", "12")
    """Lengths of the chains among which those that the imitation model does not solve are looked for."""
    short: tuple[str, ...] = ("2", "3", "4", "5")
    """Lengths of the chains on which it is seen what practice forgets."""
    asked: int = 60
    """Chains of each length."""
    tries: int = 64
    """Tries of the imitation model at each, none of which may be right."""
    fresh: int = 16
    """Fresh tries of every model at the chains that are left."""
    equations: int = 400
    """Held-out equations on which checks are counted."""
    threads: int = 1
    """CPU threads."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Run what is still missing, write RUN/results.json and return it."""
    note_machine(config.run, "teaching")
    set_threads(config.threads)
    for part in PARTS:
        for seed in config.seeds if part in config.parts else ():
            folder = config.run / f"seed-{seed}-{part}"
            for arm in ("sft", *ARMS[part]):
                say(f"seed {seed}: {part}: {arm}")
                trained(folder, part, arm, seed)
            if not (folder / "examined.json").exists():
                measure = examined_lengths if part == "lengths" else examined_checks
                write(folder / "examined.json", measure(config, folder, seed))
    return record(config, "teaching", found_in(config.run))


def found_in(run: Path) -> dict[str, Any]:
    """What every finished seed of each part reached."""
    return {
        part: {
            path.parent.name.split("-")[1]: read(path)
            for path in sorted(run.glob(f"seed-*-{part}/examined.json"))
        }
        for part in PARTS
    }


# ------------------------------------------------------------------------------------------------- training


def trained(folder: Path, part: Part, arm: str, seed: int) -> None:
    """The model of an arm, and what it starts from, made unless they are there."""
    if arm == "sft":
        reading = recipe(pretrain.PretrainConfig, part, "pretrain", seed)
        finished(folder / "pretrain", partial(pretrain.train, reading))
        imitating = recipe(sft.SftConfig, part, "sft", seed, folder / "pretrain")
        finished(folder / "sft", partial(sft.train, imitating))
    elif arm in ("imitation", "longer"):
        further = recipe(sft.SftConfig, part, "sft", seed + 1000, folder / "sft")
        times = LONGER if arm == "longer" else 1
        further = replace(further, loop=replace(further.loop, steps=times * further.loop.steps))
        finished(folder / arm, partial(sft.train, further))
    else:
        finished(folder / arm, partial(rl.train, practice(part, arm, seed, folder / "sft")))


def recipe(kind: type[Any], part: Part, stage: str, seed: int, model: Path | None = None) -> Any:
    """The settings of a stage, as its recipe has them."""
    name = "curriculum" if part == "lengths" else "verification"
    flags = [f"--seed={seed}"] + ([f"--model={model}"] if model else [])
    return load(kind, RECIPES / name / f"{stage}.toml", flags)


def practice(part: Part, arm: str, seed: int, start: Path) -> rl.RlConfig:
    """The recipe's practice with what is different in an arm."""
    config: rl.RlConfig = recipe(rl.RlConfig, part, "practice", seed, start)
    if arm == "random":
        return replace(config, control="random")
    if arm == "mixed":
        return replace(config, curriculum=CurriculumConfig())
    if arm == "harmless":
        equations = replace(config.task.equations, kinds={"extraneous": 0.0})
        return replace(config, task=replace(config.task, equations=equations))
    return config


# ---------------------------------------------------------------------------------------------- examination


def examined_lengths(config: StudyConfig, folder: Path, seed: int) -> dict[str, Any]:
    """Which chains the imitation model does not solve, and what it and each arm reach on them."""
    task = find_task(recipe(rl.RlConfig, "lengths", "practice", seed, folder).task)

    def asked(levels: Sequence[str]) -> list[Prompt]:
        return [
            prompt
            for level in levels
            for prompt in graded(task).prompts_at(level, "test", config.asked, seed)
        ]

    drawn, short = asked(config.levels), asked(config.short)
    hits = right(folder / "sft", task, drawn, config.tries, CHOSEN)
    hard = [prompt for prompt, solved in zip(drawn, hits, strict=True) if not any(solved)]
    found: dict[str, Any] = {"asked": len(drawn), "unsolved": len(hard)}
    for arm in ("sft", *ARMS["lengths"]) if hard else ():
        found[arm] = {
            "greedy": share_of(right(folder / arm, task, hard, 1, FRESH)),
            "fresh": share_of(right(folder / arm, task, hard, config.fresh, FRESH)),
            "short": share_of(right(folder / arm, task, short, 1, FRESH)),
        }
    return found


def right(model: Path, task: Task, prompts: Sequence[Prompt], tries: int, seed: int) -> list[list[bool]]:
    """Which of a model's tries at each prompt are right; a single try is the greedy one."""
    policy, tokenizer = load_policy(model, torch.device("cpu"))
    sampling = SamplingConfig(temperature=0.0 if tries == 1 else 1.0, max_new_tokens=160)
    sampler = make_sampler(policy, sampling)
    batch = collect(sampler, tokenizer, task, prompts, tries, sampling_seed(seed, "teaching", tries))
    solved = [bool(score.solved) for score in batch.scores]
    return [solved[start : start + tries] for start in range(0, len(solved), tries)]


def share_of(solved: Sequence[Sequence[bool]]) -> float:
    """Share of problems of which at least one try is right."""
    return sum(map(any, solved)) / len(solved)


def examined_checks(config: StudyConfig, folder: Path, seed: int) -> dict[str, Any]:
    """Accuracy and share of checks, greedily and in samples, of the imitation model and each arm.

    All are asked the same equations, false roots among them; `harmless` is asked those that it practised too.
    """
    asked = practice("checks", "practice", seed, folder / "sft").task
    harmless = practice("checks", "harmless", seed, folder / "sft").task
    found = {}
    for arm in ("sft", *ARMS["checks"]):
        examination = EvalConfig(
            model=folder / arm,
            task=asked,
            count=config.equations,
            samples=4,
            sampled_count=config.equations,
            sampling=replace(EvalConfig(folder).sampling, max_new_tokens=CHECKED_TOKENS),
            threads=config.threads,
        )
        found[arm] = told(evaluate(examination))
        if arm in ("sft", "harmless"):
            found[f"{arm} without false roots"] = told(evaluate(replace(examination, task=harmless)))
    return found


def told(examination: Mapping[str, Any]) -> dict[str, Any]:
    """What an examination says of accuracy and checks."""
    false = examination["slices"].get("kind=extraneous", {"accuracy": None})
    return {
        "accuracy": examination["accuracy"],
        "false_roots": false["accuracy"],
        "checks": examination["behaviours"]["verification"]["share"],
        "sampled": examination["sampled"]["pass@1"],
        "sampled_checks": examination["sampled"]["behaviours"]["verification"]["share"],
    }


# --------------------------------------------------------------------------------------------------- claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Every claim that the finished seeds support."""
    lengths, checks = (by_seed(results[part]) for part in PARTS)
    known = {seed: row for seed, row in lengths.items() if row["unsolved"]}
    return [*(length_claims(known) if known else ()), *(check_claims(checks) if checks else ())]


def length_claims(rows: Mapping[int, Mapping[str, Any]]) -> list[Claim]:
    """What practice solves of the chains that the imitation model does not."""

    def per_cent(arm: str, key: str) -> dict[int, float]:
        return {seed: 100 * row[arm][key] for seed, row in rows.items()}

    unsolved = "Chains that 64 tries do not solve"
    found = [
        over_seeds(
            "teaching-unsolved-greedy",
            f"{unsolved}: solved greedily after practice with a curriculum",
            per_cent("curriculum", "greedy"),
            "at least 25",
        ),
        change_claim(
            "teaching-unsolved-fresh",
            f"{unsolved}: pass@16 after practice, less that of fresh tries before",
            per_cent("sft", "fresh"),
            per_cent("curriculum", "fresh"),
        ),
    ]
    controls = {
        "mixed": "practice on all lengths at once",
        "random": "practice with a random reward",
        "imitation": "more worked problems",
        "longer": "worked problems for as long as practice takes",
    }
    for arm, words in controls.items():
        found.append(
            gain_claim(
                f"teaching-unsolved-over-{arm}",
                f"{unsolved}: solved after a curriculum, less after {words}",
                per_cent(arm, "greedy"),
                per_cent("curriculum", "greedy"),
            )
        )
    before, after = per_cent("sft", "short"), per_cent("curriculum", "short")
    kept = gain_claim(
        "teaching-short-kept", "Chains of 2 to 5 terms: solved after practice, less before", before, after
    )
    return [*found, {**kept, "target": "at least -1", "sides": ["before", "after"]}]


def check_claims(rows: Mapping[int, Mapping[str, Any]]) -> list[Claim]:
    """Whether checks and accuracy rise where a check is what tells, and not elsewhere."""

    def per_cent(arm: str, key: str) -> dict[int, float]:
        return {seed: 100 * row[arm][key] for seed, row in rows.items()}

    checks, plain = "sampled_checks", "without false roots"
    return [
        change_claim(
            "teaching-checks",
            "Practice raises how often a candidate is checked, where false roots are among them",
            per_cent("sft", checks),
            per_cent("practice", checks),
        ),
        change_claim(
            "teaching-checks-accuracy",
            "Practice raises accuracy on equations with absolute values",
            per_cent("sft", "accuracy"),
            per_cent("practice", "accuracy"),
        ),
        gain_claim(
            "teaching-checks-over-random",
            "Share of answers with a check after practice, less with a random reward",
            per_cent("random", checks),
            per_cent("practice", checks),
        ),
        gain_claim(
            "teaching-checks-over-harmless",
            "Rise of checks by practice with false roots, less the rise by practice without them",
            rise(rows, f"harmless {plain}", f"sft {plain}"),
            rise(rows, "practice", "sft"),
        ),
    ]


def rise(rows: Mapping[int, Mapping[str, Any]], after: str, before: str) -> dict[int, float]:
    """By how many points the share of sampled answers with a check rose in an arm, on what it practised."""
    return {
        seed: 100 * (row[after]["sampled_checks"] - row[before]["sampled_checks"])
        for seed, row in rows.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Run the study; 0 done, 2 bad input."""
    return run_main(StudyConfig, "studies.teaching", StudyConfig.__doc__, study, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
