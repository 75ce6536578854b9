"""Which data, which columns of it, and how much of it is kept for examination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from practicum.errors import InputError
from practicum.ranges import Common, CountOrNone, Ranged, ShareBelowOne


@dataclass(frozen=True)
class DataConfig(Ranged, section="data"):
    """A file of your own rows: JSONL, JSON, CSV, TSV, Parquet (each may be gzipped) or a `datasets` folder.

    Columns are found by their usual names, which is told; a name given here wins, and `none` turns a column
    off. A name with dots looks inside an object, as reward_model.ground_truth.
    """

    file: Common[Path | None] = None
    """The file or folder; - reads standard input."""
    test: Common[Path | None] = None
    """A file of its own for the test split."""
    test_share: Common[ShareBelowOne] = 0.0
    """Share of the prompts that is the test split, chosen by hash of the prompt. eval without it, and without
    test, examines on all rows of the file."""
    validation_share: ShareBelowOne = 0.0
    """Share of the prompts that is the validation split, chosen likewise."""
    prompt: tuple[str, ...] = ()
    """Column of the prompt, a text or a list of messages; several columns of text are joined by line breaks.
    Guessed: prompt, question, problem, instruction, query, input."""
    messages: str = ""
    """Column of whole chats, as messages or ShareGPT's conversations; the prompt is what comes before the
    assistant's last message. Where it is named, and prompt is not, no other column is the prompt."""
    system: str = ""
    """Column of a system message that precedes the prompt."""
    tools: str = ""
    """Column of the tools that the chat template shows."""
    answer: str = ""
    """Column of the gold answer, which rewards read as `prompt.data["answer"]`; of a text whose last line has
    `####` (GSM8K) it is what follows."""
    completion: str = ""
    """Column of what sft imitates; without one it is the assistant's last message, the solution or the
    answer."""
    chosen: str = ""
    """Column of the preferred completion, or of the whole chat with it."""
    rejected: str = ""
    """Column of the completion that lost, or of the whole chat with it."""
    label: str = ""
    """Column of KTO's labels: whether the completion is desirable."""
    turns: Literal["last", "all"] = "last"
    """Which of the assistant's turns in a chat sft learns: the last one, or all, each after what precedes
    it. Of a completion of several messages all are learned."""
    longest_prompt: CountOrNone = 0
    """Most tokens of a prompt; longer ones are counted and left out. 0: what the model takes."""

    def without_effect(self) -> Mapping[str, str]:
        """What is said of a file, where there is none."""
        if self.file is not None:
            return {}
        others = [field.name for field in fields(self) if field.name != "file"]
        return dict.fromkeys(others, "there are no rows: give --data FILE")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.test is not None and _is_share(str(self.test)):
            raise InputError(f"data.test is a file; a share of the prompts is --data.test_share {self.test}")
        if self.test is not None and self.test_share:
            raise InputError("data.test is a file of the test split: drop data.test_share")
        if self.test_share + self.validation_share >= 1:
            raise InputError(
                f"data.test_share {self.test_share} and data.validation_share {self.validation_share} leave "
                "nothing to learn from: their sum must be below 1"
            )
        if self.file is None and self.test is not None:
            raise InputError("data.test is the test split of --data FILE: give that file too")


def _is_share(text: str) -> bool:
    """Whether a file's name can only be meant as a share."""
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False
