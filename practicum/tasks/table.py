"""A user's own rows as a task: their prompts in three disjoint splits, and what they demonstrate."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Literal, TypeVar

from practicum.data.chats import is_chat
from practicum.data.columns import Columns, find_columns, tell_unread, value_of
from practicum.data.config import DataConfig
from practicum.data.records import Record, record_of
from practicum.data.rows import STDIN, Row, files_by_split, read_rows
from practicum.errors import InputError
from practicum.tasks.task import Task
from practicum.types import Demonstration, Prompt, Reward, Score

Item = TypeVar("Item")
Use = Literal["practice", "imitation", "examination"]
USED: Mapping[Use, tuple[str, ...]] = {
    "practice": ("prompt", "messages", "chosen", "system", "tools", "answer"),
    "imitation": ("prompt", "messages", "system", "tools", "completion", "solution"),
    "examination": ("prompt", "messages", "system", "tools", "answer"),
}


class TableTask:
    """Rows of a file as a `Task`: it asks and demonstrates; a reward of the user's judges.

    `splits` maps train, validation and test to their records, `judge` is who scores where a task of its own
    does. Prompts are drawn pass after pass: no row comes again before all have come.
    """

    vocabulary_size = 0

    def __init__(
        self, name: str, splits: Mapping[str, Sequence[Record]], judge: Reward | None = None
    ) -> None:
        self.name, self.judge = name, judge
        self.splits = {split: list(splits.get(split, ())) for split in ("train", "validation", "test")}

    def with_splits(self, splits: Mapping[str, Sequence[Record]]) -> TableTask:
        """The same task on other rows."""
        other = copy(self)
        other.splits = {split: list(splits.get(split, ())) for split in self.splits}
        return other

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """`count` prompts of a split in an order of the seed's; validation and test give no row twice, so at
        most all of theirs. Raises InputError for a split without rows."""
        records = self._records(split)
        if split != "train":
            count = min(count, len(records))
        return [record.prompt for record in drawn(records, 0, count, seed)]

    def prompts_from(self, start: int, count: int, seed: int) -> list[Prompt]:
        """Prompts `start` to `start + count` of endless passes over the train split."""
        return [record.prompt for record in drawn(self._records("train"), start, count, seed)]

    @property
    def levels(self) -> list[str]:
        """What the column `level` of the train rows holds, numbers in their order and then names in theirs.

        Raises InputError where a row has none.
        """
        return sorted({_level(record) for record in self._records("train")}, key=_place)

    def prompts_at(self, level: str, split: str, count: int, seed: int) -> list[Prompt]:
        """`count` prompts of the rows of one level, in an order of the seed's."""
        records = [one for one in self._records(split) if _level(one) == level]
        return [record.prompt for record in drawn(records, 0, count, seed)]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """The judge's scores; 0 for every text where there is none, since rows judge nothing."""
        if self.judge is not None:
            return self.judge.score(prompts, texts)
        return [Score(0.0) for _ in texts]

    def exposition(self, count: int, seed: int) -> list[str]:
        """Nothing: rows hold no textbook."""
        return []

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        """`count` demonstrations of the train split, in an order of the seed's."""
        return self.demonstrations_from(0, count, seed)

    def demonstrations_from(self, start: int, count: int, seed: int) -> list[Demonstration]:
        """Demonstrations `start` to `start + count` of endless passes over those of the train split."""
        return drawn(self.lessons(), start, count, seed)

    def lessons(self) -> list[Demonstration]:
        """All demonstrations of the train split. Raises InputError where its rows hold none."""
        found = [one for record in self._records("train") for one in record.demonstrations]
        if not found:
            raise InputError(
                f"{self.name}: its rows show nothing to imitate: name a column with --data.completion"
            )
        return found

    def _records(self, split: str) -> list[Record]:
        if not self.splits[split]:
            raise InputError(f"{self.name}: no rows in the {split} split; {_advice(split)}")
        return self.splits[split]


