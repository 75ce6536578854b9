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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from practicum.data.names import USUAL
from practicum.errors import InputError
from practicum.files import jsonl_objects

STDIN = Path("-")
SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
SPLITS |= {"eval": "test", "evaluation": "test", "validation": "validation", "valid": "validation"}
SPLITS |= {"dev": "validation", "val": "validation"}
"""What file names call the splits, as the Hugging Face hub reads them."""
ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
WRAPPERS = ("data", "rows", "examples", "instances")
"""Fields under which a JSON object may hold the array of its rows."""
ABOUT = ("dataset_info.json", "dataset_infos.json", "meta.json", "metadata.json")
"""Files beside the data of a folder that describe it and hold no rows."""
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""What separates the columns of a .csv in whose header there is no comma."""
SHARDS = ("of", "part", "shard", "chunk", "split", "data")
"""Words by which the files of one split are told apart, beside their numbers."""
HASH = re.compile(r"[-_][0-9a-f]{16}\Z")
"""What older versions of datasets put behind a shard's number."""
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"


@dataclass(frozen=True)
class Row:
    """One row as it was read: plain JSON values by column.

    `origin` begins a complaint about it; `split` is train, validation or test where the folder or file that
    it came from says so, else empty.
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


def read_once(path: Path) -> bool:
    """Whether it is standard input or a pipe: a process keeps what it read, and others get nothing."""
    return path == STDIN or path.is_fifo()


def _content(path: Path) -> bytes:
    """The bytes of a file, of standard input or of a pipe, such as the shell's `<(command)`."""
    if path == STDIN:
        return _standard_input()
    if path.is_fifo():
        status = path.stat()
        return _piped(path, status.st_dev, status.st_ino)
    return path.read_bytes()


@cache
def _standard_input() -> bytes:
    """What stands on standard input, kept: it can be read only once."""
    return sys.stdin.buffer.read()


@cache
def _piped(path: Path, _device: int, _inode: int) -> bytes:
    """What comes out of a pipe, kept for the same reason; a name may come to stand for another pipe."""
    return path.read_bytes()


def _file(path: Path, split: str = "") -> Iterator[Row]:
    name = _shown(path)
    try:
        data = _content(path)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    if data.startswith(GZIP):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{name}: damaged gzip file ({error}): fetch it again") from error
    for row in _reader(path, data)(data, name):
        yield replace(row, split=split) if split else row


Reader = Callable[[bytes, Path], Iterator[Row]]


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


def _jsonl(data: bytes, name: Path) -> Iterator[Row]:
    for number, values in jsonl_objects(data, name):
        yield Row(f"{name}:{number}", values)


def _json(data: bytes, name: Path) -> Iterator[Row]:
    """A JSON array of objects, an object that holds one or one for each split, or JSONL with the wrong
    ending."""
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
    for split, rows in _arrays(found, name).items():
        for number, values in enumerate(rows, start=1):
            origin = f"{name}: {split + ' ' if split else ''}row {number}"
            if not isinstance(values, dict):
                raise InputError(f"{origin}: expected an object, got {type(values).__name__}")
            yield Row(origin, values, SPLITS.get(split, ""))


def _arrays(found: Any, name: Path) -> dict[str, list[Any]]:
    """The rows in a JSON value, by the split that it names, else under ""."""
    if isinstance(found, list):
        return {"": found}
    if not isinstance(found, dict):
        raise InputError(f"{name}: expected an array of objects, got {type(found).__name__}")
    if found and all(key in SPLITS and isinstance(found[key], list) for key in found):
        return found
    asks = {*USUAL["prompt"], *USUAL["messages"], *USUAL["chosen"]}
    # A row may have a list of that name too: then it has a prompt beside it.
    held = [key for key in WRAPPERS if isinstance(found.get(key), list)]
    if not held or any(key.lower() in asks for key in found):
        return {"": [found]}
    if len(held) > 1:
        raise InputError(f"{name}: holds rows under {' and '.join(held)}: leave the array that is meant")
    return {"": found[held[0]]}


