"""Files written whole or not at all, and JSON that every reader takes."""

from __future__ import annotations

import codecs
import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from practicum.errors import InputError

TEMPORARY = ".partial"


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON text: NaN and infinities as null, tuples as lists, zero-dimensional tensors as numbers."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part; InputError on failure."""
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    data = content.encode("utf-8") if isinstance(content, str) else content
    with writing(path):
        try:
            with open(temporary, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            sync_path(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


# ------------------------------------------------------------------------------------------------- the disk


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failing disk into one line for the person; safetensors has its own error for it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise InputError(f"cannot write {path}: {error}") from error


def sync_path(path: Path) -> None:
    """Have the system write a file or a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to a JSONL file, all or none; InputError on failure."""
    data = "".join(to_json(row) + "\n" for row in rows).encode("utf-8")
    with writing(path), open(path, "ab", buffering=0) as stream:
        before = os.fstat(stream.fileno()).st_size
        try:
            while data:
                data = data[stream.write(data) :]
        except OSError:
            stream.truncate(before)
            raise


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path, advice: str) -> Any:
    """The JSON object in a file of a run. Raises InputError, which ends with advice, when it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {advice}") from error
    except ValueError as error:
        raise InputError(f"{path}: cannot be read, it is no JSON ({error}); {advice}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object; {advice}")
    return found


# --------------------------------------------------------------------------------------------- lines of JSON


def json_object(line: bytes, expected: str = "a JSON object") -> dict[str, Any]:
    """The JSON object of one line of UTF-8. Raises InputError, which names no place, for anything else."""
    try:
        found = json.loads(line.decode("utf-8").rstrip("\r\n"))
    except UnicodeDecodeError as error:
        raise InputError(f"no UTF-8 text (byte {error.start + 1}): write the file as UTF-8") from error
    except json.JSONDecodeError as error:
        # Of its places, the line is the file's and the caller's to name.
        raise InputError(f"no JSON object ({error.msg}, column {error.colno})") from error
    # A number of too many digits is a plain ValueError.
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON object ({error})") from error
    if not isinstance(found, dict):
        raise InputError(f"expected {expected}, got {type(found).__name__}")
    return found


def read_jsonl(
    path: Path, expected: str = "a JSON object", advice: str = "", skip_blank: bool = True
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) of every line of a JSONL file.

    Lines end at newlines only, since JSON text may hold other characters that end a line for `splitlines`. A
    byte-order mark before the first line is skipped, and so are blank lines unless told not to. Raises
    InputError that names file and line, says what was expected, and ends with `advice`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    yield from jsonl_objects(data, path, expected, advice, skip_blank)


def jsonl_objects(
    data: bytes, path: Path, expected: str = "a JSON object", advice: str = "", skip_blank: bool = True
) -> Iterator[tuple[int, dict[str, Any]]]:
    """As `read_jsonl`, of bytes that were read from `path`."""
    lines = data.removeprefix(codecs.BOM_UTF8).removesuffix(b"\n").split(b"\n") if data else []
    for number, line in enumerate(lines, start=1):
        if skip_blank and not line.strip():
            continue
        try:
            found = json_object(line, expected)
        except InputError as error:
            raise InputError(f"{path}:{number}: {error}" + (f"; {advice}" if advice else "")) from error
        yield number, found


def read_rows(path: Path, advice: str = "") -> list[dict[str, Any]]:
    """The objects of a JSONL file. Raises InputError as `read_jsonl`."""
    return [row for _, row in read_jsonl(path, advice=advice)]
