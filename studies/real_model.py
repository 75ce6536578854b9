"""What SmolLM2-135M learns by practice on two cores: `python -m studies.real_model --run runs/real_model`.

Two tasks that a model of its size half solves once it has seen a few worked problems:

    chain_sum       reasoning-gym's sums and differences of two numbers below 100
    word_problems   GSM8K's kind of question about everyday things, one or two steps, in GSM8K's file format

```
RUN/word_problems/{train,test}.jsonl   generated questions; no question of the test is in the training file
RUN/TASK/lessons.jsonl                 worked problems of the training split
RUN/TASK/sft                           SmolLM2 with adapters after these; all runs start here
RUN/TASK/seed-0-true, seed-0-random    practice with the true reward and with a reward by chance, same seed
RUN/TASK/*/exam.json                   greedy answers to held-out problems
RUN/results.json                       held-out accuracy before, after, and under the null control
```
A part that is finished is skipped and one that was killed is resumed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal, cast

from practicum.data.config import DataConfig
from practicum.files import atomic_write
from practicum.model.lora import LoraConfig
from practicum.model.sampling import DecodingSettings, SamplingConfig
from practicum.tasks.registry import TaskConfig, load_task_on
from practicum.tasks.task import Proves
from practicum.training import rl, sft
from practicum.training.evaluate import EvalConfig, evaluate
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from studies.claim import over_seeds
from studies.common import finished, note_machine, read, record, say, study_main, write
from studies.judged import Claim

Part = Literal["chain_sum", "word_problems"]
Way = Literal["true", "random"]
WAYS: tuple[Way, ...] = ("true", "random")
NAMES = ("Ada", "Ben", "Chen", "Dora", "Emil", "Fatima", "Gita", "Hugo", "Ines", "Jonas", "Kemal", "Lena")
THINGS = ("apples", "books", "coins", "stamps", "shells", "cards", "pens", "plums", "marbles", "eggs")
STORED = {"train": 3000, "test": 400}
"""Generated questions of a split."""


@dataclass(frozen=True)
class StudyConfig:
    """SmolLM2-135M with adapters: a few worked problems, then practice, on two tasks."""

    run: Path
    """Folder of the study."""
    model: Path = Path("smollm2")
    """The model that gets adapters."""
    parts: tuple[Part, ...] = ("chain_sum", "word_problems")
    """The tasks."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of practice; both ways are run with each of them."""
    lessons: int = 600
    """Worked problems that are imitated."""
    lesson_steps: int = 12
    """Updates of imitation, of 16 worked problems each."""
    rank: int = 16
    """Rank of the adapters."""
    rate: float = 2e-4
    """Learning rate of practice; this and the number of prompts were chosen on seed 7."""
    prompts_per_step: int = 16
    """Prompts of an iteration of practice."""
    group_size: int = 8
    """Completions of a prompt."""
    examined: int = 300
    """Held-out problems of an examination."""
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(steps=80, checkpoint_every=20, keep_checkpoints=1)
    )
    """Iterations of practice, and checkpoints."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Teach, practise and examine every part, write RUN/results.json and return it."""
    note_machine(config.run, "real_model")
    return record(config, "real_model", {"parts": {part: one_task(config, part) for part in config.parts}})


def one_task(config: StudyConfig, part: Part) -> dict[str, Any]:
    """What one task found: examinations before and after, by way and seed."""
    folder = config.run / part
    folder.mkdir(parents=True, exist_ok=True)
    if part == "word_problems" and not (folder / "test.jsonl").exists():
        write_questions(folder)
    if not (folder / "lessons.jsonl").exists():
        write_lessons(config, part, folder / "lessons.jsonl")
    taught = finished(folder / "sft", partial(sft.train, lessons(config, folder)))
    found: dict[str, Any] = {
        "sft": {"seconds": taught["total_seconds"], **exam(config, part, folder / "sft")}
    }
    for seed in config.seeds:
        for way in WAYS:
            run = folder / f"seed-{seed}-{way}"
            say(f"{part}: {run.name}")
            summary = finished(run, partial(rl.train, practice(config, part, folder, seed, way)))
            after = exam(config, part, run)
            found.setdefault(way, {})[str(seed)] = {"seconds": summary["total_seconds"], **after}
    return found


def task_of(part: Part) -> TaskConfig:
    """The task's settings."""
    if part == "chain_sum":
        numbers = {"min_terms": "2", "max_terms": "2", "min_digits": "1", "max_digits": "2"}
        return TaskConfig(name="reasoning_gym:chain_sum", settings=numbers)
    return TaskConfig(name="gsm8k")


def data_of(part: Part, folder: Path, split: str = "train") -> DataConfig:
    """The file of a task that is made of one."""
    if part == "chain_sum":
        return DataConfig()
    return DataConfig(
        file=folder / f"{split}.jsonl", test=folder / "test.jsonl" if split == "train" else None
    )


def lessons(config: StudyConfig, folder: Path) -> sft.SftConfig:
    """Settings of imitation."""
    return sft.SftConfig(
        model=config.model,
        data=DataConfig(file=folder / "lessons.jsonl"),
        batch_demonstrations=16,
        textbook_passages=0,
        lora=LoraConfig(rank=config.rank),
        optimizer=OptimizerConfig("adamw", 5e-4, warmup_steps=5, final_share=0.1),
        loop=LoopConfig(steps=config.lesson_steps, checkpoint_every=20, keep_checkpoints=1),
    )


