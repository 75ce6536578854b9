"""Small files of a run, as TOML or JSON: what is wrong with one is a sentence and no error."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LARGEST = 1 << 20
"""Bytes of a small file; a larger one is not read."""


def small_json(
    path: Path, problems: list[str], needed: bool = True, largest: int = LARGEST
) -> dict[str, Any]:
    """The object of a small JSON file; empty, with one problem more, where it cannot be read."""
    text = _small_text(path, problems, needed, largest)
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        problems.append(f"{path.name}: cut or damaged, it is no JSON")
        return {}
    if not isinstance(found, dict):
        problems.append(f"{path.name}: expected a JSON object")
        return {}
    return found


def settings(path: Path, problems: list[str]) -> dict[str, Any]:
    """The tables of a config.toml; empty, with one problem more, where it cannot be read."""
    text = _small_text(path, problems, needed=True)
    if text is None:
        return {}
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError):
        problems.append(f"{path.name}: cut or damaged, it is no TOML")
        return {}
    return found


def _small_text(path: Path, problems: list[str], needed: bool, largest: int = LARGEST) -> str | None:
    try:
        if path.stat().st_size > largest:
            problems.append(f"{path.name}: larger than {largest // 1024} KiB, it is not read")
            return None
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if needed:
            problems.append(f"{path.name}: missing")
    except (OSError, UnicodeError) as error:
        problems.append(
            f"{path.name}: cannot be read ({getattr(error, 'strerror', None) or 'no UTF-8 text'})"
        )
    return None
