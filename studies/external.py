"""Equations nobody here wrote: the verifier against the files' answers, and the study's models on them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from practicum.demo import DemoSettings
from practicum.exact.verifier import Outcome, solve, verify
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.rollout.collect import collect
from practicum.rollout.samplers import make_sampler
from practicum.tasks.equations.external import ExternalProblem, read_external
from practicum.tasks.registry import load_task
from practicum.training.evaluate import interval_of
from practicum.training.loop import sampling_seed
from practicum.types import Prompt
from studies.claim import PERCENT, census, change_claim, noted, percent_bounds, single
from studies.judged import Claim

FILES = ("deepmind_mathematics.jsonl", "reasoning_gym.jsonl")
ROUNDING = 0.5001e-4
"""Half a unit of the fourth decimal place, to which reasoning-gym rounds irrational roots."""
TRAINING_PROMPTS = 4000
LINEAR = ("linear", "long_linear")
"""The families whose formats are compared."""


def measure(settings: DemoSettings, run: Path, seeds: Sequence[int], data: Path) -> dict[str, Any]:
    """Agreement of the verifier with every answer, and accuracy of each seed's practised model."""
    problems = [problem for name in FILES for problem in read_external(data / name)]
    formatted, in_range = familiar_prompts(settings, problems)
    return {
        "agreement": agreement(problems),
        "models": {
            str(seed): {
                "format": accuracy(settings, run / f"seed-{seed}" / "rl", formatted),
                "range": accuracy(settings, run / f"seed-{seed}" / "rl", in_range),
            }
            for seed in seeds
        },
    }


def agreement(problems: Sequence[ExternalProblem]) -> dict[str, dict[str, int]]:
    """By module: answers the verifier finds right, right up to the file's rounding, and the rest."""
    counts: dict[str, dict[str, int]] = {}
    for problem in problems:
        module = counts.setdefault(problem.module, {"exact": 0, "rounded": 0, "disagree": 0})
        if verify(problem.equation, problem.answer).outcome is Outcome.CORRECT:
            module["exact"] += 1
        else:
            module["rounded" if is_rounded(problem) else "disagree"] += 1
    return counts


def is_rounded(problem: ExternalProblem) -> bool:
    """Whether the answer is decimals, each the nearest with four places to a root the verifier finds."""
    parts = problem.answer.split(",")
    if not all(re.fullmatch(r"\s*-?\d+\.\d+\s*", part) for part in parts):
        return False
    found = [root.value.approximate() for root in solve(problem.equation).roots]
    given = sorted(float(part) for part in parts)
    return len(found) == len(given) and all(
        abs(one - other) <= ROUNDING for one, other in zip(given, found, strict=True)
    )


def familiar_prompts(
    settings: DemoSettings, problems: Sequence[ExternalProblem]
) -> tuple[list[Prompt], list[Prompt]]:
    """External linear equations to ask the model: those in the training format, and those also in range.

    In the format: the shape (numbers as N, the unknown as x) occurs among the linear training prompts;
    nothing is reworded but `*`, `**` and spaces, and an unknown the model never met is called x. In range: no
    number is larger than the largest among these prompts. A problem that was drawn for training is left out.
    Both lists are empty when no linear equations are trained. Of the quadratics hardly one is in the format.
    """
    drawn = load_task(settings.task).prompts("train", TRAINING_PROMPTS, 0)
    trained = [prompt.text for prompt in drawn if prompt.data["family"] in LINEAR]
    letters = {letter for text in trained for letter in re.findall("[a-z]", text.partition(": ")[2])}
    shapes, largest = {shape(text) for text in trained}, max(map(numbers, trained), default=0)
    texts = {f"solve: {compact(problem.equation, letters)}\n" for problem in problems} - set(trained)
    prompts = [
        _prompt(text.removeprefix("solve: ").strip()) for text in sorted(texts) if shape(text) in shapes
    ]
    return prompts, [prompt for prompt in prompts if numbers(prompt.text) <= largest]


def _prompt(equation: str) -> Prompt:
    """A prompt whose problem is named by its solutions, as that of our own linear equations is."""
    named = " ".join(f"{root.value.approximate():.12g}" for root in solve(equation).roots)
    return Prompt(f"solve: {equation}\n", {"equation": equation, "ask": "solve", "canonical": named})


