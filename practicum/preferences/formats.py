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
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from practicum.errors import InputError
from practicum.files import atomic_write, read_jsonl
from practicum.types import Prompt, Ranking, Response

Format = Literal["jsonl", "parquet", "trl"]

ENDINGS = (".jsonl", ".ndjson", ".parquet")

_NESTED = ("data", "responses", "flags")


def read(path: Path, kind: Format | None = None) -> list[Ranking]:
    """All rankings of a file. `kind` None tells by name (.parquet or not) and columns (chosen: TRL's).

    Raises InputError for a file that cannot be read or holds none, and for the first bad row.
    """
    return [ranking for _, ranking in read_rows(path, kind)]


def read_rows(path: Path, kind: Format | None = None) -> list[tuple[str, Ranking]]:
    """As `read`, each ranking with where it stands: file and line, or file and row."""
    parquet = path.suffix == ".parquet"
    lines = () if parquet else read_jsonl(path)
    rows = list(_parquet_rows(path)) if parquet else [(f"{path}:{number}", row) for number, row in lines]
    if not rows:
        raise InputError(f"{path}: holds no rankings")
    if kind is None:
        first = rows[0][1]
        kind = "trl" if isinstance(first, dict) and "chosen" in first else "jsonl"
    reader = _from_pair if kind == "trl" else Ranking.from_json
    return [(origin, _checked(reader(row, origin), origin)) for origin, row in rows]


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


def _checked(ranking: Ranking, origin: str) -> Ranking:
    for name in ("seconds", "time"):
        value = getattr(ranking, name)
        if value is not None and value < 0:
            raise InputError(f"{origin}: {name}: expected 0 or more, got {value:g}")
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


# --------------------------------------------------------------------------------------------- TRL's pairs


def _from_pair(row: Any, origin: str) -> Ranking:
    if not isinstance(row, dict):
        raise InputError(f"{origin}: expected an object with prompt, chosen and rejected")
    texts = []
    for name in ("prompt", "chosen", "rejected"):
        if row.get(name) is None:
            raise InputError(
                f"{origin}: field {name!r} is missing: TRL's format has prompt, chosen, rejected"
            )
        texts.append(_plain_text(row[name], name, origin))
    prompt, chosen, rejected = texts
    if chosen == rejected:
        raise InputError(
            f"{origin}: chosen and rejected are the same text: leave the row out, it is no preference"
        )
    _check_scores(row, origin)
    rater, name = (_optional_text(row, field, origin) for field in ("rater", "ranking_id"))
    if name and " " not in name:
        name = f"{name} {hashlib.sha256(json.dumps([chosen, rejected]).encode()).hexdigest()[:16]}"
    return Ranking(Prompt(prompt), (Response(chosen), Response(rejected)), (1, 2), rater, id=name)


def _check_scores(row: dict[str, Any], origin: str) -> None:
    """Raise InputError for a row whose own scores do not put `chosen` first."""
    better, worse = row.get("score_chosen"), row.get("score_rejected")
    if isinstance(better, (int, float)) and isinstance(worse, (int, float)) and not better > worse:
        said = "the same as" if better == worse else "not above"
        raise InputError(
            f"{origin}: score_chosen {better} is {said} score_rejected {worse}: leave the row out, "
            "or take the scores out if the order is meant"
        )


def _optional_text(row: dict[str, Any], name: str, origin: str) -> str:
    value = row.get(name) or ""
    if not isinstance(value, str):
        raise InputError(f"{origin}: {name}: expected a text, got {value!r:.60}")
    return value


_ROLES = {"prompt": ("user", "system"), "chosen": ("assistant",), "rejected": ("assistant",)}


def _plain_text(value: Any, name: str, origin: str) -> str:
    """The text of a column, or of the one message it holds (TRL's conversational format)."""
    origin = f"{origin}: {name}"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        content, role = value[0].get("content"), value[0].get("role")
        if role is not None and role not in _ROLES[name]:
            raise InputError(
                f"{origin}: expected a message of {' or '.join(_ROLES[name])}, got one of {role!r:.40}"
            )
        if isinstance(content, str):
            return content
    raise InputError(f"{origin}: expected a text or one message with a content, got {value!r:.60}")


# --------------------------------------------------------------------------------------------------- files


def _parquet_rows(path: Path) -> Iterator[tuple[str, Any]]:
    pyarrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    except pyarrow.ArrowInvalid as error:
        raise InputError(f"{path}: not a Parquet file ({str(error).splitlines()[0]})") from error
    for number, row in enumerate(table.to_pylist(), start=1):
        origin = f"{path}: row {number}"
        for name in _NESTED:
            if isinstance(row.get(name), str):
                try:
                    row[name] = json.loads(row[name])
                except ValueError as error:
                    raise InputError(f"{origin}: {name}: expected JSON text ({error})") from error
        yield origin, row


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
        columns |= {"flags": pyarrow.string(), "id": pyarrow.string()}
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
