"""Files into rows: JSONL, JSON, CSV, TSV, Parquet, any of them gzipped, standard input, `datasets` folders.

Every row knows where it stands, `file:line` where files have lines, `file: row N` elsewhere (from 1), and its
values are plain JSON whatever the format.
"""

from __future__ import annotations

import base64
import codecs
import csv
import datetime
import gzip
import importlib
import io
import json
import math
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from practicum.errors import InputError
from practicum.files import jsonl_objects

STDIN = Path("-")
SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation"}
SPLITS |= {"val": "validation", "test": "test"}
ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
WRAPPERS = ("data", "rows", "examples", "instances")
"""Fields under which a JSON object may hold the array of its rows."""
ABOUT = ("dataset_info.json", "dataset_infos.json")
"""Files beside the data of a folder that describe it and hold no rows."""
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"


@dataclass(frozen=True)
class Row:
    """One row as it was read: plain JSON values by column.

    `origin` begins a complaint about it; `split` is train, validation or test where the folder it came from
    says so, else empty.
    """

    origin: str
    values: Mapping[str, Any]
    split: str = ""


def read_rows(path: Path, what: str = "rows") -> list[Row]:
    """All rows of a file, of standard input (`-`) or of a folder.

    The ending names the format (.jsonl, .ndjson, .json, .csv, .tsv, .parquet, with or without .gz); without a
    known one the content does. Raises InputError for what cannot be read, for a file that holds nothing
    (`what` it should hold), and for the first bad row, which it names by file and number.
    """
    rows = list(_folder(path) if path != STDIN and path.is_dir() else _file(path))
    if not rows:
        raise InputError(f"{_shown(path)}: holds no {what}")
    return rows


def _shown(path: Path) -> Path:
    return Path("stdin") if path == STDIN else path


@cache
def _standard_input() -> bytes:
    """What stands on standard input, kept: it can be read only once."""
    return sys.stdin.buffer.read()


def _file(path: Path, split: str = "") -> Iterator[Row]:
    name = _shown(path)
    try:
        data = _standard_input() if path == STDIN else path.read_bytes()
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    if data.startswith(GZIP):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{name}: damaged gzip file ({error}): fetch it again") from error
    for origin, values in _reader(path, data)(data, name):
        yield Row(origin, values, split)


Reader = Callable[[bytes, Path], Iterator[tuple[str, Mapping[str, Any]]]]


def _reader(path: Path, data: bytes) -> Reader:
    """What reads a file, by its ending or else its content."""
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if data.startswith(PARQUET) or ending == ".parquet":
        return _parquet
    if ending in (".csv", ".tsv"):
        return _csv if ending == ".csv" else _tsv
    start = data.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if ending in (".jsonl", ".ndjson"):
        return _jsonl
    if ending == ".json" or start in (b"{", b"["):
        return _json
    if path == STDIN or ending in (".txt", ""):
        return _csv
    raise InputError(f"{path}: no format of rows that is known here: use {', '.join(ENDINGS)} (or .gz)")


# ------------------------------------------------------------------------------------------------- formats


