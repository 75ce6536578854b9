"""`practicum sample`: read what a model writes, with the task's judgement of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from tokenizers import Tokenizer

from practicum.data.config import DataConfig
from practicum.data.records import Record
from practicum.errors import InputError
from practicum.model.device import told_device
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import chat_of
from practicum.ranges import Common, Count, Ranged, Seed
from practicum.reward.config import FunctionsConfig
from practicum.reward.function import close, with_functions
from practicum.rollout.collect import ScoredRollout, collect
from practicum.rollout.converse import conversation_of, tell_unused_turns
from practicum.rollout.fitting import fitted
from practicum.rollout.sampler import scattered
from practicum.rollout.samplers import make_sampler
from practicum.tasks.registry import TaskConfig, find_task, load_task_on, without_effect
from practicum.tasks.table import TableTask
from practicum.tasks.task import Reads, Task, check_able
from practicum.types import Prompt


@dataclass(frozen=True)
class SampleConfig(Ranged):
    """Read what a model writes.

    practicum sample --model runs/rl --prompt 'sum: x^2 - 5x + 6 = 0'
    practicum sample --model smollm2 --chat on --prompt 'Tell me a joke.'
    practicum sample --model runs/mine --data test.csv --reward my_reward.py:score
    """

    model: Path
    """A model folder, a run's folder, a .gguf file, or smollm2."""
    prompt: Common[tuple[str, ...]] = ("3 - (3+y)/y = y",)
    """What to solve: an equation, or `solve: ...` or `sum: ...` in front of one; or anything, see chat."""
    chat: Common[Literal["auto", "on", "off"]] = "auto"
    """on asks prompts as they stand, judged by no task; off asks in a task's words; auto is on where a model
    has a chat template and no task but the default one is named, else off."""
    count: Common[Count] = 1
    """Completions of each prompt."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task that words the prompt and judges the completion."""
    data: DataConfig = field(default_factory=DataConfig)
    """Your own rows in place of --prompt; all of them may be asked unless a share or a test file is named."""
    rows: Common[Count] = 8
    """Prompts of --data that are asked, drawn by the seed."""
    split: Literal["validation", "test"] = "test"
    """Split of --data that is asked."""
    reward: FunctionsConfig = field(default_factory=FunctionsConfig)
    """Functions of yours that judge the completions, in place of the task or beside it."""
    sampling: SamplingConfig = field(default_factory=lambda: SamplingConfig(temperature=0.0))
    """How completions are drawn; temperature 0, the default, is greedy."""
    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 0
    """Fixes the draw."""

    def without_effect(self) -> Mapping[str, str]:
        """What typed prompts and the rows of a file leave of each other, and of the task."""
        idle = without_effect(self.task, self.data, "examination")
        if self.data.file is None:
            idle |= dict.fromkeys(("rows", "split"), "prompts are typed: give --data FILE for rows")
        else:
            rows = f"--data {self.data.file} brings the prompts: drop it"
            idle |= {"prompt": rows, "chat": f"{rows}; rows go through the model's chat template"}
        if self.chat == "on":
            idle["task"] = "--chat on asks no task: drop it, or give --chat off"
        if not self.reward.functions:
            idle["reward.weights"] = "no function pays: give one with --reward"
        return idle


def sample(config: SampleConfig) -> dict[str, Any]:
    """Sample and judge; the JSON of `practicum sample`. Prints prompts, completions and what judges say."""
    if not config.prompt:
        raise InputError("prompt is empty: at least one --prompt is needed")
    policy, tokenizer = load_policy(config.model, told_device(config.device))
    task, prompts = asked(config, tokenizer, policy.spec.max_positions)
    told = {"max_new_tokens": config.sampling.max_new_tokens}
    sampler = make_sampler(policy, config.sampling)
    tell_unused_turns(task, config.sampling)
    conversation = conversation_of(task, policy, config.sampling)
    judge = with_functions(config.reward, task, None, told, first=prompts[0])
    try:
        seed = scattered(config.seed)
        batch = collect(sampler, tokenizer, judge, prompts, config.count, seed, conversation=conversation)
    finally:
        close(judge)
    judged = bool(config.reward.functions) or not isinstance(task, TableTask) or task.judge is not None
    rows = rows_of(batch, judged)
    for row in rows:
        told = {name: value for name, value in row.get("parts", {}).items() if value or not _fails(name)}
        parts = ", ".join(f"{name} {value:g}" for name, value in told.items())
        said = [row.get("outcome"), row.get("reason"), parts and f"reward {row['reward']:g} ({parts})"]
        line = ": ".join(filter(None, said)) or (f"reward {row['reward']:g}" if judged else "")
        # A task's prompt is completed, a chat is answered.
        gap = "" if judged and not isinstance(task, TableTask) else "\n=> "
        print(f"{row['prompt']}{gap}{row['completion']}\n" + (f"=> {line}\n" if line else ""))
    return {"samples": rows, "completions": [row["completion"] for row in rows]}


def asked(config: SampleConfig, tokenizer: Tokenizer, max_positions: int) -> tuple[Task, list[Prompt]]:
    """Whose prompts are asked, and these: rows of a file, prompts in a task's words or as they stand."""
    if config.data.file is not None:
        task = load_task_on(config.task, config.data, "examination")
        assert isinstance(task, TableTask)
        task = fitted(task, tokenizer, max_positions, config.data.longest_prompt)
        return task, task.prompts(config.split, config.rows, config.seed)
    named = config.task != TaskConfig()
    if config.chat == "on" or (config.chat == "auto" and chat_of(tokenizer) is not None and not named):
        if config.chat == "auto":
            _say("asked as they stand, through the chat template, and no task judges (--chat off: one does)")
        prompts = [Prompt(text) for text in config.prompt]
        typed = [Record(prompt, (), "--prompt", config.split) for prompt in prompts]
        return TableTask("--prompt", {config.split: typed}), prompts
    worded = find_task(config.task)
    check_able(worded, "sample", Reads)
    if config.chat == "auto":
        _say(f"asked in the words of the task {worded.name}, which judges")
    return worded, [cast(Reads, worded).read(text) for text in config.prompt]


def _fails(part: str) -> bool:
    """Whether a part counts the failures of a function."""
    return part.startswith("failed/")


def _say(how: str) -> None:
    print(f"practicum: prompts are {how}", file=sys.stderr)


def rows_of(batch: ScoredRollout, judged: bool) -> list[dict[str, Any]]:
    """A row a completion, and what was said of it where somebody judges."""
    totals = batch.rollout.logprobs_BT.sum(1).tolist()
    found: list[dict[str, Any]] = []
    texts: Sequence[str] = batch.rollout.texts
    for row, (prompt, text, score) in enumerate(zip(batch.prompts, texts, batch.scores, strict=True)):
        said: dict[str, Any] = {
            "prompt": prompt.text,
            "completion": text,
            "finished": bool(batch.finished_B[row]),
            "logprob": totals[row],
        }
        if judged:
            said |= {"outcome": score.outcome, "reason": score.reason, "solved": score.solved}
            said |= {"reward": score.value, "parts": dict(score.parts)}
        found.append(said)
    return found
