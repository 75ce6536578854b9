"""What a run reads: fingerprints of the files and folders that its config names, to tell of changes."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from pathlib import Path

ENDS = 1 << 22
"""Bytes read at either end of a file: weights of many gigabytes are told apart without reading them whole."""
MOST_FILES = 1000
LONGEST_NAME = 1000
RUN = "config.toml"
MODEL = ("config.json", "adapter_config.json")
"""Files by which a folder is told to be a run's, or a model's."""


def inputs(config: object) -> dict[str, str]:
    """Fingerprints of the files and folders that a config names and that are there, by name.

    They are its paths, and the files in its texts (FILE.py:NAME, json_schema:FILE, a recipe's file). Of a
    run's folder it is the newest checkpoint. What cannot be read is left out: whoever needs it will say so.
    """
    found = {}
    for name in sorted(set(_named(config))):
        try:
            found[name] = _fingerprint(Path(name))
        except OSError:
            continue
    return found


def changed_inputs(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names of what is there both times and is not the same."""
    return [name for name in then if name in now and then[name] != now[name]]


def _named(value: object) -> Iterator[str]:
    """Names of files and folders anywhere in a config."""
    if isinstance(value, Path):
        if os.path.isfile(value) or os.path.isdir(value):
            yield str(value)
    elif isinstance(value, str):
        yield from _files_in(value)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _named(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _named(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _named(getattr(value, field.name))


def _files_in(text: str) -> Iterator[str]:
    """A file that a text is, or has before or behind a colon; a word without an ending is none.

    Of a text that can be no file's name, such as a judge's instructions, isfile says no; Path.is_file raises.
    """
    if len(text) > LONGEST_NAME or not text.isprintable():
        return
    for name in (text, text.rpartition(":")[0], text.partition(":")[2]):
        if Path(name).suffix and os.path.isfile(name):
            yield name
            return


def _fingerprint(path: Path) -> str:
    files = [path] if path.is_file() else list(islice(_inside(path), MOST_FILES))
    size, checksum = 0, 0
    for file in files:
        # A name need be no UTF-8 text.
        name = os.fsencode(file.relative_to(path).as_posix())
        size += file.stat().st_size
        checksum = zlib.crc32(_ends(file), zlib.crc32(name, checksum))
    return f"{size} bytes, CRC-32 {checksum:08x}"


def _inside(folder: Path) -> Iterator[Path]:
    """The files of a folder, in order, but hidden ones and those of runs that somebody keeps in it."""
    top = _model_in(folder)
    for parent, folders, names in os.walk(top):
        if RUN in names and Path(parent) != top:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _model_in(folder: Path) -> Path:
    """The newest checkpoint of a run's folder; any other folder itself."""
    steps = [step for step in (folder / "checkpoints").glob("step-*") if step.name[5:].isdecimal()]
    if not steps or any((folder / name).is_file() for name in MODEL):
        return folder
    return max(steps, key=lambda step: int(step.name[5:]))


def _ends(file: Path) -> bytes:
    with file.open("rb") as stream:
        start = stream.read(ENDS)
        stream.seek(max(len(start), os.fstat(stream.fileno()).st_size - ENDS))
        return start + stream.read(ENDS)
