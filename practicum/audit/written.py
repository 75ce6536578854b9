"""The file that findings are written to as tests, checked before the search: no other work is lost."""

from __future__ import annotations

import sys
from pathlib import Path

from practicum.errors import InputError

MARK = "`practicum audit exploits`"
"""Stands in the head of every test file that an audit writes."""
HEAD = 400


def check_tests_file(path: Path | None) -> None:
    """Raise InputError for a `--write_tests` without a folder, and for a file that no audit wrote."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise InputError(f"--write_tests {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise InputError(f"--write_tests {path}: is a folder; name a file")
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace")[:HEAD]:
        raise InputError(f"--write_tests {path}: exists, and no audit wrote it; name another file")


def tell_written(count: int, path: Path) -> None:
    """Say on stderr how many tests were written."""
    words = f"{count} tests written to {path}" if count else f"nothing was found: {path} is not written"
    print(f"practicum: {words}", file=sys.stderr)