def _csv(data: bytes, name: Path, delimiter: str = ",") -> Iterator[Row]:
    """Rows under a header; the number is the line on which the row begins."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{name}:{line}: no UTF-8 text: write the file as UTF-8") from error
    csv.field_size_limit(sys.maxsize)
    # Signs within quotation marks separate nothing.
    first = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    other = next((sign for sign in SEPARATORS if sign in first), "")
    if delimiter == "," and "," not in first and other:
        print(f"practicum: {name}: its columns are separated by {SEPARATORS[other]}", file=sys.stderr)
        delimiter = other
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
                yield Row(f"{name}:{number}", dict(zip(header, cells, strict=True)))
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{name}:{number}: no CSV row ({error})") from error


def _tsv(data: bytes, name: Path) -> Iterator[Row]:
    return _csv(data, name, "\t")


def _check_header(header: list[str], name: Path) -> None:
    twice = [column for column in header if header.count(column) > 1]
    if twice:
        raise InputError(f"{name}:1: the header names column {twice[0]!r} more than once")
    if "" in header[1:]:
        raise InputError(f"{name}:1: the header has a column without a name: name it")


def _parquet(data: bytes, name: Path) -> Iterator[Row]:
    pyarrow, parquet = _pyarrow("parquet")
    try:
        table = parquet.read_table(io.BytesIO(data))
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise InputError(f"{name}: not a Parquet file ({str(error).splitlines()[0]})") from error
    for number, values in enumerate(table.to_pylist(), start=1):
        yield Row(f"{name}: row {number}", unfilled(plain(values)))


def _arrow(path: Path, split: str) -> Iterator[Row]:
    """Rows of an Arrow file, as `Dataset.save_to_disk` writes them."""
    pyarrow, ipc = _pyarrow("ipc")
    try:
        with pyarrow.memory_map(str(path)) as source:
            rows = ipc.open_stream(source).read_all().to_pylist()
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise InputError(f"{path}: not an Arrow file ({str(error).splitlines()[0]})") from error
    for number, values in enumerate(rows, start=1):
        yield Row(f"{path}: row {number}", unfilled(plain(values)), split)


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
        sets = {path / str(name): str(name) for name in _named(path / "dataset_dict.json", "splits")}
        splits = {file: _split_of(Path(name)) for file, name in sets.items()}
        _check_one_set(path, splits, {file: Path(name) for file, name in sets.items()})
        for file, split in splits.items():
            yield from _saved(file, split)
    elif (path / "state.json").is_file():
        yield from _saved(path, "")
    else:
        files = [file for file in sorted(path.rglob("*")) if _holds_rows(file, path)]
        if not files:
            raise InputError(
                f"{path}: no folder of `datasets`, and no data file in it ({', '.join(ENDINGS)})"
            )
        names = {file: file.relative_to(path) for file in files}
        splits = {file: _split_of(name) for file, name in names.items()}
        _check_one_set(path, splits, names)
        for file, split in splits.items():
            yield from _file(file, split)


def _holds_rows(file: Path, folder: Path) -> bool:
    """Whether a file of a folder is one of rows; hidden ones (.cache, macOS's ._x) are left by programs."""
    if any(part.startswith(".") for part in file.relative_to(folder).parts) or file.name in ABOUT:
        return False
    return file.is_file() and Path(file.name.lower().removesuffix(".gz")).suffix in ENDINGS


def _check_one_set(folder: Path, splits: Mapping[Path, str], names: Mapping[Path, Path]) -> None:
    """Raise InputError where several files are one split of different sets, as main/train and socratic/train,
    or train_sft and train_prefs: together they would be no set that anybody made."""
    for split in dict.fromkeys(splits.values()):
        files = [file for file, own in splits.items() if split and own == split]
        alike = {_set_of(names[file]): file for file in reversed(files)}
        if len(alike) > 1:
            first, second = sorted(alike.values())[:2]
            raise InputError(
                f"{folder}: {names[first]} and {names[second]} are {split} rows of different sets: name the "
                "one that is meant with --data, its test rows with --data.test"
            )


def _set_of(name: Path) -> str:
    """What a file's name says besides its split and its number among the files of that split."""
    parts = [*name.parts[:-1], name.name.partition(".")[0]]
    words = [word for part in parts for word in re.findall(r"[a-z]+", HASH.sub("", part.lower()))]
    return " ".join(word for word in words if word not in (*SPLITS, *SHARDS))


def files_by_split(path: Path, rows: Sequence[Row]) -> str:
    """The files of a folder in words, by the split that each was read as; empty for a single file."""
    if path == STDIN or not path.is_dir():
        return ""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        file = re.sub(r":(?:\d+| (?:\w+ )?row \d+)\Z", "", row.origin)
        found.setdefault(row.split or "no split named", {})[str(Path(file).relative_to(path))] = None
    return "; ".join(f"{split}: {', '.join(_few([*files]))}" for split, files in found.items())


def _few(names: list[str]) -> list[str]:
    return names if len(names) <= 4 else [*names[:2], f"{len(names) - 3} more", names[-1]]


def _saved(path: Path, split: str) -> Iterator[Row]:
    for entry in _named(path / "state.json", "_data_files"):
        yield from _arrow(path / str(entry["filename"]), split)


def _named(path: Path, field: str) -> list[Any]:
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))[field])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not as `datasets` writes it ({error!r:.100})") from error


def _split_of(name: Path) -> str:
    """The split that a file's name speaks of, else the innermost folder that is called as one; or nothing."""
    for word in re.split(r"[^a-z]+", name.name.lower()):
        if word in SPLITS:
            return SPLITS[word]
    return next((SPLITS[part.lower()] for part in reversed(name.parts) if part.lower() in SPLITS), "")


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


SHAPED = ({"role", "content"}, {"from", "value"}, {"function"}, {"parameters"}, {"input_schema"})
"""Fields by which a list is one of messages or of tools."""


def unfilled(value: Any) -> Any:
    """A row of Arrow without the nulls that it puts into messages and tools, where a column holds objects of
    several shapes: a call of one tool would else have the arguments of all."""
    if isinstance(value, list):
        shaped = any(
            isinstance(item, dict) and any(shape <= item.keys() for shape in SHAPED) for item in value
        )
        return [_without_nulls(item) if shaped else unfilled(item) for item in value]
    return {key: unfilled(item) for key, item in value.items()} if isinstance(value, dict) else value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value
