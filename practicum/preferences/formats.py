"""Rankings in files: JSONL, Parquet, and TRL's preference pairs (prompt, chosen, rejected).

JSONL holds `Ranking.json` a line. Parquet holds the same fields as columns, those of free form (`data`,
`responses`, `flags`) as JSON text. Every complaint about a file is one InputError that names file, line
(or row) and field. What nobody can have meant is refused: times before 1970, a preference between equal
texts, and, where people will read them, empty texts.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from practicum.data.chats import BEYOND_TEXT
from practicum.data.columns import Columns, find_columns, has_column, tell_unread
from practicum.data.config import DataConfig
from practicum.data.preferences import Labelled, NoPreferenceError, label_of, ranking_of
from practicum.data.rows import Row, files_by_split
from practicum.data.rows import read_rows as rows_of_file
from practicum.errors import InputError
from practicum.files import atomic_write
from practicum.types import Ranking

Format = Literal["jsonl", "parquet", "trl"]
Said = TypeVar("Said", Ranking, Labelled)

ENDINGS = (".jsonl", ".ndjson", ".parquet")

_NESTED = ("data", "responses", "flags", "messages")


def read(path: Path) -> list[Ranking]:
    """All rankings of a file in any form that `practicum.data.preferences` knows.

    Raises InputError for a file that cannot be read or holds none, and for the first bad row.
    """
    return [ranking for _, ranking in read_rows(path)]


def read_rows(path: Path) -> list[tuple[str, Ranking]]:
    """As `read`, each ranking with where it stands: file and line, or file and row."""
    rows = [_opened(row) for row in rows_of_file(path, "rankings")]
    columns = find_columns(rows, DataConfig())
    return [(row.origin, checked(ranking_of(row, columns), row.origin)) for row in rows]


def load_rankings(config: DataConfig, *, messages: bool = False) -> tuple[list[Ranking], list[Ranking]]:
    """(to learn from, of a test split of its own) of a user's data, its columns told on stderr.

    The test split is that of the settings' test file or of a folder's own files; a folder without one gives
    its validation split. Rows that prefer nothing, as equal answers, are counted, told and left out; empty
    answers are counted and told. `messages` says that answers may be more than texts. Raises InputError for
    the first bad row, where no ranking is left to learn from, and where settings and folder both name a test
    split.
    """
    return _learned_and_examined(config, partial(_rankings_by_split, messages=messages), "rankings")


def _learned_and_examined(
    config: DataConfig, read_splits: Callable[[Path, DataConfig], dict[str, list[Said]]], what: str
) -> tuple[list[Said], list[Said]]:
    """The rows to learn from and those of a test split; what is read and not used is told."""
    assert config.file is not None
    found = read_splits(config.file, config)
    named = {split for split in found if split not in ("", "train")}
    if named and (config.test is not None or config.test_share):
        name = "test" if config.test is not None else "test_share"
        raise InputError(
            f"data.{name}: {config.file} has a {sorted(named)[0]} split of its own: drop --data.{name}, or "
            "name the file of the train rows alone"
        )
    learned = found.get("", []) + found.get("train", [])
    if not learned:
        raise InputError(f"{config.file}: holds no train rows to learn from: name a file that does")
    if config.test is not None:
        examined = [one for some in read_splits(config.test, config).values() for one in some]
    else:
        examined = found.get("test") or found.get("validation") or []
        if unread := len(found.get("validation", [])) if "test" in found else 0:
            print(
                f"practicum: {config.file}: {unread} {what} of the validation split are neither learned "
                "from nor examined, the test split is",
                file=sys.stderr,
            )
    asked = {one.prompt.text for one in learned}
    if shared := sum(one.prompt.text in asked for one in examined):
        print(
            f"practicum: {shared} of {len(examined)} {what} of the test split are of prompts that are "
            "learned from too: an examination on them overstates what was learned",
            file=sys.stderr,
        )
    return learned, examined


def holds_labels(config: DataConfig) -> bool:
    """Whether a user's data labels single completions (KTO) and compares none."""
    assert config.file is not None
    rows = rows_of_file(config.file, "rankings")
    columns = find_columns(rows, config)
    compared = any(has_column(row.values, columns.chosen) or "ranks" in row.values for row in rows)
    return not compared and any(has_column(row.values, columns.label) for row in rows)