def practice(config: StudyConfig, part: Part, folder: Path, seed: int, way: Way) -> rl.RlConfig:
    """Settings of one run of practice."""
    return rl.RlConfig(
        model=folder / "sft",
        task=task_of(part),
        data=data_of(part, folder),
        control="none" if way == "true" else "random",
        seed=seed,
        prompts_per_step=config.prompts_per_step,
        group_size=config.group_size,
        lora=LoraConfig(rank=config.rank),
        sampling=SamplingConfig(max_new_tokens=longest(part)),
        optimizer=OptimizerConfig("adamw", config.rate, warmup_steps=3, final_share=0.2),
        loop=config.loop,
    )


def longest(part: Part) -> int:
    """Tokens that a completion may have."""
    return 24 if part == "chain_sum" else 40


def exam(config: StudyConfig, part: Part, run: Path) -> dict[str, Any]:
    """Greedy accuracy on held-out problems with its interval, and some answers; kept in RUN/exam.json."""
    path = run / "exam.json"
    if not path.exists():
        found = evaluate(
            EvalConfig(
                model=run,
                task=task_of(part),
                data=data_of(part, run.parent, "test"),
                count=config.examined,
                sampling=DecodingSettings(max_new_tokens=longest(part)),
            )
        )
        kept = ("n", "accuracy", "ci95", "outcomes", "completion_tokens", "examples")
        write(path, {name: found[name] for name in kept})
    return {name: value for name, value in read(path).items() if name != "examples"}


# ------------------------------------------------------------------------------------------------ the texts


def write_lessons(config: StudyConfig, part: Part, path: Path) -> None:
    """Worked problems of the training split, asked in the task's own words."""
    task = load_task_on(task_of(part), data_of(part, path.parent), "practice")
    prompts = task.prompts("train", config.lessons, 1000)
    worked = (
        {prompt.text: cast(Proves, task).gold(prompt) for prompt in prompts}
        if part == "chain_sum"
        else worked_of(path.parent)
    )
    rows = [{"prompt": prompt.text, "completion": worked[prompt.text]} for prompt in prompts]
    atomic_write(path, "".join(json.dumps(row) + "\n" for row in rows))


def worked_of(folder: Path) -> Mapping[str, str]:
    """The worked solution of each training question, by the prompt that the task makes of it."""
    task = load_task_on(TaskConfig(name="gsm8k"), data_of("word_problems", folder), "practice")
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    solutions = {row["question"]: row["answer"] for row in rows}
    prompts = task.prompts("train", len(rows), 0)
    return {prompt.text: next(solutions[q] for q in solutions if q in prompt.text) for prompt in prompts}


def write_questions(folder: Path) -> None:
    """Generated questions in GSM8K's format; no question twice, in one split or in both."""
    random, seen = Random("word problems"), set[str]()
    for split, count in STORED.items():
        rows: list[str] = []
        while len(rows) < count:
            question, worked = word_problem(random)
            if question not in seen:
                seen.add(question)
                rows.append(json.dumps({"question": question, "answer": worked}))
        atomic_write(folder / f"{split}.jsonl", "\n".join(rows) + "\n")


def word_problem(random: Random) -> tuple[str, str]:
    """A question and its worked solution, which ends in `#### NUMBER`."""
    name, other = random.sample(NAMES, 2)
    thing = random.choice(THINGS)
    a, b, c = random.randint(2, 12), random.randint(2, 9), random.randint(2, 5)
    more, fewer = max(a, b) + 1, min(a, b)
    has, had, left = f"{name} has {a} {thing}", f"{name} had {more} {thing}", f"{more} - {fewer}"
    kinds = (
        (f"{has} and buys {b} more. How many {thing} does {name} have now?", f"{a} + {b}"),
        (f"{had} and gave {fewer} to {other}. How many are left?", left),
        (f"{had} and {other} had {fewer}. How many more did {name} have?", left),
        (f"{name} fills {c} boxes with {b} {thing} each. How many {thing} is that?", f"{c} * {b}"),
        (f"{has}, finds {b} and loses {c // 2}. How many are there now?", f"{a} + {b} - {c // 2}"),
        (f"{has} and {other} has as many. {name} gets {c} more. How many in all?", f"2 * {a} + {c}"),
    )
    question, sum_of = random.choice(kinds)
    value = worth(sum_of)
    return question, f"{sum_of} = {value}\n#### {value}"


def worth(written: str) -> int:
    """The value of products and numbers joined by + and -, separated by spaces."""
    total, sign, product = 0, 1, 1
    for word in [*written.split(), "+"]:
        if word in "+-":
            total, sign, product = total + sign * product, 1 if word == "+" else -1, 1
        elif word != "*":
            product *= int(word)
    return total


# ----------------------------------------------------------------------------------------------- the claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """What practice added to held-out accuracy on each task, beside the null control."""
    rows = []
    for part, found in results["parts"].items():
        before = found["sft"]["accuracy"]
        gains = {
            way: {int(seed): 100 * (one["accuracy"] - before) for seed, one in found[way].items()}
            for way in WAYS
        }
        minutes = max(one["seconds"] for one in found["true"].values()) / 60
        told = {
            "true": f"practice adds to SmolLM2-135M's held-out accuracy, {100 * before:.1f}% after worked "
            f"problems; a run takes {minutes:.0f} minutes at most",
            "random": "practice on a reward by chance adds to the same accuracy (null control)",
        }
        rows += [
            {
                **over_seeds(
                    f"real-model-{part.replace('_', '-')}-{way}",
                    f"{part}: {told[way]}",
                    gains[way],
                    "above 0" if way == "true" else "at most 5",
                    "percentage points",
                ),
            }
            for way in WAYS
        ]
    return rows


main = study_main(StudyConfig, "studies.real_model", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
