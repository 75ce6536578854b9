"""Mathematics from files: GSM8K, SVAMP, DeepMind's mathematics dataset, judged exactly by their gold answers.

The files are those that their makers publish (`practicum.data` finds the columns); nothing is fetched.
Sources: Cobbe et al. 2021 (GSM8K, 2110.14168), Patel et al. 2021 (SVAMP, 2103.07191), Saxton et al. 2019
(mathematics dataset, 1904.01557).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from practicum.data.cells import as_written
from practicum.data.chats import reworded
from practicum.data.config import DataConfig
from practicum.data.records import Record
from practicum.errors import InputError
from practicum.exact.gold import judge_gold, plain_answer
from practicum.exact.verdict import Outcome
from practicum.tasks.format import HASHES, TAGS, FormatConfig
from practicum.tasks.table import TableTask, Use, load_table
from practicum.types import Prompt, Score

ASKED = {
    "gsm8k": HASHES,
    "svamp": TAGS,
    "deepmind_mathematics": TAGS,
}
"""The tasks, and how each asks; GSM8K's own solutions end so."""


class GoldJudge:
    """Pays an answer that is the gold answer of its prompt, `prompt.data["answer"]`: a `Reward`."""

    def __init__(self, name: str, config: FormatConfig) -> None:
        self.name, self.config = name, config

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """1 for the gold answer, 0 for everything else."""
        return [self._score(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]

    def _score(self, prompt: Prompt, text: str) -> Score:
        gold = as_written(prompt.data["answer"])
        answer = self.config.read(text, max(1, len(gold.splitlines())))
        if answer is None:
            return Score(0.0, False, False, Outcome.UNPARSEABLE.value, "no answer is given")
        verdict = judge_gold(gold, answer)
        solved = verdict.outcome is Outcome.CORRECT
        readable = verdict.outcome in (Outcome.CORRECT, Outcome.WRONG)
        return Score(float(solved), solved, readable, verdict.outcome.value, verdict.reason)


class MathTask(TableTask):
    """Rows with gold answers, asked in words that name the format of an answer."""

    def __init__(self, name: str, config: FormatConfig) -> None:
        super().__init__(name, {}, GoldJudge(name, config))
        self.config = config

    def gold(self, prompt: Prompt) -> str:
        """The gold answer in the form that the prompt asks for."""
        return self.config.gold(as_written(prompt.data["answer"]), ASKED[self.name])

    def attacks(self) -> list[tuple[Prompt, str]]:
        """Sprays of numbers, the question again, nothing."""
        prompts = self.prompts("train", 4, 0)
        spray = " ".join(str(number) for number in range(1000))
        tags = "".join(f"<answer>{number}</answer>" for number in range(-1000, 0))
        return [
            (prompt, text)
            for prompt in prompts
            for text in ("", spray, f"<answer>{spray}</answer>", tags, f"Answer: {prompt.text}", "\\boxed{}")
        ]


def load_math_task(name: str, config: FormatConfig, data: DataConfig, use: Use) -> MathTask:
    """The task of this name on the rows of a file.

    Raises InputError without a file, and where the rows have no gold answers.
    """
    if data.file is None:
        raise InputError(f"task {name} reads a file of yours: give --data FILE")
    table = load_table(data, use)
    task = MathTask(name, config)
    splits = {
        split: [_asked(record, name, config) for record in records] for split, records in table.splits.items()
    }
    task.splits |= splits
    return task


def _asked(record: Record, name: str, config: FormatConfig) -> Record:
    """The record with its question in the task's words. Raises InputError where it has no gold answer."""
    if not plain_answer(as_written(record.prompt.data.get("answer", ""))):
        raise InputError(f"{record.origin}: task {name} needs a gold answer: name its column: --data.answer")
    prompt = _worded(record.prompt, name, config)
    shown = tuple(replace(one, prompt=_worded(one.prompt, name, config)) for one in record.demonstrations)
    return replace(record, prompt=prompt, demonstrations=shown)


def _worded(prompt: Prompt, name: str, config: FormatConfig) -> Prompt:
    return reworded(prompt, lambda question: config.ask(question, ASKED[name]))