def load_labels(config: DataConfig) -> tuple[list[Labelled], list[Labelled]]:
    """(to learn from, of a test split of its own) of a user's data with KTO's labels, its columns told.

    The test split, what is told and what is refused are as in `load_rankings`.
    """
    return _learned_and_examined(config, _labels_by_split, "labels")


def _labels_by_split(path: Path, config: DataConfig) -> dict[str, list[Labelled]]:
    """The labels of a file or folder by the split that their files name."""
    rows = rows_of_file(path, "rankings")
    columns = find_columns(rows, config)
    _tell_read(path, rows, columns, ("completion", "label"))
    found: dict[str, list[Labelled]] = {}
    empty = []
    for row in rows:
        one = label_of(row, columns)
        found.setdefault(row.split, []).append(one)
        if not one.completion.strip() and not one.message:
            empty.append(row.origin)
    _tell_empty(path, empty, len(rows))
    return found


def _rankings_by_split(path: Path, config: DataConfig, *, messages: bool) -> dict[str, list[Ranking]]:
    """The rankings of a file or folder by the split that their files name."""
    rows = [_opened(row) for row in rows_of_file(path, "rankings")]
    columns = find_columns(rows, config)
    _tell_read(path, rows, columns, ("chosen", "rejected"))
    found: dict[str, list[Ranking]] = {}
    left_out, empty = [], []
    for row in rows:
        try:
            ranking = checked(ranking_of(row, columns), row.origin, messages=messages)
        except NoPreferenceError as error:
            left_out.append(str(error).partition(": leave")[0])
            continue
        found.setdefault(row.split, []).append(ranking)
        if not all(one.text.strip() or one.message for one in ranking.responses):
            empty.append(row.origin)
    if left_out:
        said = f"{len(left_out)} of {len(rows)} rows prefer nothing (the first: {left_out[0]})"
        if not any(found.values()):
            raise InputError(f"{said}: no ranking is left")
        print(f"practicum: {said}: left out", file=sys.stderr)
    _tell_empty(path, empty, len(rows))
    return {split: some for split, some in found.items() if some}


def _tell_read(path: Path, rows: Sequence[Row], columns: Columns, answers: Sequence[str]) -> None:
    """Say on stderr which columns are read of a file or folder, and which files of a folder."""
    asked = ("prompt", "system", "tools") if columns.prompt else ("messages", "system", "tools")
    told = columns.told((*asked, *answers))
    if columns.chosen and not columns.prompt and not columns.messages:
        told += "; no column of the prompt: it is what chosen and rejected begin with"
    print(f"practicum: {path}: {len(rows)} rows; {told or 'rankings'}", file=sys.stderr)
    if files := files_by_split(path, rows):
        print(f"practicum: {path}: {files}", file=sys.stderr)
    tell_unread(str(path), rows, columns)


def _tell_empty(path: Path, empty: Sequence[str], count: int) -> None:
    if empty:
        print(
            f"practicum: {path}: {len(empty)} of {count} rows have an empty answer (the first is "
            f"{empty[0]}), which is learned as an answer of no words",
            file=sys.stderr,
        )


def _opened(row: Row) -> Row:
    """A row with the columns that this module writes into Parquet as JSON text opened again."""
    if not isinstance(row.values.get("responses"), str) or "ranks" not in row.values:
        return row
    values = dict(row.values)
    for name in _NESTED:
        if isinstance(values.get(name), str):
            try:
                values[name] = json.loads(values[name])
            except ValueError as error:
                raise InputError(f"{row.origin}: {name}: expected JSON text ({error})") from error
    return Row(row.origin, values, row.split)


def digest(rankings: Iterable[Ranking]) -> str:
    """A name for what rankings say, whatever file or format they came in."""
    found = hashlib.sha256()
    for ranking in rankings:
        found.update(json.dumps(ranking.json(), sort_keys=True).encode() + b"\n")
    return found.hexdigest()


def check_filled(ranking: Ranking, origin: str) -> None:
    """Raise InputError for a prompt or response without text: a model may say nothing, people rank texts."""
    if not ranking.prompt.text.strip():
        raise InputError(f"{origin}: prompt: expected a text, got nothing")
    for index, response in enumerate(ranking.responses):
        if not response.text.strip():
            raise InputError(f"{origin}: responses[{index}]: expected a text, got nothing")