def _jsonl(data: bytes, name: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, values in jsonl_objects(data, name):
        yield f"{name}:{number}", values


def _json(data: bytes, name: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A JSON array of objects, an object that holds one, or JSONL with the wrong ending."""
    text = data.removeprefix(codecs.BOM_UTF8).lstrip()
    try:
        found = json.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: no UTF-8 text (byte {error.start + 1}): write the file as UTF-8"
        ) from error
    except (ValueError, RecursionError) as error:
        if text.startswith(b"["):
            raise InputError(f"{name}: no JSON ({error})") from error
        yield from _jsonl(data, name)
        return
    if isinstance(found, dict):
        held = [found[key] for key in WRAPPERS if isinstance(found.get(key), list)]
        found = held[0] if held else [found]
    if not isinstance(found, list):
        raise InputError(f"{name}: expected an array of objects, got {type(found).__name__}")
    for number, values in enumerate(found, start=1):
        if not isinstance(values, dict):
            raise InputError(f"{name}: row {number}: expected an object, got {type(values).__name__}")
        yield f"{name}: row {number}", values


def _csv(data: bytes, name: Path, delimiter: str = ",") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows under a header; the number is the line on which the row begins."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{name}:{line}: no UTF-8 text: write the file as UTF-8") from error
    csv.field_size_limit(sys.maxsize)
    # Signs within quotation marks separate nothing.
    first = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    if delimiter == "," and "," not in first and ";" in first:
        print(f"practicum: {name}: its columns are separated by semicolons", file=sys.stderr)
        delimiter = ";"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 1
    try:
        header = [cell.strip() or cell for cell in next(reader, [])]
        _check_header(header, name)
        number = reader.line_num + 1
        for cells in reader:
            if cells:
                if len(cells) != len(header):
                    raise InputError(
                        f"{name}:{number}: expected {len(header)} cells as in the header, got {len(cells)}"
                    )
                yield f"{name}:{number}", dict(zip(header, cells, strict=True))
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{name}:{number}: no CSV row ({error})") from error


def _tsv(data: bytes, name: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return _csv(data, name, "\t")


def _check_header(header: list[str], name: Path) -> None:
    twice = [column for column in header if header.count(column) > 1]
    if twice:
        raise InputError(f"{name}:1: the header names column {twice[0]!r} more than once")
    if "" in header[1:]:
        raise InputError(f"{name}:1: the header has a column without a name: name it")


def _parquet(data: bytes, name: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    pyarrow, parquet = _pyarrow("parquet")
    try:
        table = parquet.read_table(io.BytesIO(data))
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise InputError(f"{name}: not a Parquet file ({str(error).splitlines()[0]})") from error
    for number, values in enumerate(table.to_pylist(), start=1):
        yield f"{name}: row {number}", plain(values)


def _arrow(path: Path, split: str) -> Iterator[Row]:
    """Rows of an Arrow file, as `Dataset.save_to_disk` writes them."""
    pyarrow, ipc = _pyarrow("ipc")
    try:
        with pyarrow.memory_map(str(path)) as source:
            rows = ipc.open_stream(source).read_all().to_pylist()
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise InputError(f"{path}: not an Arrow file ({str(error).splitlines()[0]})") from error
    for number, values in enumerate(rows, start=1):
        yield Row(f"{path}: row {number}", plain(values), split)


def _pyarrow(part: str) -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module(f"pyarrow.{part}")
    except ModuleNotFoundError as error:
        raise InputError(
            "Parquet and Arrow need pyarrow: pip install 'practicum[data]', or use JSONL"
        ) from error


# ------------------------------------------------------------------------------------------------- folders


def _folder(path: Path) -> Iterator[Row]:
    """A folder that `datasets` saved, of one set or of one for each split, or one of data files."""
    if (path / "dataset_dict.json").is_file():
        for name in _named(path / "dataset_dict.json", "splits"):
            yield from _saved(path / str(name), _split_of(str(name)))
    elif (path / "state.json").is_file():
        yield from _saved(path, "")
    else:
        files = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file()
            and file.name not in ABOUT
            and Path(file.name.lower().removesuffix(".gz")).suffix in ENDINGS
        ]
        if not files:
            raise InputError(
                f"{path}: no folder of `datasets`, and no data file in it ({', '.join(ENDINGS)})"
            )
        for file in files:
            yield from _file(file, _split_of(str(file.relative_to(path))))


def _saved(path: Path, split: str) -> Iterator[Row]:
    for entry in _named(path / "state.json", "_data_files"):
        yield from _arrow(path / str(entry["filename"]), split)


def _named(path: Path, field: str) -> list[Any]:
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))[field])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not as `datasets` writes it ({error!r:.100})") from error


def _split_of(name: str) -> str:
    """The split that a file's or folder's name speaks of, else nothing."""
    for word in re.split(r"[^a-z]+", name.lower()):
        if word in SPLITS:
            return SPLITS[word]
    return ""


# -------------------------------------------------------------------------------------------- plain values


def plain(value: Any) -> Any:
    """A value of any format as plain JSON: NaN is None, dates are ISO 8601, bytes UTF-8 text or base64."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (Decimal, datetime.timedelta)):
        return str(value)
    return value