def _level(record: Record) -> str:
    """What a row's column `level` holds. Raises InputError that names a row without one."""
    level = record.prompt.data.get("row", {}).get("level")
    if level is None or level == "":
        raise InputError(f"{record.origin}: no column `level`, by which a curriculum sorts rows")
    return str(level)


def _place(level: str) -> tuple[float, str]:
    """Where a level stands among others: numbers by size, then names."""
    try:
        number = float(level)
    except ValueError:
        return math.inf, level
    return (number, level) if math.isfinite(number) else (math.inf, level)


def _advice(split: str) -> str:
    if split == "test":
        return "give --data.test FILE or --data.test_share 0.1"
    return "give --data.validation_share 0.1" if split == "validation" else "give more rows"


def drawn(items: Sequence[Item], start: int, count: int, seed: int) -> list[Item]:
    """Items `start` to `start + count` of endless passes, each pass in an order of its own."""
    found: list[Item] = []
    while len(found) < count:
        turn, place = divmod(start + len(found), len(items))
        order = list(items)
        Random(f"rows {seed} {turn}").shuffle(order)
        found += order[place : place + count - len(found)]
    return found


# --------------------------------------------------------------------------------------------- from a file


def load_table(config: DataConfig, use: Use) -> TableTask:
    """The task of the rows that the settings name. Says on stderr which columns it reads.

    For an examination all rows are the test split unless the settings or the folder say which. Raises
    InputError for a file that cannot be read, and for the first bad row.
    """
    assert config.file is not None
    rows = read_rows(config.file)
    columns = find_columns(rows, config)
    check_columns(columns, rows, use)
    check_turns(columns, rows, config, use)
    name = tell_read(config.file, rows, columns, USED[use])
    # What is imitated is judged by nothing, so that a gold answer matters only where the user names it.
    answered = use != "imitation" or bool(config.answer)
    shows = use == "imitation"
    records = [record_of(row, columns, config.turns, answered=answered, shows=shows) for row in rows]
    if shows:
        records = _showing(name, records)
    splits = splits_of(records, config, use)
    if config.test is not None:
        splits["test"] = _test_file(config, config.test, answered, shows)
    tell_shared(name, splits)
    return TableTask(name, splits)


def tell_read(path: Path, rows: Sequence[Row], columns: Columns, roles: Sequence[str]) -> str:
    """Say on stderr what is read of a file or folder, and what looks like a part of the question and is not.

    Returns the name of the file.
    """
    name = "stdin" if path == STDIN else path.name
    print(f"practicum: {name}: {len(rows)} rows; {columns.told(roles)}", file=sys.stderr)
    if files := files_by_split(path, rows):
        print(f"practicum: {name}: {files}", file=sys.stderr)
    tell_unread(name, rows, columns)
    return name


def _showing(name: str, records: Sequence[Record]) -> list[Record]:
    """The records without empty answers; how many show nothing to imitate is told on stderr."""
    found = [
        replace(
            record,
            demonstrations=tuple(
                one for one in record.demonstrations if one.completion.strip() or one.message
            ),
        )
        for record in records
    ]
    less = [
        old.origin
        for old, new in zip(records, found, strict=True)
        if not new.demonstrations or len(new.demonstrations) < len(old.demonstrations)
    ]
    if less and len(less) < len(records):
        print(
            f"practicum: {name}: {len(less)} of {len(records)} rows have no answer to imitate, or an empty "
            f"one (the first is {less[0]}): it is left out",
            file=sys.stderr,
        )
    return found


def check_turns(columns: Columns, rows: Sequence[Row], config: DataConfig, use: Use) -> None:
    """Raise InputError where all turns are to be learned of rows that hold no chats."""
    if use != "imitation" or config.turns != "all" or columns.messages:
        return
    name = columns.completion or columns.solution
    if not any(is_chat(value_of(row.values, name)) for row in rows):
        raise InputError(
            f"data.turns all: column {name!r} holds texts, not chats of several turns: leave --data.turns out"
        )