def checked(ranking: Ranking, origin: str, *, messages: bool = False) -> Ranking:
    """The ranking itself. Raises InputError for times before 1970, and, unless `messages` may be compared,
    for answers that hold more than a text."""
    for name in ("seconds", "time"):
        value = getattr(ranking, name)
        if value is not None and value < 0:
            raise InputError(f"{origin}: {name}: expected 0 or more, got {value:g}")
    beyond = next((one.message for one in ranking.responses if one.message), None)
    if beyond and not messages:
        fields = " and ".join(sorted(beyond.keys() & BEYOND_TEXT))
        raise InputError(
            f"{origin}: an answer with {fields}, of which a reward model or a person would read the text "
            "alone: practicum dpo --data learns from such answers"
        )
    return ranking


def write(path: Path, rankings: Sequence[Ranking], kind: Format | None = None) -> int:
    """Write rankings and return the number of rows; TRL's format has one row per pair, see `pairs`.

    The file's ending chooses Parquet (.parquet) or JSONL (.jsonl, .ndjson), for TRL's rows too. The file
    appears whole or not at all. Raises InputError for another ending and for a folder that is not there.
    """
    check_ending(path)
    if not path.parent.is_dir():
        raise InputError(f"{path}: folder {path.parent} does not exist")
    rows = list(pairs(rankings)) if kind == "trl" else [ranking.json() for ranking in rankings]
    if path.suffix == ".parquet":
        _write_parquet(path, rows, "trl" if kind == "trl" else "rankings")
    else:
        atomic_write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return len(rows)


def check_ending(path: Path) -> None:
    """Raise InputError for a file whose ending is of no format that is written here."""
    if path.suffix not in ENDINGS:
        raise InputError(
            f"{path}: rankings are written as {', '.join(ENDINGS)}: give the file such an ending"
        )


def pairs(rankings: Iterable[Ranking]) -> Iterator[dict[str, Any]]:
    """TRL's preference rows: prompt, chosen, rejected; ties make no row.

    `weight` is 1 over the pairs of the ranking, so that each ranking weighs 1 however many pairs it has
    (InstructGPT, Ouyang et al. 2022, 2203.02155, section 3.5). TRL ignores this column unless told, as it
    does `margin`, the difference in rank, `rater`, and `ranking_id`, by which a row is known when it returns.
    """
    for ranking in rankings:
        ordered = list(ranking.pairs())
        for better, worse in ordered:
            yield {
                "prompt": ranking.prompt.text,
                "chosen": ranking.responses[better].text,
                "rejected": ranking.responses[worse].text,
                "weight": 1.0 / len(ordered),
                "margin": float(ranking.ranks[worse] - ranking.ranks[better]),
                "rater": ranking.rater,
            } | ({"ranking_id": ranking.id} if ranking.id else {})


# --------------------------------------------------------------------------------------------------- files


def _write_parquet(path: Path, rows: Sequence[dict[str, Any]], kind: str) -> None:
    pyarrow, parquet = _pyarrow()
    if kind == "trl":
        columns = {"prompt": pyarrow.string(), "chosen": pyarrow.string(), "rejected": pyarrow.string()}
        columns |= {"weight": pyarrow.float64(), "margin": pyarrow.float64()}
        columns |= {"rater": pyarrow.string(), "ranking_id": pyarrow.string()}
    else:
        columns = dict.fromkeys(("prompt", "data", "responses"), pyarrow.string())
        columns |= {"ranks": pyarrow.list_(pyarrow.int64()), "rater": pyarrow.string()}
        columns |= {"prompt_id": pyarrow.string(), "seconds": pyarrow.float64(), "time": pyarrow.float64()}
        columns |= {"flags": pyarrow.string(), "id": pyarrow.string(), "messages": pyarrow.string()}
    plain = [
        {
            name: json.dumps(value, ensure_ascii=False) if name in _NESTED else value
            for name, value in row.items()
        }
        for row in rows
    ]
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(plain, schema=pyarrow.schema(columns)), sink)
    atomic_write(path, sink.getvalue().to_pybytes())


def _pyarrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise InputError("Parquet needs pyarrow: pip install 'practicum[data]', or use JSONL") from error
