"""How far rankings by people are and what they cost, from the preference databases below a folder."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from practicum.errors import InputError
from practicum.report.dashboard.discover import SKIPPED

if TYPE_CHECKING:
    from practicum.preferences.records import Progress

ENDINGS = (".sqlite", ".sqlite3", ".db")
MOST_DATABASES, MOST_FOLDERS, DEEPEST = 50, 20_000, 6


@dataclass(frozen=True)
class Collected:
    """One project: what is done and paid; `problem` says why its figures cannot be read."""

    database: str
    project: str
    progress: Progress | None
    problem: str = ""


def databases(root: Path, given: Sequence[Path] = ()) -> list[Path]:
    """Preference databases below `root`, after those that were given; links are not followed."""
    found = [*given]
    for count, (parent, folders, names) in enumerate(os.walk(root)):
        depth = len(Path(parent).relative_to(root).parts)
        folders[:] = sorted(
            one for one in folders if not one.startswith(".") and one not in SKIPPED and depth < DEEPEST
        )
        found += [Path(parent) / name for name in sorted(names) if name.endswith(ENDINGS)]
        if count > MOST_FOLDERS or len(found) > MOST_DATABASES:
            break
    return found[:MOST_DATABASES]


def check_databases(paths: Sequence[Path]) -> None:
    """Raise InputError for a file that is missing, or holds no rankings."""
    for path in paths:
        if not path.is_file():
            raise InputError(f"--database {path}: no such file")
        if _schema(path) is None:
            raise InputError(
                f"--database {path}: holds no rankings; expected a file that collect or rlhf made"
            )


def collected(path: Path, root: Path) -> list[Collected]:
    """The projects of a database, which is read only; empty for one that holds no rankings.

    Each run may have a database of the same name, so they are called by their path below `root`.
    """
    called = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    schema = _schema(path)
    if schema is None:
        return []
    from practicum.preferences.schema import HEAD
    from practicum.preferences.store import Store

    if schema != HEAD:
        remedy = "`practicum preferences stats` on it brings it up to date"
        return [Collected(called, "", None, f"{called}: has the schema of another version; {remedy}")]

    try:
        with Store.open(path, create=False) as store:
            return [
                Collected(called, project.name, store.progress(project.name)) for project in store.projects()
            ]
    except InputError as error:
        return [Collected(called, "", None, str(error))]


def _schema(path: Path) -> str | None:
    """The schema's version of an SQLite database of rankings, None for another file. Nothing is written."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, timeout=1.0)
    except sqlite3.Error:
        return None
    try:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        if not {"projects", "rankings", "alembic_version"} <= {row[0] for row in rows}:
            return None
        version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return None
    finally:
        connection.close()
    return str(version[0]) if version else ""