def compact(equation: str, letters: Collection[str]) -> str:
    """An equation in the task's notation: no spaces, `^` for `**`, no sign between number and letter.

    An unknown that is not one of `letters` is renamed to x.
    """
    text = equation.replace(" ", "").replace("**", "^")
    text = re.sub(r"(?<=\d)\*(?=[a-z])", "", text)
    return re.sub("[a-z]", lambda found: found[0] if found[0] in letters else "x", text)


def shape(text: str) -> str:
    """The text with every number as N and the unknown as x."""
    ask, _, maths = text.partition(": ")
    return f"{ask}: {re.sub('[a-z]', 'x', re.sub('[0-9]+', 'N', maths))}"


def numbers(text: str) -> int:
    """The largest number in a text, 0 without any."""
    return max((int(digits) for digits in re.findall(r"\d+", text)), default=0)


def accuracy(settings: DemoSettings, folder: Path, prompts: Sequence[Prompt]) -> Mapping[str, Any]:
    """Greedy accuracy, judged by the verifier, with n and its 95% interval; empty without prompts."""
    if not prompts:
        return {}
    scores = load_task(settings.task).score(prompts, greedy_texts(settings, folder, prompts))
    return accuracy_of([bool(score.solved) for score in scores], prompts)


def greedy_texts(settings: DemoSettings, folder: Path, prompts: Sequence[Prompt]) -> list[str]:
    """The model's likeliest answer to each prompt, in order."""
    policy, tokenizer = load_policy(folder)
    sampler = make_sampler(policy, SamplingConfig(temperature=0.0))
    task = load_task(settings.task)
    return collect(sampler, tokenizer, task, prompts, 1, sampling_seed(0, "greedy")).rollout.texts


def accuracy_of(flags: Sequence[bool], prompts: Sequence[Prompt]) -> dict[str, Any]:
    """The share that is right, with `n` and its 95% interval over problems."""
    return {"accuracy": sum(flags) / len(flags), "n": len(flags), "ci95": interval_of(flags, prompts)}


# ---------------------------------------------------------------------------------------------------- claims


def claims(found: Mapping[str, Any], own: Mapping[int, float]) -> list[Claim]:
    """The verifier against answers, and the models on equations, that nobody here wrote.

    `own` is each seed's accuracy on our own linear equations, in per cent.
    """
    models = {
        part: {seed: row for seed in own if (row := found["models"].get(str(seed), {}).get(part))}
        for part in ("range", "format")
    }
    words = {"range": "and range", "format": "with numbers of any size"}
    return [
        agreement_claim(found["agreement"]),
        *(model_claim(part, words[part], own, rows) for part, rows in models.items() if rows),
    ]


def agreement_claim(modules: Mapping[str, Mapping[str, int]]) -> Claim:
    """The share of all answers that the verifier agrees with."""
    total = {key: sum(row[key] for row in modules.values()) for key in ("exact", "rounded", "disagree")}
    count = sum(total.values())
    found = single(
        "verifier-external-agreement",
        f"Verifier agreement with all {count:,} answers from DeepMind's mathematics dataset and "
        "reasoning-gym in our files",
        100 * (count - total["disagree"]) / count,
        PERCENT,
        "at least 100",
    )
    return {
        **noted(census(found), "A rounded decimal counts where it rounds the verifier's exact root."),
        "command": "make study DATA=FOLDER",
        "counts": {**total, "by_module": modules},
    }


def model_claim(
    part: str, words: str, own: Mapping[int, float], rows: Mapping[int, Mapping[str, Any]]
) -> Claim:
    """Accuracy on external equations beside that on our own."""
    return {
        **change_claim(
            f"equations-external-{part}",
            f"Accuracy on external linear equations in the training format {words}, minus on our own",
            {seed: own[seed] for seed in rows},
            {seed: 100 * row["accuracy"] for seed, row in rows.items()},
        ),
        "target": "at least -10",
        "command": f"make study SEEDS='{' '.join(map(str, rows))}' DATA=FOLDER",
        "sides": ["our own", "from outside"],
        "n": next(iter(rows.values()))["n"],
        "after_ci95": percent_bounds(rows),
    }