def check_columns(columns: Columns, rows: Sequence[Row], use: Use) -> None:
    """Raise InputError where no column holds prompts, or, for imitation, nothing to imitate."""
    file = rows[0].origin.rpartition(":")[0]
    names = ", ".join(dict.fromkeys(name for row in rows for name in row.values))
    if not (columns.prompt or columns.messages or (columns.chosen and columns.rejected)):
        raise InputError(f"{file}: no column of prompts among {names}: name it with --data.prompt")
    if use == "imitation" and not (columns.completion or columns.messages or columns.solution):
        raise InputError(f"{file}: no column to imitate among {names}: name it with --data.completion")


def _test_file(config: DataConfig, path: Path, answered: bool, shows: bool) -> list[Record]:
    rows = read_rows(path)
    others = sorted({row.split for row in rows} - {"", "test"})
    if others:
        raise InputError(f"data.test: {path} has {others[0]} rows too: name the file of its test rows alone")
    columns = find_columns(rows, replace(config, file=path, test=None))
    check_columns(columns, rows, "examination")
    tell_read(path, rows, columns, USED["examination"])
    return [record_of(row, columns, config.turns, answered=answered, shows=shows) for row in rows]


def splits_of(records: Sequence[Record], config: DataConfig, use: Use) -> dict[str, list[Record]]:
    """Records by split: the folder's own; shares are taken, by the hash of the prompt, from what it leaves.

    Raises InputError where a setting asks for a split that the folder has, or has nothing to take it from.
    """
    named = {record.split for record in records} - {""}
    _check_named(records, named, config)
    whole = "test" if use == "examination" and config.test is None and not named else "train"
    shares = config.test_share + config.validation_share
    splits: dict[str, list[Record]] = {"train": [], "validation": [], "test": []}
    for record in records:
        place = record.split or ("train" if shares else whole)
        splits[_split_by_hash(record.prompt, config) if shares and place == "train" else place].append(record)
    return splits


def _check_named(records: Sequence[Record], named: set[str], config: DataConfig) -> None:
    """Raise InputError where the settings and a folder whose files name splits contradict each other."""
    asked = {"test": "test", "test_share": "test", "validation_share": "validation"}
    for setting, split in asked.items():
        if not getattr(config, setting):
            continue
        if split in named:
            raise InputError(
                f"data.{setting}: {config.file} has a {split} split of its own: drop --data.{setting}, or "
                "name the file of the train rows alone"
            )
        if setting != "test" and all(record.split not in ("", "train") for record in records):
            raise InputError(
                f"data.{setting}: {config.file} has no train rows to take it from: drop --data.{setting}"
            )


def _split_by_hash(prompt: Prompt, config: DataConfig) -> str:
    """The split of a prompt: equal prompts are in one, in every file and run."""
    digest = hashlib.sha256(prompt.text.encode()).digest()
    lot = int.from_bytes(digest[:8], "big") / 2**64
    if lot < config.test_share:
        return "test"
    return "validation" if lot < config.test_share + config.validation_share else "train"


def check_judged(task: Task, reward: object) -> None:
    """Raise InputError where nothing judges the answers to a table's prompts."""
    if isinstance(task, TableTask) and task.judge is None and not reward:
        raise InputError(
            f"{task.name}: rows do not judge answers: give --reward FILE.py:function (a function of yours)"
        )


def tell_shared(name: str, splits: Mapping[str, Sequence[Record]]) -> None:
    """Say on stderr how many prompts of the other splits are in the train split too."""
    learned = {record.prompt.text for record in splits["train"]}
    for split in ("validation", "test"):
        shared = sum(record.prompt.text in learned for record in splits[split])
        if shared:
            print(
                f"practicum: {name}: {shared} of {len(splits[split])} prompts of the {split} split "
                "are in the train split too: an examination on them overstates what was learned",
                file=sys.stderr,
            )
